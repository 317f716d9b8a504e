"""Ranks of systems and how sure they are, points after Borda, means over benchmarks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DRAWS = 2_000
LEVEL = 0.95


@dataclass(frozen=True)
class Rank:
    """A place, 1 the best, and the places that chance could have given.

    Parameters
    ----------
    place : int
    low, high : int or None
        Best and worst place of the interval; None where no interval is known.
    """

    place: int
    low: int | None = None
    high: int | None = None


def places(values: Array) -> NDArray[np.intp]:
    """Rank values along the last axis, the largest first; equal ones share the better place.

    Parameters
    ----------
    values : ndarray of float64, shape (…, n)

    Returns
    -------
    ndarray of int, shape (…, n)
        One more than the number of larger values.
    """
    n = values.shape[-1]
    flat = values.reshape(-1, n)
    not_larger = [np.searchsorted(np.sort(row), row, side="right") for row in flat]
    return n + 1 - np.array(not_larger, np.intp).reshape(values.shape)


def borda(values: Array) -> Array:
    """Count the systems that each one beats, summed over benchmarks; an equal one counts half.

    Parameters
    ----------
    values : ndarray of float64, shape (…, systems, benchmarks)

    Returns
    -------
    ndarray of float64, shape (…, systems)
        At most benchmarks × (systems − 1).
    """
    columns = np.swapaxes(values, -1, -2)
    larger, smaller = places(columns) - 1, places(-columns) - 1
    return np.asarray(((columns.shape[-1] - 1 + smaller - larger) / 2).sum(-2), np.float64)


def ranks(values: Array, errors: Array, seed: int) -> list[Rank]:
    """Rank systems by one benchmark.

    Parameters
    ----------
    values, errors : ndarray of float64, shape (n,)
        Values, and their standard errors; where one is NaN no rank has an interval.
    seed : int
        Of the draws.
    """
    return _with_intervals(places(values), places(_draw(values, errors, seed)) if _known(errors) else None)


def overall(
    values: Array, errors: Array, seed: int, by_borda: bool, sources: NDArray[np.str_] | None = None
) -> list[Rank]:
    """Rank systems by their mean over benchmarks, or by Borda's count.

    Parameters
    ----------
    values, errors : ndarray of float64, shape (systems, benchmarks)
        As of `ranks`.
    seed : int
    by_borda : bool
    sources : ndarray of str, shape (systems, benchmarks), optional
        What each value is of: those of one source on a benchmark are drawn together.
    """

    def judge(drawn: Array) -> Array:
        return borda(drawn) if by_borda else drawn.mean(-1)

    drawn = places(judge(_draw(values, errors, seed, sources))) if _known(errors) else None
    return _with_intervals(places(judge(values)), drawn)


def _known(errors: Array) -> bool:
    return not np.isnan(errors).any()


def _draw(values: Array, errors: Array, seed: int, sources: NDArray[np.str_] | None = None) -> Array:
    """Let every value fall about itself as its interval says, ``DRAWS`` times, those of one source together."""
    noise = np.random.default_rng(seed).standard_normal((DRAWS, *values.shape))
    for column, own in enumerate([] if sources is None else sources.T):
        _, first, place = np.unique(own, return_index=True, return_inverse=True)
        noise[..., column] = noise[..., first[place], column]
    return values + errors * noise


def _with_intervals(found: NDArray[np.intp], drawn: NDArray[np.intp] | None) -> list[Rank]:
    if drawn is None:
        return [Rank(int(place)) for place in found]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0, method="inverted_cdf")
    return [
        Rank(int(place), min(int(place), int(best)), max(int(place), int(worst)))
        for place, best, worst in zip(found, low, high, strict=True)
    ]
