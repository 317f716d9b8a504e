"""Sums over dimensions behind the similarities of pairs, in blocks that stay in a core's cache.

What depends on one descriptor (roots, logarithms) is computed once a descriptor and block, what depends on
two in some passes over gathered rows. The formulas are written once, with functions that NumPy and torch
name alike: NumPy runs on the CPU, where its loops are the faster ones, torch everywhere else.
"""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

Rows = Literal["given", "unit", "all"]

# Columns of the sums of pairs. Rows 1–8 of the table need the first six, rows 9–12 the others.
INNER, ROOTS, HARMONIC, HELLINGER, L1, CHI, MAXIMUM, MINIMUM, L2, DIVERGENCE = range(10)
SUMS = 10


class NumpyArrays:
    """The operations that NumPy and torch do not name alike, in NumPy; sums in the type of the values."""

    module: Any = np
    columns = 256  # of a block: three float32 arrays of ASLAN's 3,697 videos are 11 MB, a part of the L3 cache
    elements = 1 << 14  # of a gathered array: 64 KiB in float32, so that all eight stay in the L2 cache

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Make an array without values."""
        return np.empty(shape, dtype)

    def move(self, values: NDArray[Any]) -> Any:
        """Bring values to where they are used."""
        return values

    def take(self, source: Any, rows: Any, out: Any) -> None:
        """Gather ``source[:, rows]``."""
        np.take(source, rows, axis=1, out=out, mode="clip")

    def dot(self, a: Any, b: Any) -> Any:
        """Σ ab over the last axis."""
        return np.matmul(a[..., None, :], b[..., :, None])[..., 0, 0]

    def total(self, a: Any) -> Any:
        """Σ a over the last axis."""
        # A dot product a row: OpenBLAS would share one matrix-vector product among threads of its own.
        return np.matmul(a[..., None, :], np.ones((a.shape[-1], 1), a.dtype))[..., 0, 0]


class TorchArrays:
    """The same operations in torch, on any device; sums in float64."""

    module: Any = torch
    columns = 1 << 14
    elements = 1 << 26  # 256 MiB in float32

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Make a tensor without values on the device."""
        return torch.empty(shape, dtype=dtype, device=self.device)

    def move(self, values: Any) -> Any:
        """Copy values to the device; a tensor may be there already."""
        if not isinstance(values, torch.Tensor):
            values = torch.from_numpy(np.ascontiguousarray(values))
        return values.to(self.device)

    def take(self, source: Any, rows: Any, out: Any) -> None:
        """Gather ``source[:, rows]``."""
        torch.index_select(source, 1, rows, out=out)

    def dot(self, a: Any, b: Any) -> Any:
        """Σ ab over the last axis."""
        return (a * b).sum(-1, dtype=torch.float64)

    def total(self, a: Any) -> Any:
        """Σ a over the last axis."""
        return a.sum(-1, dtype=torch.float64)


Arrays = NumpyArrays | TorchArrays


def prepare(arrays: Arrays, values: Any, factors: Any, scale: float, eps: float, rows: Rows) -> Any:
    """Return x, √x and (for rows 9–12) log(x/scale + eps) of ``x = values · factors``.

    Parameters
    ----------
    arrays : NumpyArrays or TorchArrays
    values : array of float32 or float64, shape (videos, columns)
    factors : array of the same type, shape (videos,)
    scale : float
        What ``factors`` hold beyond normalisation.
    eps : float
    rows : {"given", "unit", "all"}

    Returns
    -------
    array of the same type, shape (2 or 3, videos, columns)
    """
    xp = arrays.module
    parts = arrays.empty((2 if rows == "given" else 3, *values.shape), values.dtype)
    xp.multiply(values, factors[:, None], out=parts[0])
    xp.sqrt(parts[0], out=parts[1])
    if rows != "given":
        logs = parts[2]
        xp.multiply(parts[0], 1 / scale, out=logs)
        logs += eps
        xp.log(logs, out=logs)
    return parts


def pair_sums(arrays: Arrays, a: Any, b: Any, first: Any, second: Any, rows: Rows) -> Any:
    """Sum over the columns of ``a[:, first]`` against ``b[:, second]``, some pairs at a time.

    Parameters
    ----------
    arrays : NumpyArrays or TorchArrays
    a, b : array, shape (2 or 3, videos, columns)
        Of :func:`prepare`.
    first, second : array of int, shape (n,)
    rows : {"given", "unit", "all"}

    Returns
    -------
    array of float64, shape (n, 10)
        Columns as the constants of this module name them; 0 where ``rows`` does not ask for them.
    """
    width = a.shape[2]
    height = max(1, min(len(first), arrays.elements // max(1, width)))
    sums = arrays.empty((len(first), SUMS), arrays.module.float64)
    sums[:] = 0
    room = [arrays.empty((len(a) * height * width,), a.dtype) for _ in range(2)]
    spare = arrays.empty((2 * height * width,), a.dtype)
    for start in range(0, len(first), height):
        part = slice(start, start + height)
        count = len(first[part])
        x, y = (values[: len(a) * count * width].reshape(len(a), count, width) for values in room)
        arrays.take(a, first[part], x)
        arrays.take(b, second[part], y)
        work = spare[: 2 * count * width].reshape(2, count, width)
        for column, values in _sums_of_rows(arrays, x, y, work, rows).items():
            sums[part, column] = values
    return sums


def _sums_of_rows(arrays: Arrays, x: Any, y: Any, work: Any, rows: Rows) -> dict[int, Any]:
    """Sum over the columns of gathered rows; ``x`` and ``work`` are overwritten.

    Every term of every sum is at least 0, and none is made from a difference of sums: rounding stays
    relative to each sum.
    """
    xp, sums = arrays.module, {}
    total, other = work
    xp.add(x[0], y[0], out=total)
    total += float(xp.finfo(x.dtype).tiny)  # 0/0 = 0
    if rows != "unit":
        sums[INNER], sums[ROOTS] = arrays.dot(x[:2], y[:2])
        xp.divide(y[0], total, out=other)
        sums[HARMONIC] = arrays.dot(x[0], other)
    if rows != "given":
        xp.minimum(x[0], y[0], out=other)
        sums[MINIMUM] = arrays.total(other)
        xp.maximum(x[0], y[0], out=other)
        xp.divide(other, total, out=other)
        xp.sqrt(other, out=other)
        sums[MAXIMUM] = arrays.total(other)
    xp.subtract(x, y, out=x)
    if rows != "given":
        sums[L2], sums[DIVERGENCE] = arrays.dot(x[0], x[0]), arrays.dot(x[0], x[2])
    if rows != "unit":
        sums[HELLINGER] = arrays.dot(x[1], x[1])
        xp.abs(x[0], out=other)
        sums[L1] = arrays.total(other)
        xp.divide(x[0], total, out=total)
        sums[CHI] = arrays.dot(x[0], total)
    return sums
