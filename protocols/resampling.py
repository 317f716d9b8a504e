"""Bootstrap over clusters: percentile intervals of means over splits, and of differences between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
RESAMPLES = 10_000

_BLOCK = 256  # resamples drawn at once
_FEW_KINDS = 8  # a binomial draw costs about as much as eight integers

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One split: a number for each tested unit, and the cluster that the unit belongs to.

    Parameters
    ----------
    values : array_like, shape (n,)
        1 for right and 0 for wrong, a difference of two such, or any other number whose mean is of interest.
    clusters : array_like, shape (n,)
        Names of clusters, n > 0. The same name in two splits is the same cluster.
    """

    values: ArrayLike
    clusters: ArrayLike


def resampled_means(parts: Sequence[Part], seed: int, resamples: int = RESAMPLES) -> Array:
    """Mean over splits of the splits' means, for each of many samples of whole clusters.

    Clusters are drawn with replacement among those that are tested in the same splits, so that every split
    keeps its number of clusters, and a cluster tested in several splits (HMDB51) is drawn for all of them
    together. Clusters that contribute the same numbers are alike: how many of each kind are drawn is
    multinomial, and neither names nor order of the clusters change anything.

    Parameters
    ----------
    parts : sequence of Part
        The splits.
    seed : int
        Seed of the draws.
    resamples : int
        Number of draws.

    Returns
    -------
    ndarray of float64, shape (resamples,)
    """
    kinds, strata = _kinds(parts)
    generator = np.random.default_rng(seed)
    totals = np.zeros((resamples, kinds.shape[1]))
    for start in range(0, resamples, _BLOCK):
        block = totals[start : start + _BLOCK]
        for rows, repeats in strata:
            block += _draw(generator, repeats, len(block)) @ kinds[rows]
    sums, sizes = totals[:, : len(parts)], totals[:, len(parts) :]
    return (sums / sizes).mean(axis=1)


def cluster_count(parts: Sequence[Part]) -> int:
    """Count the distinct clusters of all splits together."""
    return len(np.unique(np.concatenate([np.asarray(part.clusters).astype(str) for part in parts])))


def lonely_splits(parts: Sequence[Part]) -> NDArray[np.bool_]:
    """Which splits test one cluster alone, shape (splits,): drawn among its like, it stays what it is."""
    return np.array([len(np.unique(np.asarray(part.clusters))) == 1 for part in parts])


def cluster_table(parts: Sequence[Part]) -> tuple[Array, Array]:
    """Sum and number of units of each cluster in each split: two arrays, shape (clusters, splits)."""
    names, index = np.unique(
        np.concatenate([np.asarray(part.clusters).astype(str) for part in parts]), return_inverse=True
    )
    sums, sizes = np.zeros((2, len(names), len(parts)))
    start = 0
    for column, part in enumerate(parts):
        values = np.asarray(part.values, np.float64)
        own = index[start : start + len(values)]
        start += len(values)
        sums[:, column] = np.bincount(own, weights=values, minlength=len(names))
        sizes[:, column] = np.bincount(own, minlength=len(names))
    return sums, sizes


def _kinds(parts: Sequence[Part]) -> tuple[Array, list[tuple[NDArray[np.intp], NDArray[np.intp]]]]:
    """Distinct clusters as rows (sums, sizes), and for each stratum its rows and how often each occurs."""
    kinds, repeats = np.unique(np.hstack(cluster_table(parts)), axis=0, return_counts=True)
    present = kinds[:, len(parts) :] > 0
    patterns, stratum = np.unique(present, axis=0, return_inverse=True)
    rows = [np.flatnonzero(stratum.reshape(-1) == number) for number in range(len(patterns))]
    return kinds, [(own, repeats[own]) for own in rows]


def _draw(generator: np.random.Generator, repeats: NDArray[np.intp], size: int) -> Array:
    """Draw as many clusters as there are, ``size`` times: how many of each kind, shape (size, kinds)."""
    total = int(repeats.sum())
    if len(repeats) * _FEW_KINDS <= total:
        return generator.multinomial(total, repeats / total, size=size).astype(np.float64)
    drawn = np.repeat(np.arange(len(repeats)), repeats)[generator.integers(total, size=(size, total))]
    return row_counts(drawn, len(repeats))


def row_counts(drawn: NDArray[np.integer], kinds: int) -> Array:
    """How often each of ``kinds`` numbers stands in each row, shape (rows, kinds)."""
    flat = (drawn + kinds * np.arange(len(drawn))[:, None]).ravel()
    return np.bincount(flat, minlength=len(drawn) * kinds).reshape(len(drawn), kinds).astype(np.float64)


def drawn_counts(units: int, seed: int, resamples: int = RESAMPLES) -> Iterator[Array]:
    """Yield, block by block, how often each of ``units`` is drawn: arrays (block, units)."""
    generator = np.random.default_rng(seed)
    for start in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - start)
        yield row_counts(generator.integers(units, size=(size, units)), units)


def percentile_interval(resampled: Array, level: float = LEVEL) -> tuple[float, float]:
    """Find the ends of the central share ``level`` of resampled values."""
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def centred_interval(resampled: Array, value: float, level: float = LEVEL) -> tuple[float, float]:
    """Move the percentile interval of a share so that the resamples' mean lies on the value itself.

    For statistics that resampling itself shifts: a positive that is drawn twice follows itself in a ranking,
    which raises average precision, the more the lower it is.
    """
    low, high = percentile_interval(resampled, level)
    shift = value - float(resampled.mean())
    return max(0.0, min(low + shift, value)), min(1.0, max(high + shift, value))
