"""Recognition by a network's own class scores, of clips and of videos; or by a probe on another layer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError, counted
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.accuracy import Judgement, per_class
from p3d_eval.protocols.class_columns import match_columns
from p3d_eval.protocols.classification_options import ClassificationOptions
from p3d_eval.protocols.classify import Setting, classify, describe_task
from p3d_eval.protocols.description import describe_features, feature_warnings
from p3d_eval.protocols.fused_store import FusedStore
from p3d_eval.protocols.metrics import label_ranks
from p3d_eval.protocols.protocol import AnnotationFiles
from p3d_eval.protocols.resampling import Part
from p3d_eval.protocols.result import Metric, Result, Scores, Split
from p3d_eval.protocols.statistics import mean_over_splits, proportion
from p3d_eval.protocols.task_features import Matched, match_task
from p3d_eval.protocols.task_fits import Outcome
from p3d_eval.protocols.tasks import Task
from p3d_eval.protocols.timing import Timer

SCORES = "prob"
KEPT = ("layer", "measure", "allow_missing", "seed")  # options that matter to scores as they are


@dataclass(frozen=True)
class RecognitionOptions(ClassificationOptions):
    """Options of a protocol that judges class scores."""

    layer: str = field(
        default=SCORES,
        metadata={"help": "prob: the network's own scores, as they are; another layer: a linear probe on it."},
    )
    measure: Literal["all", "video"] = field(
        default="all", metadata={"help": "Clips and videos (all; needs extract --per-clip), or videos alone."}
    )

    def check_values(self) -> None:
        """Refuse settings that are out of range, and those of a training where nothing is trained."""
        super().check_values()
        if self.layer == SCORES:
            self.require_untrained(KEPT, f"the layer {SCORES!r} is judged as it is")


@dataclass(frozen=True)
class Measures:
    """What a protocol reports.

    Parameters
    ----------
    protocol, version : str
    word : str
        ``"hit"`` (any label of several) or ``"top"``.
    clip, video : tuple of int
        Numbers of guesses, e.g. 1 and 5.
    """

    protocol: str
    version: str
    word: str
    clip: tuple[int, ...]
    video: tuple[int, ...]


def recognise(
    measures: Measures,
    store: FeatureStore | FusedStore,
    make_task: Callable[[], Task],
    annotations: AnnotationFiles | None,
    options: RecognitionOptions,
) -> Result:
    """Judge the scores ``prob``, or a linear probe on another layer.

    Parameters
    ----------
    measures : Measures
    store : FeatureStore
        With the layer ``options.layer``; for clips, extracted with ``--per-clip``.
    make_task : callable
        Makes the task; its split's training part may be empty where no probe is trained.
    annotations : AnnotationFiles or None
    options : RecognitionOptions

    Raises
    ------
    UserError
        When clips are to be judged and the store has none, the network lacks a class, or a probe has no
        training list.
    """
    if options.layer != SCORES:
        return _probe(measures, store, make_task, annotations, options)
    if isinstance(store, FusedStore):
        raise UserError(
            f"{measures.protocol}: the scores {SCORES!r} of several files are not fused",
            "Probe other layers together: --layer pool5",
        )
    options.check_values()
    store[SCORES]  # a layer that is not there is said before clips that are not
    if options.measure == "all" and not store.has_clips:
        raise UserError(
            f"{store.path} holds no scores of single clips",
            "Extract with --per-clip, or judge videos alone: --measure video",
        )
    return _judge_scores(measures, store, make_task, annotations, options)


def _judge_scores(
    measures: Measures,
    store: FeatureStore,
    make_task: Callable[[], Task],
    annotations: AnnotationFiles | None,
    options: RecognitionOptions,
) -> Result:
    """Match classes and videos, read the scores, and judge them."""
    timer = Timer()
    with timer.phase("annotations"):
        task = _tested_only(make_task())
        matched = match_task(store, task, options.allow_missing)
        columns = match_columns(task.classes, store.classes, str(store.path))
    with timer.phase("scores"):
        outcome, names = _read(store, matched, columns, options)
        clips = _clip_hits(store, matched, columns, outcome) if options.measure == "all" else None
    with timer.phase("intervals"):
        judged = judge_videos(measures, task, [outcome])
        metrics = dict(judged.metrics)
        if clips is not None:
            metrics = _clip_metrics(measures, clips, options.seed) | metrics
    counted = len(outcome.counted)
    return Result(
        protocol=measures.protocol,
        version=measures.version,
        label=store.label,
        metrics=metrics,
        options=asdict(options),
        choices=_choices(task, names, options),
        features=describe_features(store, [SCORES]),
        annotations=describe_task(
            task, annotations, task.official and matched.coverage.counted_as == "complete"
        ),
        coverage=matched.coverage,
        splits=(Split(outcome.name, metrics, 0, counted),),
        per_class=judged.per_class,
        warnings=tuple(feature_warnings(store)),
        seconds=timer.seconds,
        scores=_scores(matched, outcome, names),
    )


def _probe(
    measures: Measures,
    store: FeatureStore | FusedStore,
    make_task: Callable[[], Task],
    annotations: AnnotationFiles | None,
    options: RecognitionOptions,
) -> Result:
    def task() -> Task:
        made = make_task()
        if not len(made.splits[0].train):
            raise UserError(
                f"{measures.protocol}: a linear probe on {options.layer!r} needs the training list",
                "Give a folder that has it, too; or judge the network's own scores: --layer prob",
            )
        return made

    def judge(task: Task, outcomes: Sequence[Outcome], seed: int) -> Judgement:  # noqa: ARG001
        return judge_videos(measures, task, outcomes)

    setting = Setting(measures.protocol, measures.version, judge)
    return classify(setting, store, task, annotations, options)


def _tested_only(task: Task) -> Task:
    none = np.zeros(0, np.intp)
    return replace(task, splits=tuple(replace(split, train=none) for split in task.splits))


def _read(
    store: FeatureStore, matched: Matched, columns: NDArray[np.intp], options: RecognitionOptions
) -> tuple[Outcome, tuple[str, ...]]:
    """Mean scores of the tested videos: first the data set's classes, then the network's others."""
    if store[SCORES].shape[1] != len(store.classes):
        raise UserError(
            f"{store.path}: {SCORES!r} has {store[SCORES].shape[1]} values for {len(store.classes)} classes"
        )
    (split,) = matched.task.splits
    tested = np.array([row for row in split.test.tolist() if row in matched.ids], np.intp)
    order = _column_order(columns, len(store.classes))
    values = store[SCORES].rows([matched.ids[row] for row in tested.tolist()])[:, order]
    counted = split.test if options.allow_missing == "wrong" else tested
    names = (*matched.task.classes, *(store.classes[place] for place in order[len(columns) :]))
    return Outcome(split.name, counted, tested, values, 0), names


def _column_order(columns: NDArray[np.intp], total: int) -> NDArray[np.intp]:
    return np.concatenate([columns, np.setdiff1d(np.arange(total), columns)])


def judge_videos(measures: Measures, task: Task, outcomes: Sequence[Outcome]) -> Judgement:
    """Judge one split's video scores: is any label of a video among its k best guesses?"""
    (outcome,) = outcomes
    wanted = np.zeros(outcome.scores.shape, bool)
    wanted[:, : len(task.classes)] = task.indicator(outcome.tested)
    rank = dict(zip(outcome.tested.tolist(), label_ranks(outcome.scores, wanted).tolist(), strict=True))
    ranks = np.array([rank.get(row, np.inf) for row in outcome.counted.tolist()])
    metrics = {
        f"video_{measures.word}{k}": proportion(int((ranks < k).sum()), len(ranks), "videos")
        for k in measures.video
    }
    return Judgement(metrics, (metrics,), per_class(task, outcomes, [ranks < 1]))


@dataclass(frozen=True, eq=False)
class _Clips:
    """Rank of the best label of each clip, and the video that the clip is of."""

    ranks: NDArray[np.float64]
    video: NDArray[np.intp]


def _clip_hits(store: FeatureStore, matched: Matched, columns: NDArray[np.intp], outcome: Outcome) -> _Clips:
    """Rank every clip; a missing video that counts as wrong has as many clips as most videos have."""
    ranks = list(_ranks_of_videos(store, matched, columns, outcome.tested))
    usual = int(np.bincount([len(found) for found in ranks]).argmax())
    absent = len(outcome.counted) - len(outcome.tested)
    ranks += [np.full(usual, np.inf)] * absent
    video = np.repeat(np.arange(len(ranks)), [len(found) for found in ranks])
    return _Clips(np.concatenate(ranks), video)


def _ranks_of_videos(
    store: FeatureStore, matched: Matched, columns: NDArray[np.intp], rows: NDArray[np.intp]
) -> Iterator[NDArray[np.float64]]:
    order = _column_order(columns, len(store.classes))
    for row in rows.tolist():
        values = store.clip_features(matched.ids[row], SCORES)
        scores = values.reshape(len(values), -1)[:, order]
        wanted = np.zeros(scores.shape, bool)
        wanted[:, list(matched.task.labels[row])] = True
        yield label_ranks(scores, wanted).astype(np.float64)


def _clip_metrics(measures: Measures, clips: _Clips, seed: int) -> dict[str, Metric]:
    return {
        f"clip_{measures.word}{k}": mean_over_splits(
            [Part(clips.ranks < k, clips.video)], "clips", "videos with their clips", seed
        )
        for k in measures.clip
    }


def _choices(task: Task, names: tuple[str, ...], options: RecognitionOptions) -> tuple[str, ...]:
    further = len(names) - len(task.classes)
    said = [
        task.said,
        f"scores: {SCORES}, a video's is the mean over its clips; columns matched to classes by name",
        "a guess is right when the video shows it; of equal scores the earlier class is guessed first",
    ]
    if further:
        more = counted(further, "class", "classes")
        said.append(f"the network has {more} more than the list: guesses that are always wrong")
    if options.measure == "all" and options.allow_missing == "wrong":
        said.append("a missing video counts with as many wrong clips as most videos have clips")
    return tuple(said)


def _scores(matched: Matched, outcome: Outcome, names: tuple[str, ...]) -> Scores:
    task, tested = matched.task, outcome.tested
    labels: NDArray[np.int64] | NDArray[np.intp] = task.first_labels(tested)
    if task.multi_label:
        labels = np.zeros((len(tested), len(names)), np.int64)
        labels[:, : len(task.classes)] = task.indicator(tested)
    return Scores(
        ids=np.array([matched.ids[row] for row in tested.tolist()]),
        split=np.zeros(len(tested), np.int64),
        labels=labels,
        classes=np.array(names),
        scores=outcome.scores.astype(np.float32, copy=False),
    )
