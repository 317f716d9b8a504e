"""Bootstrap of mean average precision: every class is sorted once, resamples are weights.

A video that is drawn m times counts m times. So a resample's precision at the rank of a positive is a quotient
of two weighted counts up to that rank, and nothing has to be sorted again. Between two positives only the
weight matters: the weights of the segments are one sparse product for all classes and many resamples.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from p3d_eval.errors import UserError
from p3d_eval.protocols.resampling import RESAMPLES, drawn_counts

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Convention = Literal["activitynet", "sklearn"]


def resampled_average_precision(
    scores: ArrayLike,
    labels: ArrayLike,
    seed: int,
    *,
    convention: Convention = "activitynet",
    clusters: ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> Array:
    """Average precision of every class, for each of many samples of videos drawn with replacement.

    Exactly what the measure gives on the drawn videos, copies counted as videos of their own.

    Parameters
    ----------
    scores : array_like of float, shape (videos, classes)
        −inf where a video has no prediction.
    labels : array_like of bool, shape (videos, classes)
        Which classes each video shows.
    seed : int
        Seed of the draws; with the same seed two systems are judged on the same draws.
    convention : {"activitynet", "sklearn"}
        ``activitynet``: all-point interpolation, what is not predicted is not ranked, see
        :func:`p3d_eval.protocols.metrics.activitynet_average_precision`. ``sklearn``: sum of steps, tied
        videos at one threshold, what is not predicted tied behind all others.
    clusters : array_like, shape (videos,), optional
        Names of what is drawn as a whole, in whose order it is drawn; by default each video, as listed.
    resamples : int
        Number of draws.

    Returns
    -------
    ndarray of float64, shape (resamples, classes)
        NaN where no drawn video shows the class.

    Raises
    ------
    UserError
        When the shapes differ or a score is NaN.
    """
    values, wanted = np.asarray(scores), np.asarray(labels, bool)
    if values.ndim != 2 or values.shape != wanted.shape or not len(values):
        raise UserError(f"scores {values.shape} and labels {wanted.shape} are not two tables of one shape")
    if np.isnan(values).any():
        raise UserError("scores: a value is NaN")
    member = np.arange(len(values))
    if clusters is not None:
        member = np.unique(np.asarray(clusters).astype(str), return_inverse=True)[1].reshape(-1)
    plan = _Plan.of(values, wanted, convention)
    found = [
        plan.precisions(drawn[:, member].T.astype(np.float32))  # integers below 2²⁴: exact
        for drawn in drawn_counts(int(member.max()) + 1, seed, resamples)
    ]
    return np.concatenate(found)


@dataclass(frozen=True)
class _Plan:
    """Segments of all classes' rankings, each ending at a threshold where recall rises.

    Parameters
    ----------
    weight, hits : sparse array, shape (segments, videos)
        Which videos, and which positive ones, are in each segment.
    wanted : sparse array, shape (classes, videos)
        Which videos show each class.
    edges : ndarray of int, shape (classes + 1,)
        First segment of each class.
    interpolated : bool
        Whether precision is made non-increasing.
    """

    weight: sparse.csr_array
    hits: sparse.csr_array
    wanted: sparse.csr_array
    edges: Index
    interpolated: bool

    @classmethod
    def of(cls, scores: NDArray[Any], wanted: NDArray[np.bool_], convention: Convention) -> "_Plan":
        rows, columns, edges = [], [], [0]
        for number in range(scores.shape[1]):
            order, segment = _segments(scores[:, number], wanted[:, number], convention)
            rows.append(segment + edges[-1])
            columns.append(order)
            edges.append(edges[-1] + (int(segment[-1]) + 1 if len(segment) else 0))
        classes = np.repeat(np.arange(len(columns)), [len(column) for column in columns])
        row, column = np.concatenate(rows), np.concatenate(columns)
        positive = wanted[column, classes]
        shape = (edges[-1], len(scores))
        return cls(
            _indicator(row, column, shape),
            _indicator(row[positive], column[positive], shape),
            sparse.csr_array(wanted.T.astype(np.float32)),
            np.array(edges),
            convention == "activitynet",
        )

    def precisions(self, counts: NDArray[np.float32]) -> Array:
        """Average precisions for counts (videos, resamples): shape (resamples, classes)."""
        hits, weight = (np.asarray(part @ counts, np.float64) for part in (self.hits, self.weight))
        positives = np.asarray(self.wanted @ counts, np.float64)
        sums = np.zeros_like(positives)
        for number, (start, stop) in enumerate(zip(self.edges[:-1], self.edges[1:], strict=True)):
            if start < stop:
                own = hits[start:stop]
                ranked = np.cumsum(weight[start:stop], axis=0)
                precision = np.cumsum(own, axis=0) / np.maximum(ranked, 1)
                if self.interpolated:
                    precision = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
                sums[number] = np.einsum("ij,ij->j", own, precision)
        return np.where(positives > 0, sums / np.maximum(positives, 1), np.nan).T


def _segments(scores: NDArray[Any], positive: NDArray[np.bool_], convention: Convention) -> tuple[Index, Index]:
    """Videos in ranked order up to the last threshold, and the segment of each.

    A segment ends at a positive (the copies of a video stand together, and precision is largest after the last
    of them), or where ties are one threshold, at the end of its tie.
    """
    order = np.argsort(scores, kind="stable")[::-1]  # as metrics.activitynet_average_precision ranks
    if convention == "activitynet":
        order = order[scores[order] > -np.inf]
        ends = np.flatnonzero(positive[order])
    else:
        ranked = scores[order]
        last_of_tie = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        ends = np.unique(last_of_tie[np.searchsorted(last_of_tie, np.flatnonzero(positive[order]))])
    if not len(ends):
        return order[:0], order[:0]
    order = order[: ends[-1] + 1]
    return order, np.searchsorted(ends, np.arange(len(order)))


def _indicator(rows: Index, columns: Index, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
