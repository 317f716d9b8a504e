"""UCF101: one-vs-rest linear SVM on L2-normalised video features, three splits (P3D paper, Table 3).

The pipeline is C3D's (Tran et al., ICCV 2015, section 4): a video's features averaged over its clips,
L2-normalised, a multi-class linear SVM; the score is the mean of the three splits' accuracies.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.features.ids import match_ids
from p3d_eval.protocols.annotations import ucf101 as lists
from p3d_eval.protocols.classifiers import OneVsRestLinearSVC
from p3d_eval.protocols.classifiers.fitting import fit_certified
from p3d_eval.protocols.description import (
    AllowMissing,
    certificate_warnings,
    describe_annotations,
    describe_features,
    feature_warnings,
    make_coverage,
)
from p3d_eval.protocols.normalisation import RowNormalisation, normalise_rows
from p3d_eval.protocols.pca import PcaSolver
from p3d_eval.protocols.pca_sweep import describe_sweep, parse_dimensions, project
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, Protocol
from p3d_eval.protocols.result import Certificate, Coverage, Metric, Result, Scores, Split, Variant
from p3d_eval.protocols.statistics import LEVEL, RESAMPLES, cluster_bootstrap, proportion
from p3d_eval.protocols.timing import Timer
from p3d_eval.provenance import sha256_json

VERSION = "1"


@dataclass(frozen=True)
class Options:
    """Options of the protocol; the defaults are those of the paper's row, or chosen where it is silent."""

    split: Literal["all", "1", "2", "3"] = field(
        default="all", metadata={"help": "Which split; the score is the mean of all three."}
    )
    layer: str = field(default="pool5", metadata={"help": "Stored layer to classify."})
    normalise: RowNormalisation = field(
        default="l2", metadata={"help": "Per video: L2; signed square root, then L2; or nothing."}
    )
    C: float = field(default=1.0, metadata={"help": "Weight of the SVM's loss.", "flag": "C"})
    tol: float = field(default=1e-6, metadata={"help": "Largest relative duality gap of a converged fit."})
    pca: str | None = field(
        default=None,
        metadata={"help": "Principal components: sweep (500 … 10 dimensions), or numbers such as 100,50,10."},
    )
    pca_solver: PcaSolver = field(
        default="exact", metadata={"help": "How components are found; randomised is for huge layers."}
    )
    allow_missing: AllowMissing = field(
        default=None,
        metadata={"help": "Go on without some videos: count missing test videos as wrong, or not."},
    )
    seed: int = field(default=0, metadata={"help": "Seed of the solver's order and of the bootstrap."})


@dataclass(frozen=True)
class _Outcome:
    """One split: what was predicted for each test video, and the numbers made from it."""

    clips: tuple[lists.Clip, ...]
    correct: NDArray[np.bool_]
    labels: NDArray[np.intp]
    scores: NDArray[np.float64]
    ids: tuple[str, ...]
    split: Split
    certificate: Certificate
    untrained: tuple[str, ...]


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
    points, timer = parse_dimensions(options.pca), Timer()
    with timer.phase("annotations"):
        data = lists.from_ids(store.expected_ids) if annotations is None else lists.parse(annotations.files)
        chosen = [split for split in data.splits if options.split in ("all", str(split.number))]
        matched, coverage = _match(store, chosen, options.allow_missing)
    with timer.phase("features"):
        rows = {name: row for row, name in enumerate(matched)}
        stored = np.asarray(store[options.layer].rows(list(matched.values())), np.float64)
        features = normalise_rows(stored, options.normalise)
    with timer.phase("classify"):
        outcomes = [_run_split(split, data.classes, features, rows, matched, options) for split in chosen]
    swept = _sweep(points, chosen, data.classes, features, rows, matched, options, timer)
    with timer.phase("intervals"):
        metrics = {"accuracy": _mean_accuracy(outcomes, options.seed)}
        variants = tuple(
            Variant(f"pca {point}", {"pca": point}, {"accuracy": _mean_accuracy(found, options.seed)})
            for point, found in swept.items()
        )
    fits = [*outcomes, *(outcome for found in swept.values() for outcome in found)]
    certificates = tuple(outcome.certificate for outcome in fits)
    official = data.official and options.split == "all" and coverage.counted_as == "complete"
    return Result(
        protocol="ucf101",
        version=VERSION,
        label=store.label,
        metrics=metrics,
        options=asdict(options),
        choices=_choices(options, data, store),
        features=describe_features(store, [options.layer]),
        annotations=_describe_splits(annotations, chosen, official),
        coverage=coverage,
        splits=tuple(outcome.split for outcome in outcomes),
        variants=variants,
        per_class=_per_class(outcomes, data.classes),
        certificates=certificates,
        warnings=(
            *certificate_warnings(certificates),
            *feature_warnings(store),
            *_training_warnings(outcomes),
        ),
        seconds=timer.seconds,
        scores=_scores(outcomes, data.classes),
    )


def _describe_splits(
    annotations: AnnotationFiles | None, splits: list[lists.Split], official: bool
) -> dict[str, Any]:
    hashes = {str(split.number): lists.split_hash(split) for split in splits}
    if annotations is not None:
        return describe_annotations("ucf101", annotations, official) | {"split_hashes": hashes}
    return {
        "dataset": "ucf101",
        "source": "the videos' names",
        "sha256": sha256_json(hashes),
        "official": official,
        "split_hashes": hashes,
    }


def _match(
    store: FeatureStore, splits: list[lists.Split], allow_missing: AllowMissing
) -> tuple[dict[str, str], Coverage]:
    """Find the store's id of every listed video: name → id of those with features."""
    names = list(dict.fromkeys(clip.name for split in splits for clip in (*split.train, *split.test)))
    stored = set(store.ids)
    found = match_ids(names, store.expected_ids)
    matched = {name: video for name, video in found.items() if video is not None and video in stored}
    missing = [name for name in names if name not in matched]
    return matched, make_coverage(store, len(names), missing, allow_missing, "the splits")


def _run_split(
    split: lists.Split,
    classes: tuple[str, ...],
    features: NDArray[np.float64],
    rows: Mapping[str, int],
    matched: Mapping[str, str],
    options: Options,
) -> _Outcome:
    """Train on one split's training videos, and judge every test video that counts."""
    lists.require_apart(split)
    index = {action: label for label, action in enumerate(classes)}
    train = [clip for clip in split.train if clip.name in rows]
    tested = [clip for clip in split.test if clip.name in rows]
    counted = split.test if options.allow_missing == "wrong" else tuple(tested)
    if len({clip.action for clip in train}) < 2 or not tested:
        raise UserError(f"split {split.number}: training videos of two classes and a test video are needed")
    targets = np.array([index[clip.action] for clip in train])
    model = OneVsRestLinearSVC(C=options.C, tol=options.tol, random_state=options.seed)
    certificate = fit_certified(
        model, features[[rows[c.name] for c in train]], targets, f"split {split.number}"
    )
    values = model.decision_function(features[[rows[clip.name] for clip in tested]])
    scores = np.full((len(tested), len(classes)), -np.inf)  # a class without training videos is never chosen
    scores[:, model.classes_] = np.column_stack([-values, values]) if values.ndim == 1 else values
    labels = np.array([index[clip.action] for clip in tested], np.intp)
    right = dict(zip(tested, (scores.argmax(axis=1) == labels).tolist(), strict=True))
    correct = np.array([right.get(clip, False) for clip in counted])
    metric = proportion(int(correct.sum()), len(correct), "videos")
    return _Outcome(
        clips=tuple(counted),
        correct=correct,
        labels=labels,
        scores=scores,
        ids=tuple(matched[clip.name] for clip in tested),
        split=Split(str(split.number), {"accuracy": metric}, len(train), len(correct)),
        certificate=certificate,
        untrained=tuple(sorted({clip.action for clip in counted} - {clip.action for clip in train})),
    )


def _sweep(
    points: tuple[int, ...],
    splits: list[lists.Split],
    classes: tuple[str, ...],
    features: NDArray[np.float64],
    rows: Mapping[str, int],
    matched: Mapping[str, str],
    options: Options,
    timer: Timer,
) -> dict[int, list[_Outcome]]:
    """Judge the projections on fewer and fewer principal components of each split's training videos."""
    found: dict[int, list[_Outcome]] = {point: [] for point in points}
    for split in splits if points else ():
        with timer.phase("pca"):
            training = [rows[clip.name] for clip in split.train if clip.name in rows]
            projected = project(features, training, points, options.pca_solver, options.seed)
        for point in points:
            with timer.phase("classify"):
                outcome = _run_split(split, classes, projected[:, :point], rows, matched, options)
            named = replace(outcome.certificate, problem=f"{outcome.certificate.problem}, pca {point}")
            found[point].append(replace(outcome, certificate=named))
    return found


def _mean_accuracy(outcomes: list[_Outcome], seed: int) -> Metric:
    """Mean of the splits' accuracies; clips of one class and group are resampled together."""
    parts = []
    for outcome in outcomes:
        keys = [(clip.action, clip.group if clip.group is not None else clip.stem) for clip in outcome.clips]
        position = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        parts.append((outcome.correct, np.array([position[key] for key in keys], np.intp)))
    low, high = cluster_bootstrap(parts, seed)
    clusters = sum(int(cluster.max()) + 1 for _, cluster in parts)
    method = f"percentile bootstrap, {RESAMPLES} resamples of {clusters} (class, group) clusters within splits"
    value = float(np.mean([correct.mean() for correct, _ in parts]))
    return Metric(value, low, high, LEVEL, method, sum(len(correct) for correct, _ in parts), "videos")


def _per_class(outcomes: list[_Outcome], classes: tuple[str, ...]) -> dict[str, Metric]:
    """Accuracy of each class over the test videos of all splits that ran."""
    hits: dict[str, list[bool]] = {action: [] for action in classes}
    for outcome in outcomes:
        for clip, correct in zip(outcome.clips, outcome.correct.tolist(), strict=True):
            hits[clip.action].append(correct)
    return {action: proportion(sum(found), len(found), "videos") for action, found in hits.items()}


def _scores(outcomes: list[_Outcome], classes: tuple[str, ...]) -> Scores:
    return Scores(
        ids=np.array([video for outcome in outcomes for video in outcome.ids]),
        split=np.repeat(np.arange(len(outcomes)), [len(outcome.ids) for outcome in outcomes]),
        labels=np.concatenate([outcome.labels for outcome in outcomes]),
        classes=np.array(classes),
        scores=np.concatenate([outcome.scores for outcome in outcomes]).astype(np.float32),
    )


def _choices(options: Options, data: lists.Ucf101, store: FeatureStore) -> tuple[str, ...]:
    normalised = {"l2": "L2-normalised", "power+l2": "signed square root, then L2", "none": "as stored"}
    groups = ", ".join(f"g{tested.start:02}–g{tested.stop - 1:02}" for tested in lists.TEST_GROUPS.values())
    width = store[options.layer].shape[1]
    rule = f"splits from the videos' names: class is the folder, test groups {groups}"
    return (
        rule if data.from_rule else "splits from the lists; class is the folder in the list",
        f"feature: {options.layer}, {width} values a video, {normalised[options.normalise]}",
        f"classifier: one-vs-rest linear SVM, squared hinge, penalised bias, C = {options.C:g} (not stated)",
        (
            "Wilson intervals of single splits take the clips of a group as independent, which they are not; "
            "the interval of the mean resamples whole groups"
        ),
        *([describe_sweep(options.pca_solver)] if options.pca else []),
    )


def _training_warnings(outcomes: list[_Outcome]) -> list[str]:
    return [
        f"split {outcome.split.name}: no training video of {', '.join(outcome.untrained)}: always wrong"
        for outcome in outcomes
        if outcome.untrained
    ]


PROTOCOL: Protocol = Protocol(
    name="ucf101",
    version=VERSION,
    summary="Action recognition on UCF101: linear SVM on L2-normalised features, mean of three splits.",
    options=Options,
    run=run,
    dataset="ucf101",
    annotation_option=AnnotationOption(
        "splits", "Folder of the official lists (default: splits from the videos' names)."
    ),
)
