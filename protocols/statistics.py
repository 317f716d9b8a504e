"""Intervals and standard errors, each with the assumption it makes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

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
    """Standard deviation (n − 1) over √n; None for fewer than two values."""
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
