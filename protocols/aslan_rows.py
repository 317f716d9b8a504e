"""What the pair vector is made of: each similarity and each layer alone, and a threshold on the cosine."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from p3d_eval.protocols.annotations.pairs import Pairs
from p3d_eval.protocols.aslan_folds import FoldOutcome, chosen_in_folds, fold_parts, judge, run_folds, summarise
from p3d_eval.protocols.classification import worst_of
from p3d_eval.protocols.classifiers.choice import Classifier
from p3d_eval.protocols.result import Certificate, Variant
from p3d_eval.protocols.similarities import SIMILARITIES

ALL = "all"
_COSINE = SIMILARITIES.index("cosine")

Array = NDArray[np.float64]


def row_variants(
    pairs: Pairs,
    vectors: Array,
    usable: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    layers: Sequence[str],
    classifier: Classifier,
) -> tuple[tuple[Variant, ...], tuple[Certificate, ...]]:
    """Test every similarity on every layer, every one on all layers, and all of them on every layer.

    The rows and columns of Table 3 of Kliper-Gross, Hassner and Wolf (TPAMI 34(3) 2012), with layers for
    descriptors; the cell "all, all" is the variant ``zscore``. Values are standardised on the training folds:
    the penalised bias of a linear SVM would make a single value's threshold depend on its unit.

    Parameters
    ----------
    pairs, vectors, usable, counted, classifier
        See :func:`p3d_eval.protocols.aslan_folds.run_folds`.
    layers : sequence of str
        In the order of the vectors.

    Returns
    -------
    tuple of Variant, tuple of Certificate
        Cells with the options ``similarity`` and ``layer``, and the worst certificate of each.
    """
    table = np.arange(vectors.shape[1]).reshape(len(layers), len(SIMILARITIES))
    rows = [(name, table[:, [column]]) for column, name in enumerate(SIMILARITIES)] + [(ALL, table)]
    variants: list[Variant] = []
    certificates: list[Certificate] = []
    for similarity, columns in rows:
        parts = [(layer, columns[row]) for row, layer in enumerate(layers)]
        for layer, own in [*parts, *([(ALL, columns.ravel())] if len(layers) > 1 else [])]:
            if len(own) == vectors.shape[1]:
                continue
            outcomes = run_folds(pairs, vectors[:, own], usable, counted, "zscore", classifier)
            name = f"{similarity} · {layer}"
            cell = {"similarity": similarity, "layer": layer} | chosen_in_folds(outcomes)
            variants.append(Variant(name, cell, summarise(outcomes)))
            certificates += worst_of([one for fold in outcomes for one in fold.certificates], name)
    return tuple(variants), tuple(certificates)


def baseline_variant(
    pairs: Pairs, vectors: Array, usable: NDArray[np.bool_], counted: NDArray[np.bool_]
) -> Variant:
    """Test the mean of the layers' cosines against a threshold: no metric is learned, one number is."""
    cosines = vectors[:, _COSINE :: len(SIMILARITIES)].mean(axis=1)
    outcomes: list[FoldOutcome] = []
    for part in fold_parts(pairs, usable, counted):
        threshold = best_threshold(cosines[part.train], pairs.same[part.train])
        outcomes.append(judge(pairs.same, part, cosines[part.rows] - threshold))
    return Variant("cosine threshold", {"baseline": "mean cosine of the layers"}, summarise(outcomes))


def best_threshold(values: Array, same: NDArray[np.bool_]) -> float:
    """Value above which calling pairs "same" is right most often; between two values, the lowest of equals."""
    distinct, place = np.unique(values, return_inverse=True)
    gained = np.bincount(place, np.where(same, -1.0, 1.0))  # right answers won by raising the threshold past it
    right = np.concatenate([[0.0], np.cumsum(gained)])
    edges = np.concatenate([distinct[:1] - 1, (distinct[1:] + distinct[:-1]) / 2, distinct[-1:] + 1])
    return float(edges[right.argmax()])
