"""The twelve (dis)similarities of two descriptors: Kliper-Gross, Hassner and Wolf, TPAMI 34(3) 2012, Table 3.

Rows 1–8 take the descriptors as given, rows 9–12 after dividing each by its L2 norm. The table's note says
that "the last four rows" were normalised without naming the norm; that rows 5 and 9 reach the same AUC in
all its columns fits the L2 norm only.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from p3d_eval.devices import find_device, in_halves
from p3d_eval.errors import UserError
from p3d_eval.protocols import pair_sums as sums_of
from p3d_eval.protocols.pair_sums import Rows, Sums, TorchSums

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
FIRST_UNIT_ROW = 8  # rows 9–12 take L2-normalised descriptors
DEFAULT_EPS = 1e-10

_WIDENED = 1 << 24  # values of all pairs widened to float64 at a time: 128 MiB
_CHECKED = 1 << 16  # values checked or widened at once
# In float32, L2-normalised values are kept 2⁴⁰ times as large: the smallest stored one, 1.4e-45, then has
# all its digits, and squares stay below 1e25. Powers of two change no digit.
_FLOAT32_SCALE = 2.0**40
_SINGLE = (np.float32, torch.float32)
# To which power of a common factor of the descriptors each sum rises, in the order of `pair_sums`. A factor
# leaves no trace in the logarithms of the divergence, which are made without it.
_DEGREES = np.array([2, 1, 1, 1, 1, 1, 0, 1, 2, 1])
_COMPILED_FROM = 1 << 24  # values: less takes torch a tenth of a second, loading what is compiled a third


def pair_similarities(
    a: ArrayLike, b: ArrayLike, eps: float = DEFAULT_EPS, *, device: str | None = None
) -> Array:
    """Compute the twelve (dis)similarities of every pair, in Table 3's order, in float64.

    Parameters
    ----------
    a, b : array_like, shape (n, D)
        Descriptors of the first and the second sample of each pair: finite and not negative.
    eps : float
        Row 10 uses log((x + eps) / (y + eps)), so that y = 0 < x stays finite.
    device : str or None
        ``"cpu"`` (the default), ``"cuda"``, or ``"auto"``.

    Returns
    -------
    ndarray of float64, shape (n, 12)
        1 Σxy; 2 √Σxy; 3 √Σ√x√y; 4 √Σ xy/(x+y); 5 cosine; 6 √Σ (x−y)²/(x+y); 7 Σ|x−y|; 8 √Σ(√x−√y)²; and on
        L2-normalised descriptors 9 √Σ(x−y)²; 10 (Σ x log(x/y) + Σ y log(y/x)) / 2; 11 Σ √max(x,y)/√(x+y);
        12 Σ min(x,y) / (Σx Σy). 0/0 is 0, and x log x is 0 at 0.

    Raises
    ------
    UserError
        When the shapes differ, a value is negative, infinite or not a number, ``eps`` is not positive, or the
        device is not there.
    """
    first, second = np.asarray(a), np.asarray(b)
    if first.ndim != 2 or first.shape != second.shape:
        raise UserError(f"pairs need two arrays of one shape (n, D), got {first.shape} and {second.shape}")
    for name, values in (("a", first), ("b", second)):
        _check(name, values)
    rows = np.arange(len(first))
    norms = l2_norms(first), l2_norms(second)
    sums = PairSums(rows, rows, *norms, eps, device=device, dimensions=first.shape[1])
    columns = max(1, _WIDENED // max(1, len(first)))
    for start in range(0, first.shape[1], columns):
        part = (slice(None), slice(start, start + columns))
        sums.add(first[part].astype(np.float64), second[part].astype(np.float64))
    return sums.result()


def l2_norms(values: NDArray[np.generic], work: int = 0) -> Array:
    """L2 norm of each row, accumulated in float64 (shape (n, D) → (n,)).

    ``work`` is the number of values of all calls, where there are more: much is summed in a compiled loop.
    """
    return measure_rows(values, work)[0]


def measure_rows(values: NDArray[np.generic], work: int = 0) -> tuple[Array, NDArray[np.bool_]]:
    """L2 norm of each row as :func:`l2_norms`, and whether the row holds a negative value."""
    loops = load_loops(max(work, values.size)) if values.dtype in (np.float32, np.float64) else None
    if loops is not None:
        squares, below = loops.measure_rows(values)
        return np.sqrt(squares), below > 0
    step = max(1, _CHECKED // max(1, values.shape[1]))
    norms, negative = np.empty(len(values)), np.empty(len(values), bool)
    for start in range(0, len(values), step):
        part = slice(start, start + step)
        block = np.asarray(values[part], np.float64)
        norms[part] = np.sqrt(np.einsum("ij,ij->i", block, block))
        negative[part] = block.min(axis=1, initial=0.0) < 0
    return norms, negative


def load_loops(work: int) -> ModuleType | None:
    """Return the compiled loops where it is worth loading them, for ``work`` values or more."""
    if work < _COMPILED_FROM:
        return None
    try:
        return import_module("p3d_eval.protocols.pair_loops")
    except ImportError:  # numba refuses versions of NumPy that it does not know
        return None


def require_eps(eps: float) -> None:
    """Check what is added inside the logarithms of row 10: a positive finite number.

    Raises
    ------
    UserError
    """
    if not 0 < eps < np.inf:
        raise UserError(
            f"eps: {eps} is not finite" if eps > 0 else f"eps: {eps} is not positive",
            "Row 10 takes a logarithm of a quotient with zeros",
        )


class PairSums:
    """Accumulates the sums behind the twelve values over blocks of dimensions, so that D may be any size.

    Values of float64 are computed with in float64. Values of float32 are computed with in float32 over blocks
    of at most 256 dimensions, whose sums are accumulated in float64. All terms are at least 0, so that a sum
    is off by at most (256 + 8)·2⁻²⁴ = 1.6e-5 of itself whatever the order of the additions, and by about 1e-7
    as measured; row 10, whose terms hold a difference of logarithms, by at most 4e-6 Σ|x − y| more. Dividing
    by the norm rounds each value by up to ε = 2⁻²³ of itself, which distances of near descriptors show: with
    s = Σ(x + y), ε√s in row 6, εs in row 7, ε√2s in row 8, 2ε in row 9.

    Parameters
    ----------
    first, second : ndarray of int, shape (n,)
        Rows of the descriptors that make each pair.
    first_norms, second_norms : ndarray of float64
        L2 norm over all dimensions of each descriptor that ``first`` and ``second`` point to.
    eps : float
        See :func:`pair_similarities`.
    given : {"none", "l2"}
        Whether rows 1–8 take the descriptors as they are, or divided by their norms as rows 9–12 do.
    device : str or None
        Where to compute.
    dimensions : int
        How many will be added in all, where that is known: for much work a compiled loop is loaded.
    """

    def __init__(
        self,
        first: NDArray[np.intp],
        second: NDArray[np.intp],
        first_norms: Array,
        second_norms: Array,
        eps: float = DEFAULT_EPS,
        *,
        given: Literal["none", "l2"] = "none",
        device: str | None = None,
        dimensions: int = 0,
    ) -> None:
        require_eps(eps)
        self._device = find_device(device)
        self._pairs = first, second
        self._norms = _nonzero(first_norms), _nonzero(second_norms)
        self._eps, self._given = eps, given
        self._sums = np.zeros((len(first), sums_of.SUMS))
        self._totals = np.zeros(len(first_norms)), np.zeros(len(second_norms))
        self._work = len(first) * dimensions
        self._torch: TorchSums | None = None
        self._compiled: Any = None

    def add(self, a: NDArray[np.floating], b: NDArray[np.floating] | None = None) -> None:
        """Add some of the dimensions: ``a[first]`` against ``b[second]`` (``a`` again where ``b`` is None).

        Both hold values that are finite and not negative, of float32 or float64.
        """
        width = a.shape[1]
        compiled = self._find_compiled(width)
        columns = compiled.columns if compiled else self._find_torch().columns
        blocks = list(pairwise([*range(0, width, columns), width]))
        if not compiled:
            engine = self._find_torch()
            for block in blocks:
                for found in in_halves(lambda start, stop: self._block(engine, a, b, start, stop), *block):
                    self._add(found)
            return
        a, b = np.ascontiguousarray(a), None if b is None else np.ascontiguousarray(b)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for found in pool.map(lambda block: self._block(compiled, a, b, *block), blocks):
                self._add(found)  # in order, so that the number of threads changes no bit

    def _find_torch(self) -> TorchSums:
        if self._torch is None:
            self._torch = TorchSums(*self._pairs, self._device)
        return self._torch

    def _find_compiled(self, width: int) -> Any:
        """Return the compiled loop where it is worth loading: for much work on the CPU."""
        if self._compiled is None and self._device.type == "cpu":
            loops = load_loops(max(self._work, len(self._pairs[0]) * width))
            self._compiled = None if loops is None else loops.CompiledSums(*self._pairs)
        return self._compiled

    def _add(self, found: Sums) -> None:
        for own, more in zip((self._sums, *self._totals), found, strict=True):
            own += more

    def _block(
        self,
        engine: Any,
        a: NDArray[np.floating],
        b: NDArray[np.floating] | None,
        start: int,
        stop: int,
    ) -> Sums:
        """Sum columns ``start`` to ``stop``: of pairs, and of the L2-normalised descriptors themselves."""
        columns, values = slice(start, stop), (a, a if b is None else b)
        sums = np.zeros_like(self._sums)
        passes: tuple[Rows, ...] = ("all",) if self._given == "l2" else ("given", "unit")
        kind = np.float32 if a.dtype in _SINGLE else np.float64
        for rows in passes:
            scale = _FLOAT32_SCALE if kind is np.float32 and rows != "given" else 1.0
            factors = [
                np.ones(len(norms), kind) if rows == "given" else (scale / norms).astype(kind)
                for norms in self._norms
            ]
            found, *totals = engine.sum(values, columns, tuple(factors), scale, self._eps, rows)
            sums += found / scale**_DEGREES
        return sums, totals[0] / scale, totals[1] / scale

    def result(self) -> Array:
        """Return the twelve values of every pair, shape (n, 12)."""
        sums = self._sums.T
        first, second = self._pairs
        inner = sums[sums_of.INNER]
        lengths = self._norms[0][first] * self._norms[1][second] if self._given == "none" else 1.0
        columns = (
            inner,
            np.sqrt(inner),
            np.sqrt(sums[sums_of.ROOTS]),
            np.sqrt(sums[sums_of.HARMONIC]),
            inner / lengths,
            np.sqrt(sums[sums_of.CHI]),
            sums[sums_of.L1],
            np.sqrt(sums[sums_of.HELLINGER]),
            np.sqrt(sums[sums_of.L2]),
            sums[sums_of.DIVERGENCE] / 2,
            sums[sums_of.MAXIMUM],
            sums[sums_of.MINIMUM] / _nonzero(self._totals[0][first] * self._totals[1][second]),
        )
        return np.stack(columns, axis=1)


def _nonzero(values: Array) -> Array:
    """Replace zeros by ones: a denominator that makes 0/0 = 0."""
    return values + (values == 0)


def _check(name: str, values: NDArray[np.generic]) -> None:
    """Refuse what has no root or logarithm, naming the value and where it stands."""
    step = max(1, _CHECKED // max(1, values.shape[1]))
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
