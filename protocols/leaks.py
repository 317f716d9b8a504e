"""Warnings, by name, of what makes a score too good: shared groups, near copies, weights that saw the test."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import counted, shorten
from p3d_eval.protocols.near_duplicates import NEAR, CopySearch, NearCopies, closest
from p3d_eval.protocols.protocol import AnnotationFiles
from p3d_eval.protocols.task_features import TaskFeatures
from p3d_eval.protocols.tasks import Task

Index = NDArray[np.intp]

_SHOWN = 3
_TOO_MANY = 0.1  # share of test videos with near copies above which the layer itself is in doubt

_PUBLISHED = ("aslan", "hmdb51", "ucf101")  # whose splits are recognised, by hashes or counts
# How a data set is called in words on training data, letters and digits alone.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "aslan": ("aslan",),
    "ucf101": ("ucf101",),
    "hmdb51": ("hmdb51", "hmdb"),
    "activitynet": ("activitynet",),
    "yupenn": ("yupenn",),
    "dynamic-scenes": ("dynamicscene", "movingvistas"),
}


@dataclass(frozen=True, eq=False)
class Sides:
    """Training and test videos of one split, as rows."""

    name: str
    train: Index
    test: Index


def leak_warnings(
    blocks: Sequence[TaskFeatures], annotations: AnnotationFiles | None, trained_on: str
) -> list[str]:
    """Look for leaks in a classification task.

    Parameters
    ----------
    blocks : sequence of TaskFeatures
        The task, and its videos' features: of each feature file.
    annotations : AnnotationFiles or None
        Where the splits came from.
    trained_on : str
        What the features' provenance says of the weights.

    Returns
    -------
    list of str
        One warning for each finding.
    """
    task = blocks[0].task
    sides = [Sides(split.name, split.train, split.test) for split in task.splits]
    copies = [found for data in blocks for found in _copies(data, sides)]
    return [
        *training_leaks(task.dataset, trained_on),
        *unofficial_lists(task.dataset, annotations, task.official),
        *_shared_clusters(task, sides),
        *dict.fromkeys(copies),
    ]


def training_leaks(dataset: str, trained_on: str) -> list[str]:
    """Warn where the weights were trained on the data set that judges them."""
    words = re.sub(r"[^a-z0-9]", "", trained_on.lower())
    if not any(spelling in words for spelling in _SPELLINGS.get(dataset, ())):
        return []
    told = (
        f"LEAK: the weights were trained on {trained_on!r}, and {dataset} judges them: test videos that they "
        "have seen make the score too good. Of weights fine-tuned on one split, only that split's test counts."
    )
    return [told]


def unofficial_lists(dataset: str, annotations: AnnotationFiles | None, official: bool) -> list[str]:
    """Warn where files carry the official names and hold other splits."""
    if official or dataset not in _PUBLISHED or annotations is None or not annotations.official_names:
        return []
    names = shorten(sorted(annotations.files), _SHOWN)
    told = f"{names}: the names of {dataset}'s official files, but not the published splits"
    return [f"{told}: do not report the score as {dataset}'s."]


def _shared_clusters(task: Task, sides: Sequence[Sides]) -> list[str]:
    """Warn of groups that are on both sides of a split; of leaving out in turn, both sides are all videos."""
    shared = {}
    for one in sides:
        train, test = ({task.clusters[row] for row in part.tolist()} for part in (one.train, one.test))
        if train & test and not left_out_in_turn(one.train, one.test):
            shared[one.name] = train & test
    if not shared:
        return []
    both = sorted(set().union(*shared.values()))
    what = counted(len(both), f"{task.cluster_kind} cluster" if task.clustered else "video")
    told = f"LEAK: {_splits(shared)}: {what} in training and in test: {shorten(both, _SHOWN)}."
    return [f"{told} What was cut from one source is no independent test."]


def _splits(names: Collection[str]) -> str:
    """Name splits: ``split 1``, or ``splits 1, 2, 3``."""
    return f"split{'s' if len(names) > 1 else ''} {', '.join(names)}"


def left_out_in_turn(train: Index, test: Index) -> bool:
    """Whether every video is tested by who was trained on the others."""
    return len(train) == len(test) and bool((np.sort(train) == np.sort(test)).all())


def _copies(data: TaskFeatures, sides: Sequence[Sides]) -> list[str]:
    """Warn of test videos whose features are almost those of a training video."""
    task = data.task
    search = CopySearch(data.X)
    names = {int(place): task.names[row] for row, place in enumerate(data.place.tolist()) if place >= 0}
    rows = np.flatnonzero(data.place >= 0)
    groups = np.empty(len(data.X), np.intp)
    groups[data.place[rows]] = np.unique([task.groups[row] for row in rows.tolist()], return_inverse=True)[1]
    found: dict[str, NearCopies] = {}
    tested: list[Index] = []
    for one in sides:
        train, test = (data.place[data.there(part)] for part in (one.train, one.test))
        near = search.find(train, test, groups if left_out_in_turn(train, test) else None)
        if len(near.test):
            found[one.name] = near
            tested.append(test)
    if not found:
        return []
    return describe_copies(
        closest(list(found.values())), names, _splits(found), len(np.unique(np.concatenate(tested)))
    )


def describe_copies(near: NearCopies, names: Mapping[int, str], where: str, tested: int) -> list[str]:
    """Say which test videos have near copies in training, the closest first."""
    if not len(near.test):
        return []
    pairs = [
        f"{names[test]} and {names[train]} ({cosine:.5f})"
        for test, train, cosine in zip(
            near.test.tolist(), near.train.tolist(), near.cosine.tolist(), strict=True
        )
    ]
    if len(near.test) > max(1, _TOO_MANY * tested):
        told = f"{where}: {len(pairs)} of {tested} test videos have a training video of cosine {NEAR} or more"
        doubt = "copies, or a layer that hardly tells videos apart (class probabilities often do not)"
        return [f"{told}: {doubt}: {shorten(pairs, _SHOWN)}."]
    some = counted(len(pairs), "test video has", "test videos have")
    told = f"LEAK: {where}: {some} a near copy in training (cosine {NEAR} or more)"
    return [f"{told}: {shorten(pairs, _SHOWN)}."]
