"""Anybody's data: classification, retrieval or pair verification from a CSV of id, label[, group][, split]."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Literal, cast

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from p3d_eval.errors import UserError, counted
from p3d_eval.features import FeatureStore
from p3d_eval.protocols import aslan
from p3d_eval.protocols.annotations.table import COLUMNS, LabelledVideo, list_table, parse_videos
from p3d_eval.protocols.classification_options import ClassificationOptions
from p3d_eval.protocols.classify import Setting, classify
from p3d_eval.protocols.fused_store import FusedStore
from p3d_eval.protocols.left_out import fit_left_out, left_out_split
from p3d_eval.protocols.pair_drawing import draw_pairs, pair_table
from p3d_eval.protocols.pair_vectors import Negatives
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, AnnotationReader, Protocol
from p3d_eval.protocols.result import Result
from p3d_eval.protocols.retrieval import RetrievalOptions, retrieve_task
from p3d_eval.protocols.task_fits import fit_task
from p3d_eval.protocols.tasks import Task, TaskSplit

VERSION = "1"

Scheme = Literal["auto", "split", "folds", "left-out"]
FOLDS = 5
PAIRS = 600  # of a fold, as in ASLAN

_UNUSED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "classification": (("pairs", "negatives"), "no pairs are drawn"),
    "retrieval": (
        (
            "classifier",
            "C",
            "neighbours",
            "temperature",
            "tol",
            "pca",
            "pca_solver",
            "device",
            "folds",
            "pairs",
            "negatives",
        ),
        "videos are searched by cosine, nothing is trained",
    ),
    "pairs": (("scheme", "pca", "pca_solver"), "pairs are drawn in folds, and judged by ASLAN's pipeline"),
}
"""Options that a task has no use for, and why."""

_FOLDLESS = {"split": "the table's split is tested", "left-out": "each group is left out once"}


@dataclass(frozen=True)
class Options(ClassificationOptions):
    """Options of the protocol: what is done with the table, and those of every classification."""

    task: Literal["classification", "retrieval", "pairs"] = field(
        default="classification",
        metadata={
            "help": "Classify; search by cosine; or tell pairs of one class from others, as on ASLAN.",
            "named": "{}",
        },
    )
    scheme: Scheme = field(
        default="auto",
        metadata={
            "help": "Test the table's split; folds; or leave each group out. auto: the split where there is "
            "one, else folds (retrieval: each group among the others)."
        },
    )
    folds: int = field(default=FOLDS, metadata={"help": "Number of folds, of videos or of pairs."})
    pairs: int = field(default=PAIRS, metadata={"help": "Pairs of a fold, half of them of one class."})
    negatives: Negatives = field(
        default="error",
        metadata={"help": "Negative activations of pairs: refuse; split into [x+, x-]; or clip to 0."},
    )

    def check_values(self) -> None:
        """Refuse settings that are out of range, or of no use to the task, and a device that is not there."""
        self.require_default(*_UNUSED[self.task])
        super().check_values()
        for name in ("folds", "pairs"):
            if getattr(self, name) < 2:
                raise UserError(f"{name}: {getattr(self, name)} is less than 2")
        if self.task == "pairs" and self.normalise not in ("l2", "none"):
            raise UserError(f"normalise: pairs take l2 or none, not {self.normalise}")
        if self.task == "retrieval" and self.scheme == "folds":
            raise UserError("scheme: retrieval has no folds", "Use --scheme split or left-out")
        if self.scheme in _FOLDLESS:
            self.require_default(("folds",), _FOLDLESS[self.scheme])

    def check(self, store: FeatureStore | FusedStore) -> None:
        """Refuse settings as `check_values` does, and a layer that is not there."""
        if self.task == "pairs":  # of one layer or several
            self.check_values()
        else:
            super().check(store)


def run(store: FeatureStore, annotations: AnnotationFiles | None, options: Options) -> Result:
    """Evaluate on a table of labelled videos.

    Parameters
    ----------
    store : FeatureStore
        Features with the layer ``options.layer`` (``pairs``: one or several, comma separated).
    annotations : AnnotationFiles
        The table.
    options : Options

    Returns
    -------
    Result
        That of a classification, of a retrieval, or of ASLAN.

    Raises
    ------
    UserError
        When the table is wrong or does not suffice for what is asked, or a video is missing without
        ``allow_missing``.
    """
    if annotations is None:
        raise UserError("custom: a table is needed", f"Give --table with a CSV of {','.join(COLUMNS[:2])}")
    options.check(store)  # the seed, too, before folds are drawn
    if isinstance(store, FusedStore) and options.task != "classification":
        raise UserError(f"custom: {options.task} takes one feature file", "Only classification fuses several")
    videos = _parse(annotations.files)
    if options.task == "pairs":
        return _verify(store, annotations, videos, options)
    scheme = _scheme(videos, options)
    if scheme != "folds":
        options.require_default(("folds",), _FOLDLESS[scheme])
    task = make_task(videos, scheme, options.folds, options.seed)
    if options.task == "retrieval":
        shared = {one.name: getattr(options, one.name) for one in fields(RetrievalOptions)}
        # L2 is the classifier's default; the cosine does it anyway.
        result = retrieve_task("custom", VERSION, store, lambda: task, annotations, RetrievalOptions(**shared))
        return replace(result, options=asdict(options))
    fit = fit_left_out if scheme == "left-out" else fit_task
    return classify(Setting("custom", VERSION), store, lambda: task, annotations, options, fit)


def _scheme(videos: Sequence[LabelledVideo], options: Options) -> Scheme:
    """Settle what auto means, and check that the table has what the scheme needs."""
    split = bool(videos[0].part)
    if options.scheme == "split" and not split:
        raise UserError("scheme: the table has no column split", "Use --scheme folds or left-out")
    if options.scheme != "auto":
        return options.scheme
    if split:
        return "split"
    return "left-out" if options.task == "retrieval" else "folds"


def make_task(videos: Sequence[LabelledVideo], scheme: Scheme, folds: int, seed: int) -> Task:
    """Turn a table into a task.

    Raises
    ------
    UserError
        When a split has nothing to train or to test on, or there are fewer groups than folds.
    """
    classes = tuple(sorted({video.label for video in videos}))
    groups = tuple(video.group for video in videos)
    labels = np.array([classes.index(video.label) for video in videos])
    if scheme == "split":
        parts = [np.flatnonzero([video.part == name for video in videos]) for name in ("train", "test")]
        if not all(map(len, parts)):
            raise UserError(
                "the table's split has no video to train on, or none to test",
                "Its column split needs both train and test; or use --scheme folds or left-out",
            )
        splits, said = [TaskSplit("test", *parts)], "split of the table"
    elif scheme == "left-out":
        splits, said = [left_out_split(len(videos))], "classes of the table"
    else:
        splits = _make_folds(labels, groups, folds, seed)
        grouped = "groups of the table kept together, " if len(set(groups)) < len(groups) else ""
        said = f"{len(splits)} folds made here, at random (seed {seed}): {grouped}classes as even as can be"
    return Task(
        dataset="custom",
        names=tuple(video.id for video in videos),
        classes=classes,
        labels=tuple((int(label),) for label in labels),
        splits=tuple(splits),
        groups=groups,
        cluster_kind="group" if len(set(groups)) < len(groups) else "video",
        said=said,
    )


def _make_folds(labels: np.ndarray, groups: Sequence[str], folds: int, seed: int) -> list[TaskSplit]:
    names, encoded = np.unique(groups, return_inverse=True)
    sizes = np.unique(labels, return_counts=True)[1]
    if len(sizes) < 2:
        raise UserError("the table has one class only", "A classifier needs two")
    if len(names) < 2:
        raise UserError("the table has one group only", "Folds keep groups together, and need two")
    if len(names) < folds:
        raise UserError(
            f"folds: {folds} of {len(names)} groups", f"Use --folds {len(names)}, or --scheme left-out"
        )
    if sizes.max() < folds:
        raise UserError(
            f"folds: {folds}, but no class has more than {counted(int(sizes.max()), 'video')}",
            f"Use --folds {max(2, sizes.max())}, or --scheme left-out",
        )
    dealt = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # of a class with fewer videos than folds: results say it by name
        warnings.simplefilter("ignore", UserWarning)
        parts = list(dealt.split(labels, labels, encoded))
    return [TaskSplit(f"fold {number}", train, test) for number, (train, test) in enumerate(parts, 1)]


def _verify(
    store: FeatureStore, annotations: AnnotationFiles, videos: Sequence[LabelledVideo], options: Options
) -> Result:
    """Tell pairs of one class from others by ASLAN's pipeline."""
    drawn = draw_pairs(videos, options.folds, options.pairs, options.seed)
    own = aslan.Options(
        layers=options.layer,
        normalise=cast("Literal['l2', 'none']", options.normalise),  # no other passed `check_values`
        negatives=options.negatives,
        classifier=options.classifier,
        C=options.C,
        neighbours=options.neighbours,
        temperature=options.temperature,
        tol=options.tol,
        allow_missing=options.allow_missing,
        device=options.device,
        seed=options.seed,
    )
    result = aslan.run(store, AnnotationFiles({"pairs.csv": pair_table(drawn)}, annotations.source), own)
    said = (
        f"{len(drawn)} pairs drawn from the table (seed {options.seed}), half of one class, in {options.folds} "
        "folds that share no class; no pair within a group"
    )
    return replace(
        result,
        protocol="custom",
        version=VERSION,
        options=asdict(options),
        choices=(said, *result.choices),
        annotations={**result.annotations, "dataset": "custom", "official": False, "deviations": []},
    )


def _parse(files: Mapping[str, bytes]) -> tuple[LabelledVideo, ...]:
    ((name, data),) = files.items()
    return parse_videos(name, data)


PROTOCOL: Protocol = Protocol(
    name="custom",
    version=VERSION,
    summary="Your own data: classification, retrieval or pair verification from a CSV of labels.",
    options=Options,
    run=run,
    reader=AnnotationReader(
        "custom",
        ("custom.csv",),
        _parse,
        "a CSV of your own: a line id,label[,group][,split], one line a video",
        listed=list_table,
    ),
    annotation_option=AnnotationOption(
        "table", "CSV of id,label[,group][,split (train or test)].", "labels.csv"
    ),
    needs_annotations=True,
    fuses=True,
)
