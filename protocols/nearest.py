"""Retrieval by cosine: how many queries find their class among the nearest, and average precision.

The measures are those of nearest-neighbour video retrieval (Xu et al., CVPR 2019; Han, Xie and Zisserman,
NeurIPS 2020): test videos query training videos, a query is a hit at k when one of its k nearest is of its
class. Average precision ranks the whole gallery.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.protocols.normalisation import l2_normalise

RANKS = (1, 5, 10, 20, 50)  # R@k of the literature
_CELLS = 1 << 23  # cosines ranked at once: 64 MiB of them and as much again for their order

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Retrieved:
    """What each query found.

    Parameters
    ----------
    ranks : tuple of int
        Numbers k of neighbours.
    hits : ndarray of bool, shape (queries, len(ranks))
        Whether one of the k nearest is of the query's class.
    average_precision : ndarray of float64, shape (queries,)
        Mean of the precision at each gallery video of the query's class; NaN where the gallery has none.
    nearest : ndarray of int, shape (queries,)
        Row of the nearest gallery video; −1 where all of the gallery is of the query's group.
    classes : ndarray, shape (classes,)
        Labels of the gallery, ascending.
    closest : ndarray of float64, shape (queries, classes)
        Cosine of each class's nearest video; −∞ where the query sees none.
    """

    ranks: tuple[int, ...]
    hits: NDArray[np.bool_]
    average_precision: Array
    nearest: NDArray[np.intp]
    classes: NDArray[Any]
    closest: Array


def retrieve(
    queries: Array,
    gallery: Array,
    query_labels: NDArray[Any],
    gallery_labels: NDArray[Any],
    ranks: Sequence[int] = RANKS,
    *,
    query_groups: NDArray[Any] | None = None,
    gallery_groups: NDArray[Any] | None = None,
) -> Retrieved:
    """Rank the gallery by cosine for every query.

    Of equal cosines the gallery's earlier video comes first. A vector of zeros has cosine 0 with everything.

    Parameters
    ----------
    queries, gallery : ndarray of float, shapes (q, D) and (n, D)
    query_labels, gallery_labels : ndarray, shapes (q,) and (n,)
    ranks : sequence of int
        Numbers k of neighbours, positive.
    query_groups, gallery_groups : ndarray, shapes (q,) and (n,), optional
        A query does not see gallery videos of its own group (such as itself).

    Returns
    -------
    Retrieved

    Raises
    ------
    UserError
        When a rank is not positive, or one of the sides is empty.
    """
    if not len(queries) or not len(gallery):
        raise UserError(f"retrieval: {len(queries)} queries and {len(gallery)} gallery videos")
    if not ranks or min(ranks) < 1:
        raise UserError(f"retrieval: ranks {tuple(ranks)} are not all positive")
    ordered = tuple(sorted(set(ranks)))
    near, far = l2_normalise(np.asarray(queries, np.float64)), l2_normalise(np.asarray(gallery, np.float64))
    hits = np.zeros((len(near), len(ordered)), bool)
    precision = np.full(len(near), np.nan)
    nearest = np.full(len(near), -1, np.intp)
    classes, encoded = np.unique(gallery_labels, return_inverse=True)
    by_class = np.argsort(encoded, kind="stable")
    begins = np.searchsorted(encoded[by_class], np.arange(len(classes)))
    closest = np.empty((len(near), len(classes)))
    step = max(1, _CELLS // len(far))
    for start in range(0, len(near), step):
        part = slice(start, start + step)
        cosines = near[part] @ far.T
        seen = np.ones_like(cosines, bool)
        if query_groups is not None and gallery_groups is not None:
            seen = query_groups[part, None] != gallery_groups
            cosines[~seen] = -np.inf
        order = np.argsort(-cosines, axis=1, kind="stable")
        right = gallery_labels[order] == query_labels[part, None]
        right &= np.take_along_axis(seen, order, 1)
        for column, k in enumerate(ordered):
            hits[part, column] = right[:, :k].any(axis=1)
        precision[part] = _average_precision(right)
        nearest[part] = np.where(seen.any(axis=1), order[:, 0], -1)
        closest[part] = np.maximum.reduceat(cosines[:, by_class], begins, axis=1)
    return Retrieved(ordered, hits, precision, nearest, classes, closest)


def _average_precision(right: NDArray[np.bool_]) -> Array:
    """Mean over the relevant ones of the precision down to each; right is (queries, ranked gallery)."""
    found = np.cumsum(right, axis=1)
    sums = np.where(right, found / np.arange(1, right.shape[1] + 1), 0.0).sum(axis=1)
    total = found[:, -1]
    return np.divide(sums, total, out=np.full(len(right), np.nan), where=total > 0)
