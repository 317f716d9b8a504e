"""ASLAN: do two videos show the same action? Twelve similarities a layer, linear SVM, ten folds.

Protocol: Kliper-Gross, Hassner and Wolf, TPAMI 34(3) 2012, View 2. Features and pair vector: C3D (Tran et
al., ICCV 2015, section 5) and P3D (Qiu, Yao and Mei, ICCV 2017, section 5).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.annotations import aslan as lists
from p3d_eval.protocols.aslan_folds import VECTORS, FoldOutcome, Vector, run_folds, summarise
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
from p3d_eval.protocols.pair_vectors import Negatives, VideoNormalisation, layer_similarities
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationOption, Protocol
from p3d_eval.protocols.result import Coverage, Result, Scores, Variant
from p3d_eval.protocols.similarities import DEFAULT_EPS, SIMILARITIES, require_eps
from p3d_eval.protocols.timing import Timer

VERSION = "1"

# What a recipe does to the pair vector: the project's default, the P3D paper's words alone, the C3D paper.
_HEADLINES: Mapping[str, Vector] = {"p3d": "zscore+l2", "p3d-literal": "l2", "c3d": "zscore"}
_SPOKEN: Mapping[Vector, str] = {
    "zscore+l2": "each value standardised on the training folds (C3D), then the vector L2-normalised (P3D)",
    "zscore": "each value standardised on the training folds (C3D)",
    "l2": "L2-normalised, nothing standardised (P3D's words)",
}


@dataclass(frozen=True)
class Options:
    """Options of the protocol; docs/protocols/aslan.md gives the reasons of the defaults."""

    layers: str | None = field(
        default=None,
        metadata={"help": "Stored layers, comma separated (default: those the backbone registers)."},
    )
    recipe: Literal["p3d", "p3d-literal", "c3d"] = field(
        default="p3d",
        metadata={
            "help": "Headline pair vector: standardised then L2-normalised, only the latter, or the former."
        },
    )
    normalise: VideoNormalisation = field(
        default="l2", metadata={"help": "Per video and layer, before the similarities."}
    )
    eps: float = field(default=DEFAULT_EPS, metadata={"help": "Added inside the logarithms of similarity 10."})
    negatives: Negatives = field(
        default="error",
        metadata={"help": "Negative activations: refuse them, split into [x⁺, x⁻], or set to 0."},
    )
    classifier: ClassifierName = field(
        default="svm",
        metadata={"help": "svm (LIBLINEAR's), libsvm (hinge, free bias), logistic, knn, or ncm (class means)."},
    )
    C: float | str = field(
        default=1.0,
        metadata={"help": "Weight of the loss: a value, cv, or a list such as 0.1,1,10.", "flag": "C"},
    )
    neighbours: int = field(default=20, metadata={"help": "Neighbours of knn."})
    temperature: float = field(default=0.07, metadata={"help": "Temperature of knn's weights; inf: equal."})
    tol: float = field(default=1e-6, metadata={"help": "Largest relative duality gap of a converged fit."})
    allow_missing: AllowMissing = field(
        default=None, metadata={"help": "Go on without some videos: count their test pairs as wrong, or not."}
    )
    device: str = field(default="cpu", metadata={"help": "Where similarities are computed: auto, cpu or cuda."})
    seed: int = field(default=0, metadata={"help": "Seed of the solver's order."})

    def __post_init__(self) -> None:
        require_eps(self.eps)  # before the features are read
        object.__setattr__(self, "C", parse_c(self.C))  # one way to write it: one result_id

    def make_classifier(self) -> Classifier:
        """Build the classifier that these options describe, checking them."""
        return Classifier(self.classifier, self.C, self.tol, self.seed, self.neighbours, self.temperature)


def run(store: FeatureStore, annotations: AnnotationFiles | None, options: Options) -> Result:
    """Train on all folds but one, test on that one, for each fold.

    Parameters
    ----------
    store : FeatureStore
        Features with the wanted layers.
    annotations : AnnotationFiles
        The pairs.
    options : Options

    Returns
    -------
    Result
        ``accuracy`` (mean of the folds ± standard error), ``auc`` (over all decision values together) and
        ``auc_mean_of_folds``; the variants show the other ways of scaling the pair vector.

    Raises
    ------
    UserError
        When the pairs are wrong, videos are missing without ``allow_missing``, a layer is unknown, or a
        value has no root.
    """
    if annotations is None:
        raise UserError("aslan: no pairs", "Give them with --pairs View2.mat")
    timer, classifier = Timer(), options.make_classifier()
    with timer.phase("annotations"):
        pairs = lists.parse(annotations.files)
        found, coverage = _match(store, pairs, options.allow_missing)
    layers = _layers(store, options.layers)
    # One way to write it, one result_id: naming the registered layers is leaving the default.
    options = replace(options, layers=None if layers == store.aslan_layers else ",".join(layers))
    with timer.phase("similarities"):
        vectors, usable = _pair_vectors(store, pairs, found, layers, options)
    kept = usable | (options.allow_missing == "wrong")
    with timer.phase("classify"):
        outcomes = {vector: run_folds(pairs, vectors, usable, kept, vector, classifier) for vector in VECTORS}
    headline = _HEADLINES[options.recipe]
    certificates = tuple(
        one for vector in VECTORS for outcome in outcomes[vector] for one in outcome.certificates
    )
    return Result(
        protocol="aslan",
        version=VERSION,
        label=store.label,
        metrics=summarise(outcomes[headline]),
        options=asdict(options),
        choices=_choices(store, layers, pairs, options, outcomes[headline]),
        features=describe_features(store, layers),
        annotations=_describe_pairs(annotations, pairs, coverage),
        coverage=coverage,
        splits=tuple(outcome.split for outcome in outcomes[headline]),
        variants=_variants(outcomes, headline),
        certificates=certificates,
        warnings=(*certificate_warnings(certificates), *feature_warnings(store), *pairs.warnings()),
        seconds=timer.seconds,
        scores=_scores(pairs, found, outcomes[headline]),
    )


def _match(
    store: FeatureStore, pairs: lists.Pairs, allow_missing: AllowMissing
) -> tuple[list[str | None], Coverage]:
    """Find the store's id of each sample, None where it has no features."""
    matched = lists.match_samples(pairs, store.expected_ids)
    stored = set(store.ids)
    found = [video if (video := matched[name]) in stored else None for name in pairs.names]
    missing = [name for name, video in zip(pairs.names, found, strict=True) if video is None]
    return found, make_coverage(store, len(found), missing, allow_missing, "the pairs")


def _layers(store: FeatureStore, wanted: str | None) -> tuple[str, ...]:
    """Names of the layers to use, in order, each stored."""
    names = store.aslan_layers if wanted is None else tuple(name.strip() for name in wanted.split(","))
    if not names or not all(names):
        raise UserError(
            f"{store.path}: the backbone {store.provenance['backbone']!r} registers no layers for ASLAN"
            if wanted is None
            else f"layers: {wanted!r} holds an empty name",
            f"Name them: --layers {','.join(store.layers)}",
        )
    if len(set(names)) < len(names):
        raise UserError(f"layers: {wanted!r} names a layer twice")
    for name in names:
        store.shape(name)  # an unknown one is an error before any work
    return names


def _pair_vectors(
    store: FeatureStore,
    pairs: lists.Pairs,
    found: list[str | None],
    layers: tuple[str, ...],
    options: Options,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Twelve values a layer of every pair, and which pairs have features of both videos (others hold 0)."""
    position = {video: row for row, video in enumerate(video for video in found if video is not None)}
    rows = np.array([position[video] if video is not None else -1 for video in found], np.intp)
    first, second = rows[pairs.first], rows[pairs.second]
    usable = (first >= 0) & (second >= 0)
    vectors = np.zeros((len(first), len(SIMILARITIES) * len(layers)))
    for number, layer in enumerate(layers):
        columns = slice(number * len(SIMILARITIES), (number + 1) * len(SIMILARITIES))
        vectors[usable, columns] = layer_similarities(
            store,
            layer,
            list(position),
            first[usable],
            second[usable],
            normalise=options.normalise,
            negatives=options.negatives,
            eps=options.eps,
            device=options.device,
        )
    return vectors, usable


def _variants(outcomes: Mapping[Vector, list[FoldOutcome]], headline: Vector) -> tuple[Variant, ...]:
    return tuple(
        Variant(vector, {"vector": vector}, summarise(folds), vector == headline)
        for vector, folds in outcomes.items()
    )


def _describe_pairs(annotations: AnnotationFiles, pairs: lists.Pairs, coverage: Coverage) -> dict[str, Any]:
    """Source, hash and judgement: the official file's hash is not public, what was counted in it is."""
    deviations = pairs.deviations()
    official = not deviations and coverage.counted_as == "complete"
    check = "judged by the published counts (10 folds of 300 same and 300 different pairs, disjoint in actions)"
    described = describe_annotations("aslan", annotations, official)
    return described | {"check": check, "deviations": list(deviations)}


def _choices(
    store: FeatureStore,
    layers: tuple[str, ...],
    pairs: lists.Pairs,
    options: Options,
    outcomes: list[FoldOutcome],
) -> tuple[str, ...]:
    shapes = {name: " × ".join(map(str, store.shape(name))) for name in layers}
    sizes = ", ".join(f"{name} ({shapes[name]})" for name in layers)
    normalised = {"l2": "each layer L2-normalised per video", "none": "layers as stored"}
    negatives = {"error": "none (refused)", "split": "split into [x⁺, x⁻]", "clip": "set to 0"}
    return (
        f"layers, flattened as stored: {sizes}",
        (
            f"{normalised[options.normalise]}; similarities 9–12 L2-normalised by definition; "
            f"eps = {options.eps:g}, 0/0 = 0; negative activations {negatives[options.negatives]}"
        ),
        (
            f"pair vector of {len(SIMILARITIES) * len(layers)} values: {_SPOKEN[_HEADLINES[options.recipe]]}; "
            "the variants show the other ways"
        ),
        describe_classifier(options.make_classifier(), [outcome.split for outcome in outcomes]),
        (
            f"{len(pairs.fold_names)} given folds, each tested once; accuracy ± standard error over folds; "
            "headline AUC over all decision values together, the mean of the folds' beside it"
        ),
    )


def _scores(pairs: lists.Pairs, found: list[str | None], outcomes: list[FoldOutcome]) -> Scores:
    rows = np.concatenate([outcome.rows for outcome in outcomes])
    names = np.array([video or "" for video in found])
    return Scores(
        ids=np.column_stack([names[pairs.first[rows]], names[pairs.second[rows]]]),
        split=pairs.fold[rows],
        labels=pairs.same[rows].astype(np.int64),
        classes=np.array(["same"]),
        scores=np.concatenate([outcome.decision for outcome in outcomes]).astype(np.float32),
        clusters=np.array(pairs.fold_names)[pairs.fold[rows]],
        cluster_kind="folds",  # no action is in two of them, while pairs of one fold share videos
    )


PROTOCOL: Protocol = Protocol(
    name="aslan",
    version=VERSION,
    summary="Action similarity on ASLAN: twelve similarities a layer, linear SVM, ten given folds.",
    options=Options,
    run=run,
    reader=lists.READER,
    annotation_option=AnnotationOption(
        "pairs", "Pairs: View2.mat, or a CSV fold,id1,id2,same[,class1,class2]."
    ),
    needs_annotations=True,
)
