"""UCF101: one-vs-rest linear SVM on L2-normalised video features, three splits (P3D paper, Table 3).

The pipeline is C3D's (Tran et al., ICCV 2015, section 4): a video's features averaged over its clips,
L2-normalised, a multi-class linear SVM; the score is the mean of the three splits' accuracies.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from p3d_eval.features import FeatureStore
from p3d_eval.features.ids import match_ids
from p3d_eval.protocols.annotations import ucf101 as lists
from p3d_eval.protocols.c_path import parse_c
from p3d_eval.protocols.classifiers.choice import Classifier, ClassifierName
from p3d_eval.protocols.description import (
    AllowMissing,
    certificate_warnings,
    describe_annotations,
    describe_classifier,
    describe_features,
    feature_warnings,
    make_coverage,
)
from p3d_eval.protocols.normalisation import SPOKEN, Normalisation, Standardiser, normalise_rows
from p3d_eval.protocols.pca import PcaSolver
from p3d_eval.protocols.pca_sweep import describe_sweep, parse_dimensions, project, train_points
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, Protocol
from p3d_eval.protocols.result import Coverage, Result, Scores, Variant
from p3d_eval.protocols.timing import Timer
from p3d_eval.protocols.ucf101_splits import Outcome, mean_accuracy, per_class, run_split
from p3d_eval.provenance import sha256_json

VERSION = "1"


@dataclass(frozen=True)
class Options:
    """Options of the protocol; the defaults are those of the paper's row, or chosen where it is silent."""

    split: Literal["all", "1", "2", "3"] = field(
        default="all", metadata={"help": "Which split; the score is the mean of all three."}
    )
    layer: str = field(default="pool5", metadata={"help": "Stored layer to classify."})
    normalise: Normalisation = field(
        default="l2",
        metadata={"help": "Nothing; L2; signed square root, then L2; or z-score learned on training videos."},
    )
    classifier: ClassifierName = field(
        default="svm",
        metadata={"help": "svm (LIBLINEAR's), libsvm (one against one), logistic, knn, or ncm (class means)."},
    )
    C: float | str = field(
        default=1.0,
        metadata={"help": "Weight of the loss: a value, cv, or a list such as 0.1,1,10.", "flag": "C"},
    )
    neighbours: int = field(default=20, metadata={"help": "Neighbours of knn."})
    temperature: float = field(default=0.07, metadata={"help": "Temperature of knn's weights; inf: equal."})
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
    device: str = field(default="cpu", metadata={"help": "Where svm is solved: auto, cpu or cuda."})
    seed: int = field(
        default=0, metadata={"help": "Seed of the solver's order, of cross validation and of the bootstrap."}
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "C", parse_c(self.C))  # one way to write it: one result_id

    def make_classifier(self) -> Classifier:
        """Build the classifier that these options describe, checking them."""
        return Classifier(
            self.classifier, self.C, self.tol, self.seed, self.neighbours, self.temperature, self.device
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
    points, classifier, timer = parse_dimensions(options.pca), options.make_classifier(), Timer()
    with timer.phase("annotations"):
        data = lists.from_ids(store.expected_ids) if annotations is None else lists.parse(annotations.files)
        chosen = [split for split in data.splits if options.split in ("all", str(split.number))]
        matched, coverage = _match(store, chosen, options.allow_missing)
    with timer.phase("features"):
        rows = {name: row for row, name in enumerate(matched)}
        stored = np.asarray(store[options.layer].rows(list(matched.values())), np.float64)
        features = normalise_rows(stored, options.normalise)
    with timer.phase("classify"):
        outcomes = [
            run_split(
                split,
                data.classes,
                features,
                rows,
                matched,
                classifier=classifier,
                normalise=options.normalise,
                count_missing=options.allow_missing == "wrong",
                problem=f"split {split.number}",
            )
            for split in chosen
        ]
    swept = _sweep(points, chosen, data.classes, features, rows, matched, options, timer)
    with timer.phase("intervals"):
        metrics = {"accuracy": mean_accuracy(outcomes, options.seed)}
        variants = tuple(
            Variant(f"pca {point}", {"pca": point}, {"accuracy": mean_accuracy(found, options.seed)})
            for point, found in swept.items()
        )
    fits = [*outcomes, *(outcome for found in swept.values() for outcome in found)]
    certificates = tuple(one for outcome in fits for one in outcome.certificates)
    official = data.official and options.split == "all" and coverage.counted_as == "complete"
    return Result(
        protocol="ucf101",
        version=VERSION,
        label=store.label,
        metrics=metrics,
        options=asdict(options),
        choices=_choices(options, data, store, outcomes),
        features=describe_features(store, [options.layer]),
        annotations=_describe_splits(annotations, chosen, official),
        coverage=coverage,
        splits=tuple(outcome.split for outcome in outcomes),
        variants=variants,
        per_class=per_class(outcomes, data.classes),
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


def _sweep(
    points: tuple[int, ...],
    splits: list[lists.Split],
    classes: tuple[str, ...],
    features: NDArray[np.float64],
    rows: Mapping[str, int],
    matched: Mapping[str, str],
    options: Options,
    timer: Timer,
) -> dict[int, list[Outcome]]:
    """Judge the projections on fewer and fewer principal components of each split's training videos."""
    found: dict[int, list[Outcome]] = {point: [] for point in points}
    for split in splits if points else ():
        with timer.phase("pca"):
            clips = [clip for clip in split.train if clip.name in rows]
            training = [rows[clip.name] for clip in clips]
            scaled = features
            if options.normalise == "zscore":
                scaled = Standardiser.learn(features[training]).apply(features)
            projected = project(scaled, training, points, options.pca_solver, options.seed, options.device)
        with timer.phase("classify"):
            targets = np.array([classes.index(clip.action) for clip in clips], np.intp)
            trained = train_points(
                projected[training], targets, points, options.make_classifier(), f"split {split.number}"
            )
        for point in points:
            with timer.phase("classify"):
                outcome = run_split(
                    split,
                    classes,
                    projected[:, :point],
                    rows,
                    matched,
                    classifier=options.make_classifier(),
                    normalise="none",
                    count_missing=options.allow_missing == "wrong",
                    problem=f"split {split.number}, pca {point}",
                    trained=trained.get(point),
                )
            found[point].append(outcome)
    return found


def _scores(outcomes: list[Outcome], classes: tuple[str, ...]) -> Scores:
    return Scores(
        ids=np.array([video for outcome in outcomes for video in outcome.ids]),
        split=np.repeat(np.arange(len(outcomes)), [len(outcome.ids) for outcome in outcomes]),
        labels=np.concatenate([outcome.labels for outcome in outcomes]),
        classes=np.array(classes),
        scores=np.concatenate([outcome.scores for outcome in outcomes]).astype(np.float32),
    )


def _choices(
    options: Options, data: lists.Ucf101, store: FeatureStore, outcomes: list[Outcome]
) -> tuple[str, ...]:
    groups = ", ".join(f"g{tested.start:02}–g{tested.stop - 1:02}" for tested in lists.TEST_GROUPS.values())
    width = store[options.layer].shape[1]
    rule = f"splits from the videos' names: class is the folder, test groups {groups}"
    return (
        rule if data.from_rule else "splits from the lists; class is the folder in the list",
        f"feature: {options.layer}, {width} values a video, {SPOKEN[options.normalise]}",
        describe_classifier(options.make_classifier(), [outcome.split for outcome in outcomes]),
        (
            "Wilson intervals of single splits take the clips of a group as independent, which they are not; "
            "the interval of the mean resamples whole groups"
        ),
        *([describe_sweep(options.pca_solver)] if options.pca else []),
    )


def _training_warnings(outcomes: list[Outcome]) -> list[str]:
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
