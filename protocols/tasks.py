"""A classification task as data: videos with their classes, what belongs together, and train/test splits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UnknownNameError
from p3d_eval.features.matching import match_ids
from p3d_eval.protocols.protocol import Listed
from p3d_eval.provenance import sha256_json

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class TaskSplit:
    """One train/test split.

    Parameters
    ----------
    name : str
        What results call it, e.g. ``"1"``.
    train, test : ndarray of int
        Rows of the task's videos, each part in the order of its list.
    """

    name: str
    train: Index
    test: Index


@dataclass(frozen=True, eq=False)
class Task:
    """Videos with classes, and splits of them.

    Parameters
    ----------
    dataset : str
        Name of the data set, e.g. ``"ucf101"``.
    names : tuple of str
        Every video once, as the annotations write it without extension; matched to the store's ids.
    classes : tuple of str
        Class names in label order.
    labels : tuple of tuple of int, one a video
        Indices into ``classes``; several where a video shows several classes.
    splits : tuple of TaskSplit
    groups : tuple of str, one a video, optional
        What must not straddle training and validation when C is chosen; by default each video alone.
    clusters : tuple of str, one a video, optional
        What is resampled together for intervals; by default ``groups``.
    cluster_kind : str
        What the clusters are called in a result, e.g. ``"(class, group)"``.
    official : bool
        Whether the splits are exactly the published ones.
    deviations : tuple of str
        How the annotations differ from the published ones, where it can be told.
    said : str
        One sentence for the result on where classes and splits come from.
    """

    dataset: str
    names: tuple[str, ...]
    classes: tuple[str, ...]
    labels: tuple[tuple[int, ...], ...]
    splits: tuple[TaskSplit, ...]
    groups: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    cluster_kind: str = "video"
    official: bool = False
    deviations: tuple[str, ...] = ()
    said: str = "splits from the lists"

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", self.groups or self.names)
        object.__setattr__(self, "clusters", self.clusters or self.groups)
        if not len(self.names) == len(self.labels) == len(self.groups) == len(self.clusters):
            raise ValueError("names, labels, groups and clusters of a task differ in length")

    @property
    def multi_label(self) -> bool:
        """Whether a video shows several classes, or none."""
        return any(len(own) != 1 for own in self.labels)

    @property
    def clustered(self) -> bool:
        """Whether a cluster holds several videos."""
        return len(set(self.clusters)) < len(self.clusters)

    def only(self, name: str) -> Self:
        """Keep one split, which is never the official whole; ``"all"`` keeps every one.

        Raises
        ------
        UnknownNameError
            When there is no such split.
        """
        if name == "all":
            return self
        known = {split.name: split for split in self.splits}
        if name not in known:
            raise UnknownNameError(f"split of {self.dataset}", name, known)
        return replace(self, splits=(known[name],), official=False)

    def used(self) -> Index:
        """Rows that the splits name, each once, in the order in which they name them."""
        rows = np.concatenate([part for split in self.splits for part in (split.train, split.test)])
        return rows[np.sort(np.unique(rows, return_index=True)[1])]

    def first_labels(self, rows: Index) -> Index:
        """First class of each of these videos, shape (n,): the only one where they show one."""
        return np.array([self.labels[row][0] for row in rows.tolist()], np.intp)

    def indicator(self, rows: Index) -> NDArray[np.bool_]:
        """Which classes these videos show, shape (n, classes)."""
        shown = np.zeros((len(rows), len(self.classes)), bool)
        for place, row in enumerate(rows.tolist()):
            shown[place, list(self.labels[row])] = True
        return shown

    def split_hashes(self) -> dict[str, str]:
        """SHA-256 of each split's sets of training and test videos, independent of order."""
        return {
            split.name: sha256_json(
                [sorted(self.names[row] for row in part.tolist()) for part in (split.train, split.test)]
            )
            for split in self.splits
        }


def list_task(task: Task, ids: Sequence[str]) -> Listed:
    """Find a task's videos among ids."""
    return Listed(match_ids(task.names, ids), task.official)
