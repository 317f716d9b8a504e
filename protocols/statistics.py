"""Intervals and standard errors, each with the assumption it makes."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, norm
from scipy.stats import t as student_t

from p3d_eval.protocols.metrics import average_precision, roc_auc
from p3d_eval.protocols.resampled_precision import Convention, resampled_average_precision
from p3d_eval.protocols.resampling import (
    LEVEL,
    RESAMPLES,
    Part,
    centred_interval,
    cluster_count,
    lonely_splits,
    percentile_interval,
    resampled_means,
)
from p3d_eval.protocols.result import Metric


def wilson_interval(correct: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Compute Wilson's score interval of a proportion (JASA 22, 1927): n independent trials.

    Parameters
    ----------
    correct, n : int
        Successes of trials, n > 0.
    level : float
        Confidence level.
    """
    z = float(norm.ppf((1 + level) / 2))
    share = correct / n
    centre = share + z * z / (2 * n)
    spread = z * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    scale = 1 + z * z / n
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return (low if correct > 0 else 0.0), (high if correct < n else 1.0)  # 0 and 1 but for rounding


def exact_interval(correct: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Compute Clopper and Pearson's interval of a proportion (Biometrika 26, 1934): never too narrow.

    Parameters
    ----------
    correct, n : int
        Successes of independent trials, n > 0.
    level : float
        Confidence level.
    """
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, correct, n - correct + 1)) if correct > 0 else 0.0
    high = float(beta.isf(tail, correct + 1, n - correct)) if correct < n else 1.0
    return low, high


def proportion(
    correct: int, n: int, unit: str, method: Literal["wilson", "exact"] = "wilson", level: float = LEVEL
) -> Metric:
    """Make a metric of ``correct`` out of ``n`` with Wilson's or the exact interval; undefined for n = 0."""
    if n == 0:
        return Metric(None, n=0, unit=unit, reason=f"no {unit}")
    interval, name = {
        "wilson": (wilson_interval, "Wilson"),
        "exact": (exact_interval, "exact (Clopper and Pearson)"),
    }[method]
    low, high = interval(correct, n, level)
    return Metric(correct / n, low, high, level, f"{name}, {unit} taken as independent", n, unit)


def standard_error(values: Sequence[float]) -> float | None:
    """Compute the standard deviation (n − 1) over √n; None for fewer than two values."""
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def mean_over_splits(parts: Sequence[Part], unit: str, kind: str, seed: int, level: float = LEVEL) -> Metric:
    """Make a metric of the mean over splits, with a bootstrap interval over clusters of units.

    Units of one cluster (UCF101: clips of one class and group, cut from one video) succeed or fail together,
    so the cluster is what is drawn. Two cases need no draws: a share of single units in one split has Wilson's
    interval, and where all units are right, or all wrong, every resample is alike and would give no width: the
    exact interval of as many trials as there are clusters stands instead. Where every split
    tests one cluster of its own, splits are drawn; where only some do, there is no interval: their resamples
    are themselves.

    Parameters
    ----------
    parts : sequence of Part
        The splits; a cluster's name is the same in all of them.
    unit : str
        What is counted, e.g. ``"videos"``.
    kind : str
        What the clusters are, e.g. ``"(class, group) clusters"``.
    seed : int
        Seed of the draws.
    level : float
        Confidence level.
    """
    values = [np.asarray(part.values, np.float64) for part in parts]
    n = sum(map(len, values))
    if not all(len(value) for value in values):
        return Metric(None, n=n, unit=unit, reason=f"no {unit} in a split")
    clusters = cluster_count(parts)
    mean = float(np.mean([value.mean() for value in values]))
    if len(parts) == 1 and clusters == n and bool(np.isin(values[0], (0, 1)).all()):
        return proportion(int(values[0].sum()), n, unit, level=level)
    if all((value == mean).all() for value in values) and mean in (0, 1):
        low, high = exact_interval(clusters if mean else 0, clusters, level)
        method = f"exact (Clopper and Pearson), {clusters:,} {kind} taken as trials, all alike"
        return Metric(mean, low, high, level, method, n, unit)
    lonely = lonely_splits(parts)
    together = ", each with all splits it is tested in" if len(parts) > 1 else ""
    if lonely.all() and len(parts) == clusters > 1:
        parts, together = [Part([value.mean() for value in values], range(clusters))], ", a split each"
    elif lonely.any():
        return Metric(mean, n=n, unit=unit, method=f"no interval: a split tests one alone of the {kind}")
    low, high = percentile_interval(resampled_means(parts, seed), level)
    method = f"percentile bootstrap, {RESAMPLES:,} resamples of {clusters:,} {kind}{together}"
    return Metric(mean, low, high, level, method, n, unit)


def mean_precision(
    scores: ArrayLike,
    labels: ArrayLike,
    seed: int,
    *,
    convention: Convention = "activitynet",
    clusters: ArrayLike | None = None,
    unit: str = "videos",
    level: float = LEVEL,
) -> tuple[Metric, list[Metric]]:
    """Mean average precision and every class's, with intervals over resampled videos.

    A class that no video shows is undefined and no part of the mean; neither is, in a resample, a class that
    no drawn video shows.

    Parameters
    ----------
    scores, labels, seed, convention, clusters
        See :func:`p3d_eval.protocols.resampled_precision.resampled_average_precision`.
    unit : str
        What is drawn, where there are no clusters.
    level : float
        Confidence level.

    Returns
    -------
    tuple of Metric and list of Metric
        The mean, and one metric a class.
    """
    values, wanted = np.asarray(scores), np.asarray(labels, bool)
    found = resampled_average_precision(values, wanted, seed, convention=convention, clusters=clusters)
    own = average_precision(values, wanted, convention)
    drawn = unit if clusters is None else "clusters"
    method = f"bootstrap, {len(found):,} resamples of {drawn}, centred on the value"
    shown = np.asarray(wanted.any(axis=0), bool)

    def metric(value: float, resampled: NDArray[np.float64], n: int) -> Metric:
        low, high = centred_interval(resampled[~np.isnan(resampled)], float(value), level)
        return Metric(float(value), low, high, level, method, n, unit)

    classes = [
        metric(own[c], found[:, c], int(wanted[:, c].sum()))
        if shown[c]
        else Metric(None, n=0, unit=unit, reason=f"no {unit} of this class")
        for c in range(wanted.shape[1])
    ]
    if not shown.any():
        return Metric(None, n=len(values), unit=unit, reason=f"no {unit} of any class"), classes
    kept = found[:, shown]
    counted = (~np.isnan(kept)).sum(axis=1)
    means = np.nansum(kept, axis=1) / np.where(counted > 0, counted, np.nan)
    return metric(own[shown].mean(), means, len(values)), classes


def mean_metric(values: Sequence[float | None], unit: str, level: float = LEVEL) -> Metric:
    """Make a metric of the mean of folds: its standard error, and the interval of Student's t.

    Undefined when a fold's value is. Folds are taken as independent, although their training sets overlap.
    """
    defined = [value for value in values if value is not None]
    if len(defined) < len(values) or not defined:
        return Metric(
            None,
            n=len(values),
            unit=unit,
            reason=f"undefined in {len(values) - len(defined)} of {len(values)} {unit}",
        )
    mean, error = float(np.mean(defined)), standard_error(defined)
    if error is None:
        return Metric(mean, n=len(defined), unit=unit)
    spread = float(student_t.ppf((1 + level) / 2, len(defined) - 1)) * error
    low, high = max(0.0, mean - spread), min(1.0, mean + spread)
    method = f"mean of {len(defined)} {unit} ± standard error; Student's t, {unit} taken as independent"
    return Metric(mean, low, high, level, method, len(defined), unit, error)


def auc_metric(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], unit: str, level: float = LEVEL
) -> Metric:
    """Make a metric of the area under the ROC curve, with Hanley and McNeil's interval (Radiology 143, 1982).

    Undefined where there is no positive or no negative sample. Samples are taken as independent.
    """
    area = roc_auc(scores, positive)
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if area is None:
        return Metric(None, n=len(positive), unit=unit, reason=f"{unit} of one label only")
    two_positive, two_negative = area / (2 - area), 2 * area**2 / (1 + area)
    variance = area * (1 - area)
    variance += (n_positive - 1) * (two_positive - area**2) + (n_negative - 1) * (two_negative - area**2)
    spread = float(norm.ppf((1 + level) / 2) * np.sqrt(max(0.0, variance) / (n_positive * n_negative)))
    low, high = max(0.0, area - spread), min(1.0, area + spread)
    return Metric(
        area, low, high, level, f"Hanley and McNeil, {unit} taken as independent", len(positive), unit
    )
