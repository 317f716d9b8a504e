"""The twelve (dis)similarities of two descriptors: Kliper-Gross, Hassner and Wolf, TPAMI 34(3) 2012, Table 3.

Rows 1–8 take the descriptors as given, rows 9–12 after dividing each by its L2 norm. The table's note says
that "the last four rows" were normalised without naming the norm; that rows 5 and 9 reach the same AUC in
all its columns fits the L2 norm only.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike, NDArray

from p3d_eval.errors import UserError

Array = NDArray[np.float64]

SIMILARITIES = (
    "inner product",
    "root inner product",
    "root Bhattacharyya",
    "root harmonic",
    "cosine",
    "root chi-square",
    "L1",
    "Hellinger",
    "L2, normalised",
    "symmetric KL, normalised",
    "root maximum, normalised",
    "minimum, normalised",
)
DEFAULT_EPS = 1e-10

_SUMS = 14  # columns of `partial_sums`
_ELEMENTS = 1 << 15  # of one temporary: 256 KiB in float64, which stays in a core's cache
_COLUMNS = 1 << 12  # of one temporary, so that it still holds several pairs


def pair_similarities(a: ArrayLike, b: ArrayLike, eps: float = DEFAULT_EPS) -> Array:
    """Compute the twelve (dis)similarities of every pair, in Table 3's order.

    Parameters
    ----------
    a, b : array_like, shape (n, D)
        Descriptors of the first and the second sample of each pair: finite and not negative.
    eps : float
        Row 10 uses log((x + eps) / (y + eps)), so that y = 0 < x stays finite.

    Returns
    -------
    ndarray of float64, shape (n, 12)
        1 Σxy; 2 √Σxy; 3 √Σ√x√y; 4 √Σ xy/(x+y); 5 cosine; 6 √Σ (x−y)²/(x+y); 7 Σ|x−y|; 8 √Σ(√x−√y)²; and on
        L2-normalised descriptors 9 √Σ(x−y)²; 10 (Σ x log(x/y) + Σ y log(y/x)) / 2; 11 Σ √max(x,y)/√(x+y);
        12 Σ min(x,y) / (Σx Σy). 0/0 is 0, and x log x is 0 at 0.

    Raises
    ------
    UserError
        When the shapes differ, a value is negative, infinite or not a number, or ``eps`` is not positive.
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.ndim != 2 or first.shape != second.shape:
        raise UserError(f"pairs need two arrays of one shape (n, D), got {first.shape} and {second.shape}")
    for name, values in (("a", first), ("b", second)):
        _check(name, values)
    rows = np.arange(len(first))
    norms = (l2_norms(first), l2_norms(second))
    sums = PairSums(rows, rows, norms[0], norms[1], eps)
    sums.add(first, second)
    return sums.result()


def l2_norms(values: NDArray[np.generic]) -> Array:
    """L2 norm of each row, accumulated in float64 (shape (n, D) → (n,))."""
    step = max(1, _ELEMENTS // max(1, values.shape[1]))
    norms = np.empty(len(values))
    for start in range(0, len(values), step):
        block = np.asarray(values[start : start + step], np.float64)
        norms[start : start + step] = np.sqrt(_dot(block, block))
    return norms


class PairSums:
    """Accumulates the sums behind the twelve values over blocks of dimensions, so that D may be any size.

    Parameters
    ----------
    first, second : ndarray of int, shape (n,)
        Rows of the descriptors that make each pair.
    first_norms, second_norms : ndarray of float64
        L2 norm over all dimensions of each descriptor that ``first`` and ``second`` point to.
    eps : float
        See :func:`pair_similarities`.
    """

    def __init__(
        self,
        first: NDArray[np.intp],
        second: NDArray[np.intp],
        first_norms: Array,
        second_norms: Array,
        eps: float = DEFAULT_EPS,
    ) -> None:
        if not eps > 0:
            raise UserError(f"eps: {eps} is not positive", "Row 10 takes a logarithm of a quotient with zeros")
        self._first, self._second = first, second
        self._norms = _nonzero(first_norms)[first], _nonzero(second_norms)[second]
        self._eps = eps
        self._sums = np.zeros((len(first), _SUMS))

    def add(self, a: NDArray[np.generic], b: NDArray[np.generic]) -> None:
        """Add some of the dimensions, the same of both: ``a[first]`` against ``b[second]``, not negative."""
        width = min(_COLUMNS, max(1, a.shape[1]))
        height = max(1, _ELEMENTS // width)
        starts = range(0, len(self._first), height)
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # numpy's loops release the interpreter lock
            for _ in pool.map(lambda start: self._add_rows(slice(start, start + height), a, b, width), starts):
                pass

    def _add_rows(self, rows: slice, a: NDArray[np.generic], b: NDArray[np.generic], width: int) -> None:
        x_rows, y_rows = self._first[rows], self._second[rows]
        x_norm, y_norm = (norms[rows][:, None] for norms in self._norms)
        for start in range(0, a.shape[1], width):
            x = np.asarray(a[x_rows, start : start + width], np.float64)
            y = np.asarray(b[y_rows, start : start + width], np.float64)
            self._sums[rows, :8] += _sums_as_given(x, y)
            self._sums[rows, 8:] += _sums_normalised(x / x_norm, y / y_norm, self._eps)

    def result(self) -> Array:
        """Return the twelve values of every pair, shape (n, 12)."""
        inner, bhattacharyya, harmonic, xx, yy, chi, l1, hellinger, l2, kl, maximum, minimum, x, y = (
            self._sums.T
        )
        columns: Iterable[Array] = (
            inner,
            np.sqrt(inner),
            np.sqrt(bhattacharyya),
            np.sqrt(harmonic),
            inner / _nonzero(np.sqrt(xx) * np.sqrt(yy)),
            np.sqrt(chi),
            l1,
            np.sqrt(hellinger),
            np.sqrt(l2),
            kl / 2,
            maximum,
            minimum / _nonzero(x * y),
        )
        return np.stack(list(columns), axis=1)


def _sums_as_given(x: Array, y: Array) -> Array:
    """Return the sums of rows 1–8 over the given dimensions, shape (n, 8)."""
    product, total, difference = x * y, _nonzero(x + y), x - y
    root_x, root_y = np.sqrt(x), np.sqrt(y)
    return np.stack(
        [
            product.sum(1),
            _dot(root_x, root_y),
            (product / total).sum(1),
            _dot(x, x),
            _dot(y, y),
            (difference * (difference / total)).sum(1),
            np.abs(difference).sum(1),
            np.square(root_x - root_y).sum(1),
        ],
        axis=1,
    )


def _sums_normalised(x: Array, y: Array, eps: float) -> Array:
    """Return the sums of rows 9–12 over the given dimensions of L2-normalised descriptors, shape (n, 6)."""
    difference = x - y
    # Σ x log(x/y) + Σ y log(y/x) = Σ (x − y) log(x/y); with eps inside, x = 0 adds y's term only.
    divergence = _dot(difference, np.log(x + eps) - np.log(y + eps))
    maximum = np.sqrt(np.maximum(x, y) / _nonzero(x + y)).sum(1)
    minimum = np.minimum(x, y).sum(1)
    return np.stack([_dot(difference, difference), divergence, maximum, minimum, x.sum(1), y.sum(1)], axis=1)


def _dot(x: Array, y: Array) -> Array:
    return np.einsum("ij,ij->i", x, y)


def _nonzero(values: Array) -> Array:
    """Replace zeros by ones: a denominator that makes 0/0 = 0."""
    return values + (values == 0)


def _check(name: str, values: NDArray[np.generic]) -> None:
    """Refuse what has no root or logarithm, naming the value and where it stands."""
    step = max(1, _ELEMENTS // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        block = np.asarray(values[start : start + step], np.float64)
        wrong = ~(np.isfinite(block) & (block >= 0))
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise UserError(
                f"{name}[{start + row}, {column}] is {block[row, column]:.6g}: "
                "the similarities take roots and logarithms of values that are finite and not negative",
                "For a layer with negative values use --negatives split ([x⁺, x⁻], nothing is lost)",
            )
