"""ActivityNet: videos with their activities, from the official JSON (``activity_net.v1-3.min.json``).

Caba Heilbron, Escorcia, Ghanem and Niebles, CVPR 2015. The rules are those of the official evaluation code
(activitynet/ActivityNet, Evaluation/eval_classification.py): a video counts once for each distinct label, and
classes stand in the order in which the subset shows them first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.annotations.structured import (
    one_line,
    parse_json,
    require_list,
    require_object,
    require_text,
)
from p3d_eval.protocols.protocol import AnnotationReader
from p3d_eval.protocols.tasks import Task, TaskSplit, list_task

TRAINING, VALIDATION, TESTING = "training", "validation", "testing"
REQUIRED = ("database", "taxonomy", "version")

# Version 1.3: videos of each subset (P3D paper, section 5.2; the official list) and classes.
OFFICIAL_VERSION = "VERSION 1.3"
OFFICIAL_VIDEOS = {TRAINING: 10_024, VALIDATION: 4_926, TESTING: 5_044}
OFFICIAL_CLASSES = 200


@dataclass(frozen=True)
class ActivityNet:
    """The videos of each subset.

    Parameters
    ----------
    version : str
        As the file says, e.g. ``"VERSION 1.3"``.
    subsets : mapping of str to mapping of str to tuple of str
        Subset → video id → its distinct labels in the order of the file; none where they are withheld.
    """

    version: str
    subsets: Mapping[str, Mapping[str, tuple[str, ...]]]

    def classes(self, subset: str) -> tuple[str, ...]:
        """Labels of a subset in the order of their first appearance."""
        return tuple(dict.fromkeys(label for own in self.subsets[subset].values() for label in own))

    def deviations(self) -> tuple[str, ...]:
        """How the file differs from version 1.3 as published, as far as counts tell."""
        found = [] if self.version == OFFICIAL_VERSION else [f"version {self.version!r}"]
        for subset in (TRAINING, VALIDATION):
            count, published = len(self.subsets.get(subset, {})), OFFICIAL_VIDEOS[subset]
            if count != published:
                found.append(f"{count:,} {subset} videos of {published:,}")
        return tuple(found)


def parse(files: Mapping[str, bytes]) -> ActivityNet:
    """Read the one JSON file.

    Raises
    ------
    UserError
        When it is not JSON of the official form, or a video of a labelled subset has no label.
    """
    if len(files) != 1:
        raise UserError(f"ActivityNet: one JSON file is needed, got {len(files)}")
    ((name, data),) = files.items()
    document = require_object(name, parse_json(name, data), "the file")
    missing = [key for key in REQUIRED if key not in document]
    if missing:
        raise UserError(
            f"{name}: no {' and no '.join(map(repr, missing))}: not ActivityNet's annotations",
            f"The official file has {', '.join(REQUIRED)}",
        )
    database = require_object(name, document["database"], "'database'")
    subsets: dict[str, dict[str, tuple[str, ...]]] = {}
    for video, entry in database.items():
        subset, labels = _parse_video(name, video, entry)
        subsets.setdefault(subset, {})[video] = labels
    if not subsets:
        raise UserError(f"{name}: 'database' is empty")
    return ActivityNet(require_text(name, document["version"], "'version'"), subsets)


def _parse_video(name: str, video: str, entry: Any) -> tuple[str, tuple[str, ...]]:
    what = f"video {one_line(video)!r}"
    require_text(name, video, "a video's id")
    values = require_object(name, entry, what)
    subset = require_text(name, values.get("subset"), f"the subset of {what}")
    if subset not in OFFICIAL_VIDEOS:
        raise UserError(
            f"{name}: the subset of {what} is {one_line(subset)!r}, not {', '.join(OFFICIAL_VIDEOS)}"
        )
    labels = []
    for annotation in require_list(name, values.get("annotations", []), f"'annotations' of {what}"):
        own = require_object(name, annotation, f"an annotation of {what}")
        labels.append(require_text(name, own.get("label"), f"a label of {what}"))
    if not labels and subset != TESTING:
        raise UserError(f"{name}: {what} of the {subset} subset has no label")
    return subset, tuple(dict.fromkeys(labels))


def require_labelled(data: ActivityNet, subset: str) -> Mapping[str, tuple[str, ...]]:
    """Return a subset's videos.

    Raises
    ------
    UserError
        When the file has no such subset, or its labels are withheld.
    """
    if subset not in data.subsets:
        raise UnknownNameError("subset of the annotations", subset, data.subsets)
    videos = data.subsets[subset]
    unlabelled = next((video for video, labels in videos.items() if not labels), None)
    if unlabelled is not None:
        raise UserError(
            f"subset {subset!r}: video {unlabelled!r} has no label: its labels are withheld",
            "Evaluate on --subset validation",
        )
    return videos


def make_task(data: ActivityNet, subset: str = VALIDATION) -> Task:
    """Train on the training subset, test on another one.

    Classes are those of the tested subset, as the official evaluation has them; a training video that shows
    none of them is an example of none.

    Raises
    ------
    UserError
        When a subset is not there or not labelled, or is the training subset itself.
    """
    if subset == TRAINING:
        raise UserError("subset 'training' is what is trained on", "Evaluate on --subset validation")
    trained, tested = require_labelled(data, TRAINING), require_labelled(data, subset)
    classes = data.classes(subset)
    number = {label: place for place, label in enumerate(classes)}
    videos = [*trained.items(), *tested.items()]
    deviations = data.deviations()
    return Task(
        dataset="activitynet",
        names=tuple(video for video, _ in videos),
        classes=classes,
        labels=tuple(tuple(number[label] for label in labels if label in number) for _, labels in videos),
        splits=(TaskSplit(subset, np.arange(len(trained)), np.arange(len(trained), len(videos))),),
        official=not deviations and subset == VALIDATION and len(classes) == OFFICIAL_CLASSES,
        deviations=deviations,
        said=(
            f"trained on the training subset, tested on {subset}; a video counts once for each distinct label; "
            "official is judged by version and counts, since no copy of the official file was at hand"
        ),
    )


READER = AnnotationReader(
    "activitynet",
    ("activity_net*.json",),
    parse,
    "activity_net.v1-3.min.json (activity-net.org/download.html)",
    listed=lambda data, ids: list_task(make_task(data), ids),
)
