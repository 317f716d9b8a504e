"""The features of a task's videos: names matched to the store, missing ones counted, rows normalised."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from p3d_eval.features import FeatureStore
from p3d_eval.features.matching import match_ids
from p3d_eval.protocols.coordinates import coordinates, inner_products
from p3d_eval.protocols.description import AllowMissing, make_coverage
from p3d_eval.protocols.fused_store import FusedStore
from p3d_eval.protocols.normalisation import Normalisation, normalise_rows
from p3d_eval.protocols.result import Coverage
from p3d_eval.protocols.tasks import Index, Task

Array = NDArray[np.float64]

_HELD_BYTES = 1 << 30  # of a layer in float64 that is always held
_WIDER = 2  # values for each video from which coordinates, as many as videos, are the smaller
_READ_VALUES = 1 << 22  # widened and normalised at a time


@dataclass(frozen=True, eq=False)
class Matched:
    """Which of a task's videos have features.

    Parameters
    ----------
    task : Task
    ids : mapping of int to str
        Row of the task → the store's id, of the videos that have features, in the order of use.
    coverage : Coverage
    """

    task: Task
    ids: dict[int, str]
    coverage: Coverage


@dataclass(frozen=True, eq=False)
class TaskFeatures:
    """Features of the task's videos that are there.

    Parameters
    ----------
    matched : Matched
    X : ndarray of float64, shape (videos with features, D)
        Row-normalised; what ``zscore`` learns is learned on training videos. Of a huge layer, coordinates.
    place : ndarray of int, shape (videos of the task,)
        Row of ``X`` of each video; −1 where it has no features.
    """

    matched: Matched
    X: Array
    place: Index

    @property
    def task(self) -> Task:
        """The task."""
        return self.matched.task

    def there(self, rows: Index) -> Index:
        """Keep the videos that have features."""
        return rows[self.place[rows] >= 0]

    def samples(self, rows: Index) -> Array:
        """Features of these videos, shape (n, D)."""
        return self.X[self.place[rows]]

    def with_values(self, X: Array) -> Self:
        """Put other values for the same videos, e.g. projections."""
        return replace(self, X=X)


def match_task(store: FeatureStore | FusedStore, task: Task, allow_missing: AllowMissing) -> Matched:
    """Find the store's ids of the videos that the task's splits name.

    Raises
    ------
    UserError
        When a name is ambiguous, or a video is missing without ``allow_missing``.
    """
    rows = task.used().tolist()
    names = [task.names[row] for row in rows]
    found = match_ids(names, store.expected_ids)
    stored = set(store.ids)
    ids = {}
    for row, name in zip(rows, names, strict=True):
        video = found[name]
        if video is not None and video in stored:
            ids[row] = video
    missing = [name for row, name in zip(rows, names, strict=True) if row not in ids]
    where = store.lacking([found[name] for name in missing]) if isinstance(store, FusedStore) else ""
    return Matched(task, ids, make_coverage(store, len(names), missing, allow_missing, "the splits", where))


def read_features(
    store: FeatureStore,
    matched: Matched,
    layer: str,
    normalise: Normalisation,
    device: str | torch.device | None = None,
) -> TaskFeatures:
    """Read one layer of the matched videos, in float64, and normalise each row.

    A layer of more than a gibibyte with many more values than there are videos is never held: it is replaced
    by coordinates with the same inner products (:mod:`p3d_eval.protocols.coordinates`), which is all that a
    classifier or a principal component sees of it. ``zscore`` needs the values themselves.

    Parameters
    ----------
    store : FeatureStore
    matched : Matched
    layer : str
    normalise : {"none", "l2", "signed-sqrt-l2", "zscore"}
    device : str, torch.device or None
        Where inner products are computed.

    Raises
    ------
    UserError
        When the layer is unknown or a value is not finite.
    """
    values, videos = store[layer], list(matched.ids.values())
    place = np.full(len(matched.task.names), -1, np.intp)
    place[list(matched.ids)] = np.arange(len(videos))
    width = values.shape[1]
    huge = len(videos) * width * np.dtype(np.float64).itemsize > _HELD_BYTES and width >= _WIDER * len(videos)
    if huge and normalise != "zscore":
        rows = np.array([store.positions[video] for video in videos], np.intp)
        return TaskFeatures(matched, coordinates(inner_products(values, rows, normalise, device)), place)
    X = np.empty((len(videos), width))
    step = max(1, _READ_VALUES // width)
    for start in range(0, len(videos), step):
        part = slice(start, start + step)
        X[part] = normalise_rows(values.rows(videos[part]).astype(np.float64), normalise)
    return TaskFeatures(matched, X, place)
