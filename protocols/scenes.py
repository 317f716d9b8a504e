"""Scene recognition by leaving one video out: YUPENN, Dynamic Scene, and any set whose folders are classes.

P3D paper, Table 6; the authors "train 130 linear SVMs by leaving each video as the validation set"
(pseudo-3d-residual-networks#6). Features as on UCF101: averaged over clips, L2-normalised, linear SVM.
YUPENN (Derpanis et al., CVPR 2012) has 14 classes of 30 videos, Dynamic Scene (Shroff, Turaga and Chellappa,
CVPR 2010) 13 of 10.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from p3d_eval.errors import UserError, counted, shorten
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.annotations.table import LabelledVideo, list_table, parse_videos
from p3d_eval.protocols.classification_options import ClassificationOptions
from p3d_eval.protocols.classify import Setting, classify
from p3d_eval.protocols.left_out import fit_left_out, left_out_split
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, AnnotationReader, Protocol
from p3d_eval.protocols.result import Result
from p3d_eval.protocols.tasks import Task

VERSION = "1"


@dataclass(frozen=True)
class SceneSet:
    """A data set that is judged by leaving one video out.

    Parameters
    ----------
    name : str
        What users type.
    title : str
        What people call it.
    classes, per_class : int
        Its size; 0 for a set of any size.
    """

    name: str
    title: str
    classes: int = 0
    per_class: int = 0


@dataclass(frozen=True)
class Options(ClassificationOptions):
    """Options of the protocol: those of every classification."""


YUPENN_SET = SceneSet("yupenn", "YUPENN", 14, 30)
DYNAMIC_SCENES_SET = SceneSet("dynamic-scenes", "Dynamic Scene", 13, 10)
ANY_SET = SceneSet("scenes", "scenes")


def folder_videos(ids: Sequence[str]) -> tuple[LabelledVideo, ...]:
    """Take each video's folder for its class.

    Raises
    ------
    UserError
        When a video lies in no folder.
    """
    loose = [video for video in ids if "/" not in video]
    if loose:
        some = counted(len(loose), "video lies", "videos lie")
        raise UserError(
            f"{some} in no folder that could be their class: {shorten(loose)}",
            "Give --labels with a CSV of id,label",
        )
    return tuple(LabelledVideo(video, PurePosixPath(video).parent.name, video) for video in ids)


def make_task(scenes: SceneSet, videos: Sequence[LabelledVideo], said: str) -> Task:
    """Turn labelled videos into a task with the one split that leaves every group out in turn."""
    classes = tuple(sorted({video.label for video in videos}))
    groups = tuple(video.group for video in videos)
    grouped = len(set(groups)) < len(groups)
    sizes = Counter(video.label for video in videos)
    whole = len(classes) == scenes.classes and set(sizes.values()) == {scenes.per_class}
    return Task(
        dataset=scenes.name,
        names=tuple(video.id for video in videos),
        classes=classes,
        labels=tuple((classes.index(video.label),) for video in videos),
        splits=(left_out_split(len(videos)),),
        groups=groups,
        cluster_kind="group" if grouped else "video",
        official=whole and not grouped,
        said=said,
    )


def _videos(store: FeatureStore, annotations: AnnotationFiles | None) -> tuple[tuple[LabelledVideo, ...], str]:
    if annotations is None:
        return folder_videos(store.expected_ids), "class is the folder"
    ((name, data),) = annotations.files.items()
    return parse_videos(name, data), "classes from the table"


def _size_warnings(scenes: SceneSet, task: Task) -> tuple[str, ...]:
    if not scenes.classes or task.official:
        return ()
    found = Counter(task.classes[own[0]] for own in task.labels)
    odd = [f"{name} {count}" for name, count in sorted(found.items()) if count != scenes.per_class]
    told = f"; not {scenes.per_class}: {shorten(odd)}" if odd else ""
    usual = f"{scenes.title} has {scenes.classes} classes of {scenes.per_class} videos"
    return (f"{usual}, here are {len(found)} with {counted(len(task.names), 'video')} in all{told}",)


def run(
    scenes: SceneSet, store: FeatureStore, annotations: AnnotationFiles | None, options: ClassificationOptions
) -> Result:
    """Classify every video by who is trained on all others (of other groups).

    Parameters
    ----------
    scenes : SceneSet
    store : FeatureStore
        Features with the layer ``options.layer``.
    annotations : AnnotationFiles or None
        A table of id, label and perhaps group; without it, class is the folder, and each video is left out
        alone.
    options : ClassificationOptions

    Returns
    -------
    Result
        ``accuracy`` is the share of right videos.

    Raises
    ------
    UserError
        When the table is wrong, a video is missing without ``allow_missing``, a layer is unknown, or without
        one of the groups one class remains.
    """
    task = make_task(scenes, *_videos(store, annotations))
    result = classify(Setting(scenes.name, VERSION), store, lambda: task, annotations, options, fit_left_out)
    return replace(result, warnings=(*result.warnings, *_size_warnings(scenes, task)))


def _parse(files: Mapping[str, bytes]) -> tuple[LabelledVideo, ...]:
    ((name, data),) = files.items()
    return parse_videos(name, data)


def _protocol(scenes: SceneSet, summary: str, where: str) -> Protocol:
    return Protocol(
        name=scenes.name,
        version=VERSION,
        summary=summary,
        options=Options,
        run=lambda store, annotations, options: run(scenes, store, annotations, options),
        reader=AnnotationReader(scenes.name, (f"{scenes.name}.csv",), _parse, where, listed=list_table),
        annotation_option=AnnotationOption(
            "labels", "CSV of id,label[,group] (default: class is the folder, each video left out alone)."
        ),
        fuses=True,
    )


_OWN = "a CSV of your own: a line id,label[,group], then one line a video"
YUPENN = _protocol(
    YUPENN_SET, "Dynamic scenes on YUPENN: linear SVM, one of 420 videos left out at a time.", _OWN
)
DYNAMIC_SCENES = _protocol(
    DYNAMIC_SCENES_SET, "Dynamic Scene (Maryland): linear SVM, one of 130 videos left out at a time.", _OWN
)
SCENES = _protocol(
    ANY_SET, "Any set whose folders are classes: linear SVM, one video left out at a time.", _OWN
)
