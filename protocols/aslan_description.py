"""What an ASLAN result says of its pairs and choices."""

from collections.abc import Mapping, Sequence
from typing import Any

from p3d_eval.features import FeatureStore
from p3d_eval.protocols.annotations import aslan as lists
from p3d_eval.protocols.annotations import aslan_view1 as view1
from p3d_eval.protocols.annotations.pairs import Pairs
from p3d_eval.protocols.aslan_folds import FoldOutcome, Vector
from p3d_eval.protocols.aslan_options import Options
from p3d_eval.protocols.description import describe_annotations, describe_classifier
from p3d_eval.protocols.protocol import AnnotationFiles
from p3d_eval.protocols.result import Coverage
from p3d_eval.protocols.similarities import SIMILARITIES

VIEW_1_WARNING = "View 1 is for choosing options; report View 2, whose pairs must not choose anything."

_SPOKEN: Mapping[Vector, str] = {
    "zscore+l2": "each value standardised on the training folds (C3D), then the vector L2-normalised (P3D)",
    "zscore": "each value standardised on the training folds (C3D)",
    "l2": "L2-normalised, nothing standardised (P3D's words)",
}
_NORMALISED = {
    "l2": "each layer L2-normalised per video",
    "signed-sqrt-l2": "signed square root of each value, then each layer L2-normalised per video",
    "none": "layers as stored",
}
_LAST_ROWS = {
    "l2": "similarities 9–12 L2-normalised by definition",
    "l1": "similarities 9–12 L1-normalised (not the reading that fits the paper's table)",
    "none": "similarities 9–12 not normalised (against the paper's note)",
}
_NEGATIVES = {"error": "none (refused)", "split": "split into [x⁺, x⁻]", "clip": "set to 0"}


def describe_pairs(
    annotations: AnnotationFiles, pairs: Pairs, coverage: Coverage, options: Options
) -> dict[str, Any]:
    """Source, hash and judgement: the official files' hashes are not public, what was counted in them is."""
    if options.view == "1":
        deviations = view1.deviations(pairs)
        check = "View 1, judged by the published counts (1,200 training and 600 test pairs, half of them same)"
    else:
        deviations = lists.deviations(pairs)
        check = (
            "judged by the published counts (10 folds of 300 same and 300 different pairs, disjoint in actions)"
        )
    official = not deviations and coverage.counted_as == "complete" and options.view == "2"
    described = describe_annotations("aslan", annotations, official)
    return described | {"check": check, "deviations": list(deviations)}


def describe_choices(
    store: FeatureStore,
    layers: Sequence[str],
    pairs: Pairs,
    options: Options,
    outcomes: Sequence[FoldOutcome],
) -> tuple[str, ...]:
    """Say what was chosen where the papers are silent, one sentence each."""
    shapes = {name: " × ".join(map(str, store.shape(name))) for name in layers}
    sizes = ", ".join(f"{name} ({shapes[name]})" for name in layers)
    pooled = {"flatten": "flattened as stored", "avg": "averaged over time and space (not as C3D did)"}
    folds = (
        f"{len(pairs.fold_names)} given folds, each tested once; accuracy ± standard error over folds; "
        "headline AUC over all decision values together, the mean of the folds' beside it"
    )
    return (
        f"layers, {pooled[options.pooling]}: {sizes}",
        (
            f"{_NORMALISED[options.video_normalisation]}; {_LAST_ROWS[options.last_rows]}; "
            f"eps = {options.eps:g}, 0/0 = 0; negative activations {_NEGATIVES[options.negatives]}"
        ),
        (
            f"pair vector of {len(SIMILARITIES) * len(layers)} values: {_SPOKEN[options.vector]}; "
            "the variants show the other ways, and the mean cosine of the layers against a threshold learned "
            "on the training folds"
        ),
        describe_classifier(options.make_classifier(), [outcome.split for outcome in outcomes]),
        folds if options.view == "2" else "trained on View 1's training list, tested on its test list",
        *(["single similarities and layers standardised on the training folds"] if options.rows else []),
    )
