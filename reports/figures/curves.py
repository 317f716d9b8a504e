"""ROC curves of pairs, and curves of precision against recall, from the scores beside results."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.metrics import average_precision, roc_auc, roc_points
from p3d_eval.protocols.paired_metrics import indicator
from p3d_eval.protocols.result import Scores
from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.labelled import Labelled, cautions, percent, require_one_protocol

Array = NDArray[np.float64]

RECALLS = 1000  # steps of recall at which the precision of many classes is averaged


def roc_figure(results: Sequence[Labelled]) -> FigureData:
    """Describe the ROC curves of results on pairs, all folds' decision values together.

    Raises
    ------
    UserError
        When a result is not of pairs, has no scores, or has pairs of one label only.
    """
    protocol = require_one_protocol(results)
    return FigureData(
        kind="roc",
        title=f"{protocol}: ROC",
        x_label="False positive rate (%)",
        y_label="True positive rate (%)",
        series=tuple(_roc(one) for one in results),
        notes=("The decision values of all folds together.", *cautions(results)),
        sources={one.label: one.result.result_id for one in results},
    )


def _roc(one: Labelled) -> Series:
    scores = one.scores()
    if scores.scores.ndim != 1:
        raise UserError(
            f"{one.loaded.name}: a ROC curve is drawn of pairs", "For classes: p3d-eval plot precision-recall"
        )
    positive = scores.labels == 1
    points = _corners(roc_points(scores.scores, positive)[:, :2])
    return Series(
        name=one.label,
        x=tuple((100 * points[:, 0]).tolist()),
        y=tuple((100 * points[:, 1]).tolist()),
        facts={"AUC (%)": percent(roc_auc(scores.scores, positive)), "pairs": float(len(positive))},
    )


def _corners(points: Array) -> Array:
    """Leave out points on a straight line between their neighbours: the curve is the same."""
    before, after = np.diff(points[:-1], axis=0), np.diff(points[1:], axis=0)
    bends = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 0
    return points[np.concatenate([[True], bends, [True]])]


def precision_recall_figure(results: Sequence[Labelled], classes: Sequence[str] = ()) -> FigureData:
    """Describe precision against recall, by ActivityNet's interpolation.

    Parameters
    ----------
    results : sequence of Labelled
        Results of one protocol, with scores.
    classes : sequence of str
        Those to draw a curve each of; by default the mean over all classes, one curve a result.

    Raises
    ------
    UserError
        When a result has no scores.
    UnknownNameError
        When a result has no such class.

    Notes
    -----
    Interpolated precision at recall r is the largest precision at any recall of at least r. Its area is the
    average precision; the legend has the exact one, the curve has a point for every 0.1 % of recall.
    """
    protocol = require_one_protocol(results)
    series = tuple(curve for one in results for curve in _precision_curves(one, classes, len(results) > 1))
    how = "the mean of all classes" if not classes else "single classes"
    return FigureData(
        kind="precision-recall",
        title=f"{protocol}: precision and recall",
        x_label="Recall (%)",
        y_label="Interpolated precision (%)",
        series=series,
        notes=(f"Curves: {how}; the scores of all splits together.", *cautions(results)),
        sources={one.label: one.result.result_id for one in results},
    )


def _precision_curves(one: Labelled, names: Sequence[str], several: bool) -> list[Series]:
    scores = one.scores()
    values, shown, classes = _by_class(scores)
    for name in names:
        if name not in classes:
            raise UnknownNameError(f"class of {one.loaded.name}", name, classes)
    precisions = average_precision(values, shown)
    if not names:
        there = np.flatnonzero(shown.any(axis=0)).tolist()
        if not there:
            raise UserError(f"{one.loaded.name}: no video shows any class")
        mean = np.mean([interpolated(values[:, c], shown[:, c]) for c in there], axis=0)
        word = "AP (%)" if len(there) == 1 else "mAP (%)"
        return [_precision_series(one.label, mean, {word: percent(float(precisions[there].mean()))})]
    chosen = [classes.index(name) for name in names]
    return [
        _precision_series(
            f"{one.label}: {classes[c]}" if several else classes[c],
            interpolated(values[:, c], shown[:, c]),
            {"AP (%)": percent(float(precisions[c])), "videos": float(shown[:, c].sum())},
        )
        for c in chosen
        if shown[:, c].any()
    ]


def _by_class(scores: Scores) -> tuple[Array, NDArray[np.bool_], list[str]]:
    """Scores (n, classes), which class each trial shows, and the classes; pairs have the one class "same"."""
    values = np.asarray(scores.scores, np.float64)
    if values.ndim == 1:
        return values[:, None], (scores.labels == 1)[:, None], ["same"]
    return values, indicator(scores), scores.classes.tolist()


def _precision_series(name: str, precision: Array, facts: dict[str, float | None]) -> Series:
    recall = np.linspace(0, 100, len(precision))
    return Series(name, tuple(recall.tolist()), tuple((100 * precision).tolist()), facts=facts)


def interpolated(scores: Array, positive: NDArray[np.bool_]) -> Array:
    """Largest precision at a recall of at least 0, 1/1000, … 1, shape (1001,).

    Of equal scores later videos come first, as in the benchmark's average precision; a video of −∞ is not
    ranked, and recall that is never reached has precision 0.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    ranked = positive[order[scores[order] > -np.inf]]
    hits = np.cumsum(ranked)
    precision = hits / np.arange(1, len(ranked) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at_hit = np.append(best[ranked], np.zeros(int(positive.sum()) - int(ranked.sum())))
    # Recall of h/total is reached at the h-th hit; recall 0 at the first.
    needed = np.maximum(1, np.ceil(np.arange(RECALLS + 1) * int(positive.sum()) / RECALLS).astype(int))
    return np.asarray(at_hit[needed - 1], np.float64)
