"""The sums of `pair_sums` on the CPU, in one compiled loop: a dozen operations on values that are read once.

NumPy and torch pass over memory for every single operation, which takes three times as long.
"""

import math
import threading
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from p3d_eval.protocols.pair_sums import GIVEN, SUMS, Rows, Sums

Array = NDArray[np.float64]

_TILE = 112  # columns: three float32 arrays of ASLAN's 3,697 videos are 5 MB, a part of the L3 cache
_ROWS = 32  # read one after the other: many requests to memory are then under way at once


def _compile(fastmath: set[str]) -> Callable[[Any], Any]:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}

    def decorate(function: Any) -> Any:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no folder to keep compiled code in: it is compiled by every process
            return numba.njit(**options)(function)

    return decorate


@_compile({"reassoc", "contract", "nsz"})  # sums in any order, which a loop over vectors needs
def _prepare(values: Any, start: int, factors: Any, unscale: Any, eps: Any, parts: Any, totals: Any) -> None:
    """Write x = values · factors, √x and x · unscale + eps, each (videos, columns); add Σ x to ``totals``."""
    count, width = parts.shape[1:]
    # Slices of one axis become vector instructions; elements of three axes do not.
    for first in range(0, count, _ROWS):
        last = min(first + _ROWS, count)
        for row in range(first, last):
            given, kept, factor = values[row, start : start + width], parts[0, row], factors[row]
            for column in range(width):
                kept[column] = given[column] * factor
        for row in range(first, last):
            kept, roots, moved = parts[0, row], parts[1, row], parts[2, row]
            total = eps - eps
            for column in range(width):
                x = kept[column]
                roots[column] = np.sqrt(x)
                moved[column] = x * unscale + eps
                total += x
            totals[row] += total


@_compile(set())  # products in this order: that of two small values would be 0
def _quotients(u: Any, v: Any, difference: Any, tiny: Any) -> Any:
    inverse = tiny / tiny / (u + v + tiny)  # 0/0 = 0; the 1 is of the type of the values
    return u * (v * inverse), difference * (difference * inverse), max(u, v) * inverse


@_compile({"reassoc", "contract", "nsz"})  # sums in any order, which a loop over vectors needs
def _add_pairs(x: Any, y: Any, first: Any, second: Any, tiny: Any, sums: Any) -> None:
    """Add the sums over a tile of ``x[:, first]`` against ``y[:, second]``, both as `_prepare` makes them."""
    for pair in range(len(first)):
        i, j = first[pair], second[pair]
        inner = roots = harmonic = hellinger = manhattan = chi = tiny - tiny
        maximum = minimum = euclid = divergence = tiny - tiny
        us, vs, roots_u, roots_v, logs_u, logs_v = x[0, i], y[0, j], x[1, i], y[1, j], x[2, i], y[2, j]
        for k in range(x.shape[2]):
            u, v, root_u, root_v = us[k], vs[k], roots_u[k], roots_v[k]
            difference, apart = u - v, root_u - root_v
            joint, squared, larger = _quotients(u, v, difference, tiny)
            inner += u * v
            roots += root_u * root_v
            harmonic += joint
            hellinger += apart * apart
            manhattan += abs(difference)
            chi += squared
            maximum += np.sqrt(larger)
            minimum += min(u, v)
            euclid += difference * difference
            divergence += difference * (logs_u[k] - logs_v[k])
        row = sums[pair]
        row[0] += inner
        row[1] += roots
        row[2] += harmonic
        row[3] += hellinger
        row[4] += manhattan
        row[5] += chi
        row[6] += maximum
        row[7] += minimum
        row[8] += euclid
        row[9] += divergence


@_compile({"reassoc", "contract", "nsz"})
def _add_rows(values: Any, zero: Any, squares: Any, below: Any) -> None:
    for row in range(values.shape[0]):
        total, less, own = 0.0, zero, values[row]
        for column in range(len(own)):
            value = own[column]
            total += np.float64(value) * np.float64(value)
            less += abs(value) - value
        squares[row] += total
        below[row] += less


def measure_rows(values: NDArray[np.floating]) -> tuple[Array, Array]:
    """Σ x², accumulated in float64, and Σ (|x| − x) of each row, two arrays of shape (n,)."""
    squares, below = np.zeros(len(values)), np.zeros(len(values))
    _add_rows(np.ascontiguousarray(values), values.dtype.type(0), squares, below)
    return squares, below


class CompiledSums:
    """Sums of pairs over blocks of columns, in the type of the values and over tiles in float64.

    Parameters
    ----------
    first, second : ndarray of int, shape (n,)
        Rows that make each pair.
    """

    columns = 9 * _TILE  # of the block that a thread sums at a time

    def __init__(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> None:
        self._order = np.lexsort((second, first))  # so that a first vector is often still in the cache
        self._first, self._second = first[self._order], second[self._order]
        self._room = threading.local()

    def sum(
        self,
        values: tuple[Any, Any],
        columns: slice,
        factors: tuple[Any, Any],
        scale: float,
        eps: float,
        rows: Rows,
    ) -> Sums:
        """Sum over some columns of ``values``, arrays in C order: see `pair_sums.TorchSums.sum`."""
        sums = np.zeros((len(self._first), SUMS))
        totals = tuple(np.zeros(len(one)) for one in factors)
        sides = range(1 if values[0] is values[1] else 2)
        kind = factors[0].dtype.type
        for start in range(columns.start, columns.stop, _TILE):
            width = min(_TILE, columns.stop - start)
            parts = [self._take_room(side, (3, len(values[side]), width), kind) for side in sides]
            for side in sides:
                numbers = factors[side], kind(1 / scale), kind(eps)
                _prepare(values[side], start, *numbers, parts[side], totals[side])
                if rows != "given":
                    np.log(parts[side][2], out=parts[side][2])
            _add_pairs(parts[0], parts[-1], self._first, self._second, np.finfo(kind).tiny, sums)
        if rows != "all":
            sums[:, GIVEN if rows == "unit" else ~GIVEN] = 0
        found = np.empty_like(sums)
        found[self._order] = sums
        return found, totals[0], totals[sides[-1]]

    def _take_room(self, side: int, shape: tuple[int, ...], kind: type) -> Any:
        """Return an array that this thread keeps from tile to tile."""
        size, room = math.prod(shape), getattr(self._room, str(side), None)
        if room is None or room.size < size or room.dtype != kind:
            room = np.empty(size, kind)
            setattr(self._room, str(side), room)
        return room[:size].reshape(shape)
