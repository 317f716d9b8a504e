"""UCF101: one-vs-rest linear SVM on L2-normalised video features, three splits (P3D paper, Table 3).

The pipeline is C3D's (Tran et al., ICCV 2015, section 4): a video's features averaged over its clips,
L2-normalised, a multi-class linear SVM; the score is the mean of the three splits' accuracies.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from p3d_eval.features import FeatureStore
from p3d_eval.protocols.annotations import ucf101 as lists
from p3d_eval.protocols.classification_options import ClassificationOptions
from p3d_eval.protocols.classify import Setting, classify
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, Protocol
from p3d_eval.protocols.result import Result
from p3d_eval.protocols.tasks import Task, TaskSplit

VERSION = "1"


@dataclass(frozen=True)
class Options(ClassificationOptions):
    """Options of the protocol; the defaults are those of the paper's row, or chosen where it is silent."""

    split: Literal["all", "1", "2", "3"] = field(
        default="all", metadata={"help": "Which split; the score is the mean of all three."}
    )


def run(store: FeatureStore, annotations: AnnotationFiles | None, options: Options) -> Result:
    """Train and test on each split.

    Parameters
    ----------
    store : FeatureStore
        Features with the layer ``options.layer``.
    annotations : AnnotationFiles or None
        The official lists; without them, classes, groups and splits follow from the videos' ids.
    options : Options

    Returns
    -------
    Result
        ``accuracy`` is the mean over the splits, with a bootstrap interval over (class, group) clusters.

    Raises
    ------
    UserError
        When a list is wrong, a video is missing without ``allow_missing``, or a layer is unknown.
    """

    def task() -> Task:
        data = lists.from_ids(store.expected_ids) if annotations is None else lists.parse(annotations.files)
        return make_task(data, options.split)

    return classify(Setting("ucf101", VERSION), store, task, annotations, options)


def make_task(data: lists.Ucf101, split: str = "all") -> Task:
    """Turn lists into a task; only all three published splits together are official."""
    chosen = [one for one in data.splits if split in ("all", str(one.number))]
    clips = list(dict.fromkeys(clip for one in chosen for clip in (*one.train, *one.test)))
    row = {clip: number for number, clip in enumerate(clips)}
    groups = ", ".join(f"g{tested.start:02}–g{tested.stop - 1:02}" for tested in lists.TEST_GROUPS.values())
    rule = f"splits from the videos' names: class is the folder, test groups {groups}"
    return Task(
        dataset="ucf101",
        names=tuple(clip.name for clip in clips),
        classes=data.classes,
        labels=tuple((data.classes.index(clip.action),) for clip in clips),
        splits=tuple(
            TaskSplit(
                str(one.number), *(np.array([row[clip] for clip in part]) for part in (one.train, one.test))
            )
            for one in chosen
        ),
        # A group's number in all classes, as in the official splits; else the clip.
        groups=tuple(clip.stem if clip.group is None else f"g{clip.group:02}" for clip in clips),
        clusters=tuple(
            f"{clip.action}/{clip.stem if clip.group is None else f'g{clip.group:02}'}" for clip in clips
        ),
        cluster_kind="(class, group)",
        official=data.official and split == "all",
        said=rule if data.from_rule else "splits from the lists; class is the folder in the list",
    )


PROTOCOL: Protocol = Protocol(
    name="ucf101",
    version=VERSION,
    summary="Action recognition on UCF101: linear SVM on L2-normalised features, mean of three splits.",
    options=Options,
    run=run,
    reader=lists.READER,
    annotation_option=AnnotationOption(
        "splits", "Folder of the official lists (default: splits from the videos' names)."
    ),
    fuses=True,
)
