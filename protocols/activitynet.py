"""ActivityNet, untrimmed classification: one-vs-rest linear SVM, top-1, top-3 and mAP (P3D paper, Table 4)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError, counted
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.accuracy import Judgement
from p3d_eval.protocols.activitynet_rules import Predictions, average_precision, hits_at_k
from p3d_eval.protocols.annotations import activitynet as lists
from p3d_eval.protocols.annotations import activitynet_predictions as official
from p3d_eval.protocols.classification_options import ClassificationOptions
from p3d_eval.protocols.classify import Setting, classify, describe_task
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, PredictionFiles, Protocol
from p3d_eval.protocols.resampling import Part
from p3d_eval.protocols.result import Coverage, Metric, Result, Scores, Split, Variant
from p3d_eval.protocols.statistics import mean_over_splits, mean_precision
from p3d_eval.protocols.task_fits import Outcome
from p3d_eval.protocols.tasks import Task
from p3d_eval.protocols.timing import Timer
from p3d_eval.provenance import sha256_bytes

VERSION = "1"
TOP = (1, 3)

_PREDICTED = (
    "scores from a file of predictions: nothing was trained",
    "by the official rules a video without predictions scores 0",
)


@dataclass(frozen=True)
class Options(ClassificationOptions):
    """Options of the protocol; the paper names neither C nor what is done with several labels."""

    subset: Literal["validation", "testing"] = field(
        default="validation",
        metadata={"help": "Which subset is evaluated; the labels of testing are withheld.", "named": "{}"},
    )


def run(store: FeatureStore, annotations: AnnotationFiles | None, options: Options) -> Result:
    """Train on the training subset's videos and judge the scores of another subset's.

    Parameters
    ----------
    store : FeatureStore
        Features with the layer ``options.layer``.
    annotations : AnnotationFiles
        The official JSON.
    options : Options

    Returns
    -------
    Result
        ``top1``, ``top3`` (Hit@k: any label), ``avg_top1``, ``avg_top3`` (average Hit@k), ``map`` (official
        interpolation) and ``map_sklearn``; per class the official average precision. Where videos are
        missing, a variant has the numbers counted the other way.

    Raises
    ------
    UserError
        When the JSON is wrong, a video is missing without ``allow_missing``, or a layer is unknown.
    """
    files = _required(annotations)
    setting = Setting("activitynet", VERSION, judge, both_coverages=True, named_by_list=True)
    return classify(
        setting, store, lambda: lists.make_task(lists.parse(files), options.subset), annotations, options
    )


def _required(annotations: AnnotationFiles | None) -> Any:
    if annotations is None:
        raise UserError("activitynet: the official JSON is needed", "Give it with --annotations")
    return annotations.files


def judge(task: Task, outcomes: Sequence[Outcome], seed: int) -> Judgement:
    """Judge the scores of the one split, as stored in float32: written to a file they give the same numbers."""
    (outcome,) = outcomes
    place = {row: number for number, row in enumerate(outcome.counted.tolist())}
    scores = np.full((len(outcome.counted), len(task.classes)), -np.inf)
    scores[[place[row] for row in outcome.tested.tolist()]] = outcome.scores.astype(np.float32)
    video, label = np.nonzero(scores > -np.inf)
    predictions = Predictions(video, label, scores[video, label])
    return judge_list(predictions, task.indicator(outcome.counted), task.classes, seed)


def judge_list(
    predictions: Predictions, wanted: NDArray[np.bool_], classes: Sequence[str], seed: int
) -> Judgement:
    """Judge a list of predictions by the official rules.

    Parameters
    ----------
    predictions : Predictions
    wanted : ndarray of bool, shape (videos, classes)
    classes : sequence of str
    seed : int
        Of the bootstrap over videos.
    """
    videos = np.arange(len(wanted))
    metrics = {}
    for k in TOP:
        shares = hits_at_k(predictions, wanted, k)
        for name, values in ((f"top{k}", np.ceil(shares)), (f"avg_top{k}", shares)):
            metrics[name] = mean_over_splits([Part(values, videos)], "videos", "videos", seed)
    order = predictions.order(len(wanted))  # equal scores are ranked by their places in the list
    scores, wanted = predictions.matrix(*wanted.shape)[order], wanted[order]
    mean, per_class = mean_precision(scores, wanted, seed)
    if (scores > -np.inf).sum() < len(predictions.score):  # a matrix cannot say all that the list says
        own = average_precision(predictions, wanted[np.argsort(order)])
        why = "no interval: the list repeats labels or names videos that are not tested"
        mean = Metric(float(np.nanmean(own)), method=why, n=len(wanted), unit="videos")
        per_class = [
            Metric(float(value), method=why, n=one.n, unit="videos") if one.n else one
            for value, one in zip(own, per_class, strict=True)
        ]
    metrics["map"] = mean
    metrics["map_sklearn"] = mean_precision(scores, wanted, seed, convention="sklearn")[0]
    return Judgement(metrics, (metrics,), dict(zip(classes, per_class, strict=True)))


def judge_predictions(
    predictions: AnnotationFiles, annotations: AnnotationFiles | None, options: Options
) -> Result:
    """Judge somebody's official file of predictions; nothing is trained.

    Parameters
    ----------
    predictions : AnnotationFiles
        The one file.
    annotations : AnnotationFiles
        The official JSON.
    options : Options
        Only ``subset``, ``allow_missing`` and ``seed`` may differ from their defaults.

    Raises
    ------
    UserError
        When a file is wrong, or an option of the training is given.
    """
    options.require_untrained(("subset", "allow_missing", "seed"), "a file of predictions is judged as it is")
    timer = Timer()
    ((name, data),) = predictions.files.items()
    with timer.phase("annotations"):
        task = lists.make_task(lists.parse(_required(annotations)), options.subset)
        rows = task.splits[0].test
        videos = np.array([task.names[row] for row in rows.tolist()])
        wanted = task.indicator(rows)
        found = official.parse(name, data, videos.tolist(), task.classes)
        given = np.isin(np.arange(len(rows)), found.video)
    with timer.phase("intervals"):
        judged = {"wrong": judge_list(found, wanted, task.classes, options.seed)}
        if not given.all():
            kept = _renumbered(found, given)
            judged["excluded"] = judge_list(kept, wanted[given], task.classes, options.seed)
    missing = tuple(videos[~given].tolist())
    coverage = Coverage(
        len(rows), int(given.sum()), missing, (options.allow_missing or "wrong") if missing else "complete"
    )
    headline = judged["excluded" if coverage.counted_as == "excluded" else "wrong"]
    counted = coverage.used if coverage.counted_as == "excluded" else coverage.expected
    return Result(
        protocol="activitynet",
        version=VERSION,
        label=name.removesuffix(".json"),
        metrics=headline.metrics,
        options=asdict(options),
        choices=_PREDICTED,
        features={"file": predictions.source, "identity": sha256_bytes(data), "backbone": "predictions"},
        annotations=_described(task, annotations, coverage.counted_as),
        coverage=coverage,
        splits=(Split(options.subset, headline.metrics, 0, counted),),
        variants=tuple(
            Variant(f"missing videos {how}", {"allow_missing": how}, one.metrics)
            for how, one in judged.items()
            if one is not headline
        ),
        per_class=headline.per_class,
        warnings=_warn(found, given),
        seconds=timer.seconds,
        scores=_listed_scores(found, wanted, videos, task.classes, given),
    )


def _listed_scores(
    predictions: Predictions,
    wanted: NDArray[np.bool_],
    videos: NDArray[np.str_],
    classes: Sequence[str],
    given: NDArray[np.bool_],
) -> Scores:
    """Scores of the videos that have predictions, −∞ where a class has none."""
    return Scores(
        ids=videos[given],
        split=np.zeros(int(given.sum()), np.int64),
        labels=wanted[given].astype(np.int64),
        classes=np.array(classes),
        scores=predictions.matrix(*wanted.shape)[given].astype(np.float32),
    )


def _described(task: Task, annotations: AnnotationFiles | None, counted_as: str) -> dict[str, Any]:
    return describe_task(task, annotations, task.official and counted_as == "complete")


def _renumbered(predictions: Predictions, kept: NDArray[np.bool_]) -> Predictions:
    """Give the kept videos new row numbers; other predictions are of videos that are not tested."""
    number = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
    return Predictions(number[predictions.video], predictions.label, predictions.score)


def _warn(predictions: Predictions, given: NDArray[np.bool_]) -> tuple[str, ...]:
    """Say what the official rules do with a list that is not one score for each video and class."""
    found = []
    known = predictions.video >= 0
    pairs = np.column_stack([predictions.video, predictions.label])[known]
    repeated = len(pairs) - len(np.unique(pairs, axis=0))
    if repeated:
        repeats = counted(repeated, "prediction repeats a label of its", "predictions repeat a label of their")
        found.append(f"{repeats} video: false by the official rules.")
    if not known.all():
        others = counted(
            int((~known).sum()), "prediction is of a video that is", "predictions are of videos that are"
        )
        found.append(f"{others} not tested: false by the official rules.")
    if not given.all():
        without = counted(
            int((~given).sum()), "video has no prediction: it scores", "videos have no prediction: they score"
        )
        found.append(f"{without} 0 by the official rules.")
    return tuple(found)


def write_predictions(result: Result) -> str:
    """Write the official file: the score of every class for every video that has features."""
    if result.scores is None:
        raise UserError("activitynet: this result has no scores to write")
    saved = result.scores
    return official.write(lists.OFFICIAL_VERSION, saved.ids.tolist(), saved.classes.tolist(), saved.scores)


PROTOCOL: Protocol = Protocol(
    name="activitynet",
    version=VERSION,
    summary="Untrimmed classification on ActivityNet: linear SVM, top-1, top-3, mAP; official files.",
    options=Options,
    run=run,
    reader=lists.READER,
    annotation_option=AnnotationOption(
        "annotations", "Official JSON, activity_net.v1-3.min.json.", "activity_net.v1-3.min.json"
    ),
    needs_annotations=True,
    predictions=PredictionFiles(judge_predictions, write_predictions),
    fuses=True,
)
