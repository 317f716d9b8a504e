"""Videos that are in training and in test under two names: search for almost equal features.

Exact, in blocks. Long features are first compared by a short sketch with orthonormal rows: a projection never
lengthens a difference, so two features that are close have close sketches, and only those pairs are looked
at in full whose sketches are close. None is missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEAR = 0.999
"""Cosine from which two videos are called near copies.

Stored in float32 or float16, a copy differs from its original by 1e-7 at most. Two encodings of one clip
differ by more; two clips of one scene are further apart. 0.999 is an angle of 2.6 degrees.
"""

_SKETCH = 512  # dimensions of a sketch
_TEST_ROWS, _TRAIN_ROWS = 512, 4096  # of a block: 8 MiB of cosines
_ROUNDING = 2e-5  # of a float32 dot product of unit vectors
_MANY = 0.02  # share of pairs above which a block is compared in full at once

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class NearCopies:
    """Test videos with a near copy in training, the closest first.

    Parameters
    ----------
    test, train : ndarray of int, shape (n,)
        Rows; of each test video's near copies the closest.
    cosine : ndarray of float64, shape (n,)
    """

    test: Index
    train: Index
    cosine: Array


def closest(found: Sequence[NearCopies]) -> NearCopies:
    """Take each test video once from several searches among the same rows, with its closest near copy."""
    test, train = (np.concatenate([getattr(one, side) for one in found]) for side in ("test", "train"))
    cosine = np.concatenate([one.cosine for one in found])
    order = np.argsort(-cosine, kind="stable")
    first = order[np.sort(np.unique(test[order], return_index=True)[1])]
    return NearCopies(test[first], train[first], cosine[first])


class CopySearch:
    """Search among the rows of one table of features.

    Parameters
    ----------
    X : ndarray of float, shape (videos, D)
        Features; rows of zeros are like nothing.
    threshold : float
        Least cosine of a near copy.
    """

    def __init__(self, X: NDArray[np.floating], threshold: float = NEAR) -> None:
        self._X, self._threshold = X, threshold
        norms = np.sqrt(_squares(X))
        self._norms = np.where(norms > 0, norms, np.inf)
        self._sketch = self._make_sketch()
        self._half = np.einsum("ij,ij->i", self._sketch, self._sketch) / 2

    def _make_sketch(self) -> NDArray[np.float32]:
        """Sum disjoint sets of dimensions with random signs, and divide by the root of each set's size."""
        width = self._X.shape[1]
        if width <= 2 * _SKETCH:
            parts = [
                self._unit(slice(start, start + _TEST_ROWS)) for start in range(0, len(self._X), _TEST_ROWS)
            ]
            return np.concatenate(parts) if parts else np.empty((0, width), np.float32)
        generator = np.random.default_rng(0)  # any signs do: they decide the time, not the answer
        order, signs = generator.permutation(width), generator.choice([-1.0, 1.0], width)
        edges = np.linspace(0, width, _SKETCH + 1).astype(np.intp)
        roots = np.sqrt(np.diff(edges))
        rows = []
        for start in range(0, len(self._X), _TEST_ROWS):
            part = slice(start, start + _TEST_ROWS)
            values = np.take(self._X[part], order, axis=1) * signs[order]
            sums = np.add.reduceat(values, edges[:-1], axis=1)
            rows.append((sums / roots / self._norms[part, None]).astype(np.float32))
        return np.concatenate(rows)

    def _unit(self, rows: slice | Index) -> NDArray[np.float32]:
        return (self._X[rows] / self._norms[rows, None]).astype(np.float32)

    def find(self, train: Index, test: Index, groups: Index | None = None) -> NearCopies:
        """Find each test video's closest near copy among the training videos.

        Parameters
        ----------
        train, test : ndarray of int
            Rows.
        groups : ndarray of int, shape (videos,), optional
            Rows of one group are not compared; by default a row with itself.
        """
        own = np.arange(len(self._X)) if groups is None else groups
        best = np.full(len(self._X), -np.inf)
        where = np.full(len(self._X), -1, np.intp)
        for first in range(0, len(test), _TEST_ROWS):
            tested = test[first : first + _TEST_ROWS]
            for second in range(0, len(train), _TRAIN_ROWS):
                trained = train[second : second + _TRAIN_ROWS]
                close = self._candidates(tested, trained, own[tested][:, None] != own[trained])
                for row in np.flatnonzero(close.any(axis=1)).tolist():
                    cosine, found = self._closest(tested[row], trained[close[row]])
                    if cosine > best[tested[row]]:
                        best[tested[row]], where[tested[row]] = cosine, found
        near = np.unique(test[best[test] >= self._threshold])
        near = near[np.argsort(-best[near], kind="stable")]
        return NearCopies(near, where[near], best[near])

    def _candidates(self, tested: Index, trained: Index, apart: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Pairs that may be the closest near copies of a test video: all that are, and few others."""
        dots = self._sketch[tested] @ self._sketch[trained].T
        if self._sketch.shape[1] < self._X.shape[1]:
            # |Px − Py|² ≤ |x − y|² = 2 − 2 cos
            least = self._half[tested][:, None] + np.float32(self._threshold - 1 - _ROUNDING)
            close = (dots - self._half[trained] >= least) & apart
            if close.mean() <= _MANY:
                return close
            dots = self._unit(tested) @ self._unit(trained).T
        dots[~apart] = -np.inf
        best = dots.max(axis=1, keepdims=True)
        return (dots >= self._threshold - _ROUNDING) & (dots >= best - 2 * _ROUNDING)

    def _closest(self, row: int, candidates: Index) -> tuple[float, int]:
        """Closest of some rows to one, in float64."""
        cosines = np.empty(len(candidates))
        step = max(1, (1 << 22) // self._X.shape[1])
        for start in range(0, len(candidates), step):
            part = candidates[start : start + step]
            dots = self._X[part].astype(np.float64) @ self._X[row].astype(np.float64)
            cosines[start : start + step] = dots / (self._norms[part] * self._norms[row])
        best = int(cosines.argmax())
        return float(cosines[best]), int(candidates[best])


def _squares(X: NDArray[np.floating]) -> Array:
    """Sum of squares of each row, in float64."""
    found = np.empty(len(X))
    for start in range(0, len(X), _TEST_ROWS):
        block = X[start : start + _TEST_ROWS].astype(np.float64)
        found[start : start + _TEST_ROWS] = np.einsum("ij,ij->i", block, block)
    return found
