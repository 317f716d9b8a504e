"""A classification protocol's result: features of a task's videos, fits, judgement, choices and provenance."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from p3d_eval.errors import counted
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.accuracy import Judgement, judge_accuracy
from p3d_eval.protocols.classification_options import ClassificationOptions
from p3d_eval.protocols.description import (
    certificate_warnings,
    chosen_option,
    describe_annotations,
    describe_classifier,
    describe_features,
    feature_warnings,
)
from p3d_eval.protocols.fused_store import FusedStore
from p3d_eval.protocols.fusion import Fit, describe_fusion, fit_fused, read_blocks
from p3d_eval.protocols.leaks import leak_warnings
from p3d_eval.protocols.normalisation import SPOKEN
from p3d_eval.protocols.pca_sweep import describe_sweep
from p3d_eval.protocols.protocol import AnnotationFiles
from p3d_eval.protocols.result import Result, Scores, Split, Variant
from p3d_eval.protocols.task_features import Matched, match_task, read_features
from p3d_eval.protocols.task_fits import Fits, Outcome, fit_task
from p3d_eval.protocols.tasks import Task
from p3d_eval.protocols.timing import Timer
from p3d_eval.provenance import sha256_json

Judge = Callable[[Task, Sequence[Outcome], int], Judgement]


@dataclass(frozen=True)
class Setting:
    """What a protocol is called in its results, and how it judges.

    Parameters
    ----------
    protocol, version : str
    judge : callable
        ``judge(task, outcomes, seed) -> Judgement``.
    both_coverages : bool
        Whether a result with missing test videos gives its numbers counted the other way, too.
    named_by_list : bool
        Whether saved scores have the annotations' names of the videos in place of the store's.
    """

    protocol: str
    version: str
    judge: Judge = judge_accuracy
    both_coverages: bool = False
    named_by_list: bool = False


def classify(
    setting: Setting,
    store: FeatureStore | FusedStore,
    make_task: Callable[[], Task],
    annotations: AnnotationFiles | None,
    options: ClassificationOptions,
    fit: Fit = fit_task,
) -> Result:
    """Train and test on each split of a task, and describe everything that led to the numbers.

    Parameters
    ----------
    setting : Setting
    store : FeatureStore or FusedStore
        Features with the layer ``options.layer``.
    make_task : callable
        Makes the task; its time is counted.
    annotations : AnnotationFiles or None
        Where the task came from; None where it follows from the videos' names.
    options : ClassificationOptions
    fit : callable
        How one set of features is fitted.

    Returns
    -------
    Result

    Raises
    ------
    UserError
        When an option is out of range, a video is missing without ``allow_missing``, the layer is unknown,
        or a split has too little to train or test on.
    """
    options.check(store)
    timer = Timer()
    with timer.phase("annotations"):
        matched = match_task(store, make_task(), options.allow_missing)
    with timer.phase("features"):
        blocks = (
            read_blocks(store, matched, options)
            if isinstance(store, FusedStore)
            else [read_features(store, matched, options.layer, options.normalise, options.device)]
        )
    fits = (
        fit_fused(store, blocks, options, timer, fit)
        if isinstance(store, FusedStore)
        else fit(blocks[0], options, timer)
    )
    with timer.phase("leaks"):
        leaks = leak_warnings(blocks, annotations, store.provenance.get("trained_on") or "")
    return make_result(setting, store, matched, annotations, options, fits, timer, leaks)


def make_result(
    setting: Setting,
    store: FeatureStore | FusedStore,
    matched: Matched,
    annotations: AnnotationFiles | None,
    options: ClassificationOptions,
    fits: Fits,
    timer: Timer,
    leaks: Sequence[str] = (),
) -> Result:
    """Judge outcomes and put everything into a result."""
    task, outcomes, swept = matched.task, fits.outcomes, fits.swept
    with timer.phase("intervals"):
        judged = setting.judge(task, outcomes, options.seed)
        variants = tuple(
            Variant(
                f"pca {point}",
                {"pca": point} | chosen_option((outcome.name, outcome.chosen) for outcome in found),
                setting.judge(task, found, options.seed).metrics,
            )
            for point, found in swept.items()
        )
        if setting.both_coverages and matched.coverage.missing:
            variants = (*variants, _other_coverage(setting, task, outcomes, options))
    splits = tuple(
        Split(outcome.name, metrics, outcome.n_train, len(outcome.counted), outcome.chosen)
        for outcome, metrics in zip(outcomes, judged.splits, strict=True)
    )
    certificates = tuple(
        one for found in (outcomes, *swept.values()) for outcome in found for one in outcome.certificates
    )
    official = task.official and matched.coverage.counted_as == "complete"
    return Result(
        protocol=setting.protocol,
        version=setting.version,
        label=store.label,
        metrics=judged.metrics,
        options=asdict(options) | _fusion_options(store),
        choices=(*describe_choices(task, store, options, splits), *([fits.said] if fits.said else [])),
        features=_describe_files(store, options.layer),
        annotations=describe_task(task, annotations, official),
        coverage=matched.coverage,
        splits=splits,
        variants=variants,
        per_class=judged.per_class,
        certificates=certificates,
        warnings=(
            *certificate_warnings(certificates),
            *leaks,
            *feature_warnings(store),
            *_training_warnings(outcomes),
        ),
        seconds=timer.seconds,
        scores=collect_scores(matched, outcomes, setting.named_by_list),
    )


def _fusion_options(store: FeatureStore | FusedStore) -> dict[str, Any]:
    """How several files were fused: options of the run, not of the protocol."""
    if not isinstance(store, FusedStore):
        return {}
    weights = store.weights if isinstance(store.weights, str) else list(store.weights)
    return {"fusion": store.fusion, "weights": weights}


def _describe_files(store: FeatureStore | FusedStore, layer: str) -> dict[str, Any]:
    """Provenance of the features, and of each file where there are several."""
    if not isinstance(store, FusedStore):
        return describe_features(store, [layer])
    layers = store.layers_of(layer)
    parts = [describe_features(part, [name]) for part, name in zip(store.parts, layers, strict=True)]
    return describe_features(store, layers) | {"parts": parts}


def _other_coverage(
    setting: Setting, task: Task, outcomes: Sequence[Outcome], options: ClassificationOptions
) -> Variant:
    """Judge the same scores with missing test videos counted the other way."""
    wrong = options.allow_missing != "wrong"
    swapped = [
        replace(outcome, counted=split.test if wrong else outcome.tested)
        for outcome, split in zip(outcomes, task.splits, strict=True)
    ]
    how = "wrong" if wrong else "excluded"
    metrics = setting.judge(task, swapped, options.seed).metrics
    return Variant(f"missing videos {how}", {"allow_missing": how}, metrics)


def describe_task(task: Task, annotations: AnnotationFiles | None, official: bool) -> dict[str, Any]:
    """Source, hash and split hashes of a task, as a result carries them."""
    hashes = task.split_hashes()
    differing = {"deviations": list(task.deviations)} if task.deviations else {}
    if annotations is not None:
        described = describe_annotations(task.dataset, annotations, official)
        return described | {"split_hashes": hashes} | differing
    return {
        "dataset": task.dataset,
        "source": "the videos' names",
        "sha256": sha256_json(hashes),
        "official": official,
        "split_hashes": hashes,
    }


def describe_choices(
    task: Task, store: FeatureStore | FusedStore, options: ClassificationOptions, splits: Sequence[Split]
) -> tuple[str, ...]:
    """Say what was chosen where the papers are silent, one sentence each."""
    width = store[options.layer].shape[1]
    caveat = (
        "Wilson intervals of single splits take the clips of a group as independent, which they are not; "
        "the interval of the mean resamples whole groups"
    )
    classifier = options.make_classifier()
    return (
        task.said,
        f"feature: {options.layer}, {counted(width, 'value')} a video, {SPOKEN[options.normalise]}",
        *([describe_fusion(store)] if isinstance(store, FusedStore) else []),
        describe_classifier(classifier, splits),
        *([caveat] if task.clustered else []),
        *([describe_sweep(options.pca_solver, len(classifier.values) > 1)] if options.pca else []),
    )


def collect_scores(matched: Matched, outcomes: Sequence[Outcome], named_by_list: bool = False) -> Scores:
    """Scores of all test videos that have features, split after split."""
    task = matched.task
    rows = np.concatenate([outcome.tested for outcome in outcomes])
    labels = task.indicator(rows).astype(np.int64) if task.multi_label else task.first_labels(rows)
    return Scores(
        ids=np.array([task.names[row] if named_by_list else matched.ids[row] for row in rows.tolist()]),
        split=np.repeat(np.arange(len(outcomes)), [len(outcome.tested) for outcome in outcomes]),
        labels=labels,
        classes=np.array(task.classes),
        scores=np.concatenate([outcome.scores for outcome in outcomes]).astype(np.float32),
        clusters=np.array([task.clusters[row] for row in rows.tolist()]) if task.clustered else None,
        cluster_kind=f"{task.cluster_kind} clusters" if task.clustered else "videos",
    )


def _training_warnings(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        f"split {outcome.name}: no training video of {', '.join(outcome.untrained)}: always wrong"
        for outcome in outcomes
        if outcome.untrained
    ]
