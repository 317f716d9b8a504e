"""Video retrieval: test videos query training videos by cosine; R@1, 5, 10, 20, 50 and mAP.

The usual protocol of self-supervised video learning (Xu et al., CVPR 2019; Han, Xie and Zisserman, NeurIPS
2020): split 1 of UCF101 or HMDB51, one feature a video, nothing is trained.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError, counted
from p3d_eval.features import FeatureStore
from p3d_eval.protocols import hmdb51, ucf101
from p3d_eval.protocols.annotations import hmdb51 as hmdb51_lists
from p3d_eval.protocols.annotations import ucf101 as ucf101_lists
from p3d_eval.protocols.classify import describe_task
from p3d_eval.protocols.description import AllowMissing, describe_features, feature_warnings
from p3d_eval.protocols.leaks import leak_warnings
from p3d_eval.protocols.nearest import RANKS, Retrieved, retrieve
from p3d_eval.protocols.normalisation import SPOKEN, Normalisation, Standardiser
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, Protocol
from p3d_eval.protocols.resampling import Part
from p3d_eval.protocols.result import Metric, Result, Scores, Split
from p3d_eval.protocols.statistics import mean_over_splits, proportion
from p3d_eval.protocols.task_features import TaskFeatures, match_task, read_features
from p3d_eval.protocols.tasks import Index, Task, TaskSplit
from p3d_eval.protocols.timing import Timer

VERSION = "1"


@dataclass(frozen=True)
class RetrievalOptions:
    """Options of every retrieval."""

    layer: str = field(default="pool5", metadata={"help": "Stored layer to compare."})
    normalise: Normalisation = field(
        default="none",
        metadata={
            "help": "Before the cosine: nothing, l2 (the same), signed-sqrt-l2, or z-score of the gallery."
        },
    )
    allow_missing: AllowMissing = field(
        default=None, metadata={"help": "Go on without some videos: count missing queries as wrong, or not."}
    )
    seed: int = field(default=0, metadata={"help": "Seed of the bootstrap."})

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise UserError(f"seed: {self.seed} is negative")


@dataclass(frozen=True)
class Options(RetrievalOptions):
    """Options of the protocol."""

    dataset: Literal["ucf101", "hmdb51"] = field(
        default="ucf101", metadata={"help": "Whose classes and splits.", "named": "{}"}
    )
    split: Literal["1", "2", "3", "all"] = field(
        default="1", metadata={"help": "Test videos of this split query its training videos."}
    )


@dataclass(frozen=True, eq=False)
class _Search:
    """What the queries of one split found: rows that count and rows with features."""

    split: TaskSplit
    counted: Index
    tested: Index
    found: Retrieved

    def values(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Give each counted query its value; 0 without features."""
        own = dict(zip(self.tested.tolist(), values.tolist(), strict=True))
        return np.array([own.get(row, 0.0) for row in self.counted.tolist()])


def run(store: FeatureStore, annotations: AnnotationFiles | None, options: Options) -> Result:
    """Rank the training videos of a split for each of its test videos.

    Parameters
    ----------
    store : FeatureStore
        Features with the layer ``options.layer``.
    annotations : AnnotationFiles or None
        The official lists; UCF101 needs none.
    options : Options

    Returns
    -------
    Result
        ``r1`` … ``r50`` and ``map``.

    Raises
    ------
    UserError
        When a list is wrong, a video is missing without ``allow_missing``, or a layer is unknown.
    """

    def make_task() -> Task:
        if options.dataset == "ucf101":
            lists = (
                ucf101_lists.from_ids(store.expected_ids)
                if annotations is None
                else ucf101_lists.parse(annotations.files)
            )
            task = ucf101.make_task(lists)
        elif annotations is None:
            raise UserError("retrieval: hmdb51 needs the official lists", "Give their folder with --splits")
        else:
            task = hmdb51_lists.make_task(hmdb51_lists.parse(annotations.files))
        return replace(task.only(options.split), official=task.official)  # split 1 alone is the usual protocol

    return retrieve_task("retrieval", VERSION, store, make_task, annotations, options)


def retrieve_task(
    protocol: str,
    version: str,
    store: FeatureStore,
    make_task: Callable[[], Task],
    annotations: AnnotationFiles | None,
    options: RetrievalOptions,
) -> Result:
    """Rank training videos for the test videos of each split, and describe everything behind the numbers.

    A split whose test videos train, too, is searched by every video among those of other groups.
    """
    timer = Timer()
    with timer.phase("annotations"):
        task = make_task()
        matched = match_task(store, task, options.allow_missing)
    with timer.phase("features"):
        data = read_features(store, matched, options.layer, options.normalise)
    with timer.phase("search"):
        searches = [_search(data, split, options) for split in task.splits]
    with timer.phase("intervals"):
        metrics = _metrics(task, searches, options.seed)
        splits = tuple(
            Split(
                one.split.name,
                _metrics(task, [one], options.seed),
                len(data.there(one.split.train)),
                len(one.counted),
            )
            for one in searches
        )
    with timer.phase("leaks"):
        leaks = leak_warnings([data], annotations, store.provenance.get("trained_on") or "")
    official = task.official and matched.coverage.counted_as == "complete"
    return Result(
        protocol=protocol,
        version=version,
        label=store.label,
        metrics=metrics,
        options=asdict(options),
        choices=_choices(task, store, options),
        features=describe_features(store, [options.layer]),
        annotations=describe_task(task, annotations, official),
        coverage=matched.coverage,
        splits=splits,
        per_class=_per_class(task, searches),
        warnings=(*leaks, *feature_warnings(store)),
        seconds=timer.seconds,
        scores=_scores(data, searches),
    )


def _search(data: TaskFeatures, split: TaskSplit, options: RetrievalOptions) -> _Search:
    task = data.task
    gallery, tested = data.there(split.train), data.there(split.test)
    counted = split.test if options.allow_missing == "wrong" else tested
    if not len(gallery) or not len(tested):
        raise UserError(f"split {split.name}: a gallery video and a query are needed")
    near, far = data.samples(tested), data.samples(gallery)
    if options.normalise == "zscore":
        learned = Standardiser.learn(far)
        near, far = learned.apply(near), learned.apply(far)
    itself = np.array_equal(split.train, split.test)
    groups = np.array(task.groups)
    found = retrieve(
        near,
        far,
        task.first_labels(tested),
        task.first_labels(gallery),
        query_groups=groups[tested] if itself else None,
        gallery_groups=groups[gallery] if itself else None,
    )
    return _Search(split, counted, tested, found)


def _metrics(task: Task, searches: list[_Search], seed: int) -> dict[str, Metric]:
    kind = f"{task.cluster_kind} clusters" if task.clustered else "videos"

    def mean(values: list[NDArray[np.float64]]) -> Metric:
        parts = [
            Part(own, [task.clusters[row] for row in one.counted.tolist()])
            for own, one in zip(values, searches, strict=True)
        ]
        return mean_over_splits(parts, "videos", kind, seed)

    metrics = {}
    for column, k in enumerate(RANKS):
        metrics[f"r{k}"] = mean([one.values(one.found.hits[:, column].astype(float)) for one in searches])
    # A query whose class the gallery lacks has nothing to find: precision 0, as it is no hit.
    metrics["map"] = mean([one.values(np.nan_to_num(one.found.average_precision)) for one in searches])
    return metrics


def _per_class(task: Task, searches: list[_Search]) -> dict[str, Metric]:
    """R@1 of each class over the queries of all splits."""
    own: dict[int, list[float]] = {label: [] for label in range(len(task.classes))}
    for one in searches:
        hits = one.values(one.found.hits[:, 0].astype(float))
        for label, hit in zip(task.first_labels(one.counted).tolist(), hits.tolist(), strict=True):
            own[label].append(hit)
    return {task.classes[label]: proportion(int(sum(hits)), len(hits), "videos") for label, hits in own.items()}


def _choices(task: Task, store: FeatureStore, options: RetrievalOptions) -> tuple[str, ...]:
    width = store[options.layer].shape[1]
    itself = any(np.array_equal(split.train, split.test) for split in task.splits)
    who = "every video queries those of other groups" if itself else "test videos query training videos"
    said = SPOKEN[options.normalise].replace("training videos", "gallery")
    return (
        task.said,
        f"feature: {options.layer}, {counted(width, 'value')} a video, {said}; {who} by cosine",
        "R@k: one of the k nearest is of the query's class; mAP over the whole gallery",
        "of equal cosines the gallery's earlier video comes first",
    )


def _scores(data: TaskFeatures, searches: list[_Search]) -> Scores:
    """Cosine of each class's nearest video: the largest is R@1's guess."""
    task = data.task
    rows = np.concatenate([one.tested for one in searches])
    closest = np.full((len(rows), len(task.classes)), -np.inf)
    at = 0
    for one in searches:
        closest[at : at + len(one.tested), one.found.classes] = one.found.closest
        at += len(one.tested)
    return Scores(
        ids=np.array([data.matched.ids[row] for row in rows.tolist()]),
        split=np.repeat(np.arange(len(searches)), [len(one.tested) for one in searches]),
        labels=task.first_labels(rows),
        classes=np.array(task.classes),
        scores=closest.astype(np.float32),
        clusters=np.array([task.clusters[row] for row in rows.tolist()]) if task.clustered else None,
        cluster_kind=f"{task.cluster_kind} clusters" if task.clustered else "videos",
    )


def _specialise(options: Options) -> Protocol:
    reader = {"ucf101": ucf101_lists.READER, "hmdb51": hmdb51.PROTOCOL.reader}[options.dataset]
    return replace(PROTOCOL, reader=reader, needs_annotations=options.dataset == "hmdb51")


PROTOCOL: Protocol = Protocol(
    name="retrieval",
    version=VERSION,
    summary="Nearest neighbours by cosine: test videos of UCF101 or HMDB51 query training videos; R@k, mAP.",
    options=Options,
    run=run,
    annotation_option=AnnotationOption(
        "splits", "Folder of the official lists (UCF101's default: splits from the videos' names)."
    ),
    specialise=_specialise,
)
