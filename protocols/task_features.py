"""The features of a task's videos: names matched to the store, missing ones counted, rows normalised."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from p3d_eval.features import FeatureStore
from p3d_eval.features.ids import match_ids
from p3d_eval.protocols.description import AllowMissing, make_coverage
from p3d_eval.protocols.fused_store import FusedStore
from p3d_eval.protocols.normalisation import Normalisation, normalise_rows
from p3d_eval.protocols.result import Coverage
from p3d_eval.protocols.tasks import Index, Task

Array = NDArray[np.float64]


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
        Row-normalised; what ``zscore`` learns is learned on training videos.
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
    return Matched(task, ids, make_coverage(store, len(names), missing, allow_missing, "the splits"))


def read_features(store: FeatureStore, matched: Matched, layer: str, normalise: Normalisation) -> TaskFeatures:
    """Read one layer of the matched videos, in float64, and normalise each row.

    Raises
    ------
    UserError
        When the layer is unknown or a value is not finite.
    """
    stored = np.asarray(store[layer].rows(list(matched.ids.values())), np.float64)
    place = np.full(len(matched.task.names), -1, np.intp)
    place[list(matched.ids)] = np.arange(len(matched.ids))
    return TaskFeatures(matched, normalise_rows(stored, normalise), place)
