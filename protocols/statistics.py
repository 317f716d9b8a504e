"""Intervals and standard errors, each with the assumption it makes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student_t

from p3d_eval.protocols.metrics import roc_auc
from p3d_eval.protocols.result import Metric

LEVEL = 0.95
RESAMPLES = 2000
_BATCH = 250  # resamples drawn at once


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
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def proportion(correct: int, n: int, unit: str) -> Metric:
    """Make a metric of ``correct`` out of ``n`` with its Wilson interval; undefined for n = 0."""
    if n == 0:
        return Metric(None, n=0, unit=unit, reason=f"no {unit}")
    low, high = wilson_interval(correct, n)
    return Metric(correct / n, low, high, LEVEL, f"Wilson, {unit} taken as independent", n, unit)


def standard_error(values: Sequence[float]) -> float | None:
    """Compute the standard deviation (n − 1) over √n; None for fewer than two values."""
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def cluster_bootstrap(
    splits: Sequence[tuple[NDArray[np.bool_], NDArray[np.intp]]],
    seed: int,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Percentile interval of the mean of the splits' accuracies, resampling whole clusters.

    Clips of one cluster (UCF101: of one class and group, cut from one video) succeed or fail together, so
    the cluster is the unit that is drawn, with replacement, within each split.

    Parameters
    ----------
    splits : sequence of (correct, cluster)
        Per split: whether each test video was classified correctly, shape (n,), and the index of its cluster.
    seed : int
        Seed of the draws.
    resamples : int
        Number of draws.
    level : float
        Confidence level.
    """
    generator = np.random.default_rng(seed)
    means = np.zeros(resamples)
    for correct, cluster in splits:
        sizes = np.bincount(cluster).astype(np.float64)
        hits = np.bincount(cluster, weights=correct)
        hits, sizes = hits[sizes > 0], sizes[sizes > 0]
        even = np.full(len(sizes), 1 / len(sizes))
        for start in range(0, resamples, _BATCH):
            size = min(_BATCH, resamples - start)
            drawn = generator.multinomial(len(sizes), even, size=size)
            means[start : start + size] += (drawn @ hits) / (drawn @ sizes) / len(splits)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_metric(values: Sequence[float | None], unit: str, level: float = LEVEL) -> Metric:
    """Make a metric of the mean of folds: its standard error, and the interval of Student's t.

    Undefined when a fold's value is. Folds are taken as independent, although their training sets overlap.
    """
    defined = [value for value in values if value is not None]
    if len(defined) < len(values) or not defined:
        return Metric(
            None, n=len(values), unit=unit, reason=f"undefined in {len(values) - len(defined)} {unit}"
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
