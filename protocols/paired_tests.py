"""Is the difference between two systems more than chance? Tests on the same videos, and Holm's correction."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, binomtest
from scipy.stats import t as student_t

FLIPS = 100_000

_EXACT = 1 << 20  # distinct sums that are enumerated
_BLOCK = 1 << 22  # random numbers drawn at once
_FEW_KINDS = 200  # of which binomials are drawn; single signs of more
_ROUNDING = 1e-9  # of the largest sum: sums that differ by less are equal

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PairedTest:
    """What a test found.

    Parameters
    ----------
    p_value : float
        Probability, were the two alike, of a difference at least as large as the one seen, in either direction.
    how : str
        What was enumerated or drawn.
    """

    p_value: float
    how: str


def sign_flip_test(values: ArrayLike, seed: int, flips: int = FLIPS) -> PairedTest:
    """Test whether values are symmetric about 0, by flipping their signs (Fisher's randomisation test).

    A value is one cluster's contribution to the difference. Were the two systems alike, naming them the other
    way round in any cluster would be as likely. All sign patterns are enumerated where they give at most 2²⁰
    distinct sums, else patterns are drawn. Values that are alike up to their sign are flipped together: how
    many are positive is binomial. For values of 1 and −1 this is McNemar's exact test.

    Parameters
    ----------
    values : array_like of float, shape (clusters,)
        Zeros decide nothing.
    seed : int
        Seed of drawn patterns.
    flips : int
        Number of drawn patterns.
    """
    given = np.asarray(values, np.float64)
    given = given[given != 0]
    if not len(given):
        return PairedTest(1.0, "no cluster differs")
    kinds, repeats = np.unique(np.abs(given), return_counts=True)
    least = abs(given.sum()) - _ROUNDING * np.abs(given).sum()
    if np.log2(repeats + 1.0).sum() <= np.log2(_EXACT):
        sums, chances = _all_sums(kinds, repeats)
        return PairedTest(min(1.0, float(chances[np.abs(sums) >= least].sum())), "all sign patterns")
    as_large = _count_as_large(kinds, repeats, least, np.random.default_rng(seed), flips)
    return PairedTest((1 + as_large) / (1 + flips), f"{flips:,} random sign patterns")


def _all_sums(kinds: Array, repeats: NDArray[np.intp]) -> tuple[Array, Array]:
    """Every sum that some signs give, and the probability of it."""
    sums, chances = np.zeros(1), np.ones(1)
    for value, n in zip(kinds.tolist(), repeats.tolist(), strict=True):
        positive = np.arange(n + 1)
        sums = np.add.outer(sums, value * (2 * positive - n)).ravel()
        chances = np.multiply.outer(chances, binom.pmf(positive, n, 0.5)).ravel()
    return sums, chances


def _count_as_large(
    kinds: Array, repeats: NDArray[np.intp], least: float, generator: np.random.Generator, flips: int
) -> int:
    """Count drawn sign patterns whose sum is at least ``least`` in size."""
    if len(kinds) > _FEW_KINDS:
        kinds, repeats = np.repeat(kinds, repeats), np.ones(int(repeats.sum()), np.intp)
    found, step = 0, max(1, _BLOCK // len(kinds))
    for start in range(0, flips, step):
        size = (min(step, flips - start), len(kinds))
        if repeats.max() == 1:
            positive = generator.integers(0, 2, size=size, dtype=np.int8).astype(np.float64)
        else:
            positive = generator.binomial(repeats, 0.5, size=size).astype(np.float64)
        found += int((np.abs(2 * (positive @ kinds) - repeats @ kinds) >= least).sum())
    return found


def mcnemar_test(first: ArrayLike, second: ArrayLike) -> PairedTest:
    """McNemar's exact test: of the trials that one system alone gets right, is each side as likely?

    Psychometrika 12, 1947, with the binomial distribution. Trials are taken as independent.

    Parameters
    ----------
    first, second : array_like of bool, shape (n,)
        Which trials each system got right.
    """
    one, two = np.asarray(first, bool), np.asarray(second, bool)
    alone, other = int((one & ~two).sum()), int((two & ~one).sum())
    how = f"{alone} right in the first only, {other} in the second only"
    if not alone + other:
        return PairedTest(1.0, how)
    return PairedTest(float(binomtest(alone, alone + other, 0.5).pvalue), how)


def student_test(differences: ArrayLike) -> PairedTest:
    """Student's paired t test of the folds' differences, folds taken as independent; needs two."""
    values = np.asarray(differences, np.float64)
    error = values.std(ddof=1) / np.sqrt(len(values))
    how = f"Student's t, {len(values) - 1} degrees of freedom"
    if error == 0:
        return PairedTest(1.0 if values.mean() == 0 else 0.0, how)
    return PairedTest(float(2 * student_t.sf(abs(values.mean()) / error, len(values) - 1)), how)


def bootstrap_test(resampled: ArrayLike) -> PairedTest:
    """Twice the smaller share of resampled differences on one side of 0, never below 2 / (resamples + 1)."""
    values = np.asarray(resampled, np.float64)
    below, above = int((values <= 0).sum()), int((values >= 0).sum())
    return PairedTest(min(1.0, 2 * (1 + min(below, above)) / (1 + len(values))), f"{len(values):,} resamples")


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of several tests (Holm, Scandinavian Journal of Statistics 6, 1979).

    Calling those below α significant errs in any of them with probability at most α.
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    adjusted = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values, np.float64)[order] * factors))
    found = np.empty(len(p_values))
    found[order] = adjusted
    return found.tolist()
