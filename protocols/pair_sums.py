"""Sums over dimensions behind the similarities of pairs, by torch on any device.

What depends on one descriptor (roots, logarithms) is computed once a descriptor and block, what depends on
two in some passes over gathered rows.
"""

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
Rows = Literal["given", "unit", "all"]
Sums = tuple[Array, Array, Array]  # of pairs; of the first and of the second descriptors themselves

# Columns of the sums of pairs. Rows 1–8 of the table need the first six, rows 9–12 the others.
INNER, ROOTS, HARMONIC, HELLINGER, L1, CHI, MAXIMUM, MINIMUM, L2, DIVERGENCE = range(10)
SUMS = 10
GIVEN = np.arange(SUMS) < MAXIMUM

_CPU_VALUES = 1 << 20  # of a block on the CPU: what is computed from it stays in the cache


class TorchSums:
    """Sums of pairs over blocks of columns; products in the type of the values, sums in float64.

    Parameters
    ----------
    first, second : ndarray of int, shape (n,)
        Rows that make each pair.
    device : torch.device
    """

    def __init__(self, first: NDArray[np.intp], second: NDArray[np.intp], device: torch.device) -> None:
        self._device = device
        self._first, self._second = (torch.from_numpy(np.asarray(rows)).to(device) for rows in (first, second))
        on_cpu = device.type == "cpu"
        videos = 1 + max((int(rows.max()) for rows in (first, second) if len(rows)), default=0)
        self.columns = max(1, _CPU_VALUES // videos) if on_cpu else 1 << 14
        self.elements = 1 << (16 if on_cpu else 26)  # of a whole block's gathered array; 256 MiB on a GPU

    def sum(
        self,
        values: tuple[Any, Any],
        columns: slice,
        factors: tuple[Any, Any],
        scale: float,
        eps: float,
        rows: Rows,
    ) -> Sums:
        """Sum over some columns.

        Parameters
        ----------
        values : tuple of two arrays, shape (videos, D)
            First and second descriptors; tensors may be on the device already. The same object twice is
            prepared once.
        columns : slice
            Start and stop among the D.
        factors : tuple of two arrays of float32 or float64, shape (videos,)
            What each descriptor is multiplied with; their type is that of the computation.
        scale : float
            What ``factors`` hold beyond normalisation: logarithms are made without it.
        eps : float
        rows : {"given", "unit", "all"}
            Which sums are asked for: those of rows 1–8, of rows 9–12, or all. The others are 0.

        Returns
        -------
        tuple of ndarray of float64, shape (n, 10), (videos,) and (videos,)
            Sums of pairs, columns as the constants of this module name them; sums of descriptors.
        """
        x = self._prepare(values[0][:, columns], factors[0], scale, eps, rows)
        same = values[0] is values[1]
        y = x if same else self._prepare(values[1][:, columns], factors[1], scale, eps, rows)
        sums = self._sum_pairs(x, y, rows), _total(x[0]), _total(y[0])
        return sums[0].cpu().numpy(), sums[1].cpu().numpy(), sums[2].cpu().numpy()

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Make a tensor without values on the device."""
        return torch.empty(shape, dtype=dtype, device=self._device)

    def _prepare(self, values: Any, factors: Any, scale: float, eps: float, rows: Rows) -> Tensor:
        """Return x, √x and (for rows 9–12) log(x/scale + eps) of ``x = values · factors``."""
        if not isinstance(values, Tensor):
            values = torch.from_numpy(np.ascontiguousarray(values))
        moved = torch.from_numpy(factors).to(self._device)
        parts = self.empty((2 if rows == "given" else 3, *values.shape), moved.dtype)
        torch.mul(values.to(self._device), moved[:, None], out=parts[0])
        torch.sqrt(parts[0], out=parts[1])
        if rows != "given":
            torch.mul(parts[0], 1 / scale, out=parts[2]).add_(eps).log_()
        return parts

    def _sum_pairs(self, a: Tensor, b: Tensor, rows: Rows) -> Tensor:
        """Sum over the columns of ``a[:, first]`` against ``b[:, second]``, some pairs at a time."""
        width, count = a.shape[2], len(self._first)
        height = max(1, min(count, self.elements // self.columns))  # of half a block, half the memory
        sums = self.empty((count, SUMS), torch.float64).zero_()
        room = [self.empty((len(a) * height * width,), a.dtype) for _ in range(2)]
        spare = self.empty((2 * height * width,), a.dtype)
        for start in range(0, count, height):
            first, second = self._first[start : start + height], self._second[start : start + height]
            shape = (len(a), len(first), width)
            x, y = (values[: len(a) * len(first) * width].reshape(shape) for values in room)
            torch.index_select(a, 1, first, out=x)
            torch.index_select(b, 1, second, out=y)
            work = spare[: 2 * len(first) * width].reshape(2, len(first), width)
            for column, values in _sums_of_rows(x, y, work, rows).items():
                sums[start : start + height, column] = values
        return sums


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, dtype=torch.float64)


def _total(a: Tensor) -> Tensor:
    return a.sum(-1, dtype=torch.float64)


def _sums_of_rows(x: Tensor, y: Tensor, work: Tensor, rows: Rows) -> dict[int, Tensor]:
    """Sum over the columns of gathered rows; ``x`` and ``work`` are overwritten.

    Every term of every sum but the divergence's is at least 0, and none is made from a difference of sums:
    rounding stays relative to each sum.
    """
    sums = {}
    total, other = work
    torch.add(x[0], y[0], out=total)
    total += torch.finfo(x.dtype).tiny  # 0/0 = 0
    if rows != "unit":
        sums[INNER], sums[ROOTS] = _dot(x[:2], y[:2])
        torch.div(y[0], total, out=other)
        sums[HARMONIC] = _dot(x[0], other)
    if rows != "given":
        torch.minimum(x[0], y[0], out=other)
        sums[MINIMUM] = _total(other)
        torch.maximum(x[0], y[0], out=other)
        sums[MAXIMUM] = _total(other.div_(total).sqrt_())
    torch.sub(x, y, out=x)
    if rows != "given":
        sums[L2], sums[DIVERGENCE] = _dot(x[0], x[0]), _dot(x[0], x[2])
    if rows != "unit":
        sums[HELLINGER] = _dot(x[1], x[1])
        torch.abs(x[0], out=other)
        sums[L1] = _total(other)
        torch.div(x[0], total, out=total)
        sums[CHI] = _dot(x[0], total)
    return sums
