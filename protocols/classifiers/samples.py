"""A training matrix that is read in blocks: products, inner products and rows, on any device."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


class Samples:
    """Rows (x, s): n samples with the constant feature s that carries the penalised bias.

    Parameters
    ----------
    X : Tensor of float, shape (n, D)
        Stays where it is. Blocks move to ``device`` where that is another one.
    scale : float
        The constant s (LIBLINEAR's bias, scikit-learn's ``intercept_scaling``); 0 for no bias.
    dtype : torch.dtype
        Precision of all products; blocks are widened one by one where X is narrower.
    device : torch.device
        Where the products are formed.
    block_bytes : int
        Size of the largest temporary.
    """

    def __init__(
        self, X: torch.Tensor, scale: float, dtype: torch.dtype, device: torch.device, block_bytes: int
    ) -> None:
        self.X, self.scale, self.dtype, self.device = X, scale, dtype, device
        self.block_bytes = block_bytes
        self.itemsize = torch.empty((), dtype=dtype).element_size()
        self.original = X
        self._gram: torch.Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Samples, and features with the constant one."""
        return self.X.shape[0], self.X.shape[1] + 1

    def widened(self, dtype: torch.dtype) -> "Samples":
        """Return the same samples, as they came, with products in another precision."""
        return Samples(self.original, self.scale, dtype, self.device, self.block_bytes)

    def converted(self) -> "Samples":
        """Return the same samples held in the precision of the products, so that none converts them again."""
        held = Samples(
            self.X.to(self.device, self.dtype), self.scale, self.dtype, self.device, self.block_bytes
        )
        held.original = self.original
        return held

    def _here(self, part: torch.Tensor) -> torch.Tensor:
        return part.to(device=self.device, dtype=self.dtype)

    def _row_blocks(self) -> Iterator[tuple[slice, torch.Tensor]]:
        n = len(self.X)
        rows = n
        if self.X.device != self.device or self.X.dtype != self.dtype:
            rows = max(1, self.block_bytes // max(1, self.X.shape[1] * self.itemsize))
        for start in range(0, n, rows):
            part = slice(start, min(n, start + rows))
            yield part, self._here(self.X[part])

    def scores(self, weights: torch.Tensor) -> torch.Tensor:
        """Multiply (X, s) by weights of shape (D + 1, columns): shape (n, columns)."""
        out = torch.empty((len(self.X), weights.shape[1]), dtype=self.dtype, device=self.device)
        for part, block in self._row_blocks():
            _multiply(block, weights[:-1], out[part])
        return out.add_(self.scale * weights[-1])

    def combine(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Multiply the transpose of (X, s) by coefficients (n, columns): shape (D + 1, columns)."""
        out = torch.zeros((self.shape[1], coefficients.shape[1]), dtype=self.dtype, device=self.device)
        for part, block in self._row_blocks():
            out[:-1] += _multiply(block.T, coefficients[part])
        out[-1] = self.scale * coefficients.sum(0)
        return out

    def rows(self, index: torch.Tensor) -> torch.Tensor:
        """Rows (x, s) by number: shape (len(index), D + 1)."""
        block = self._here(self.X[index.to(self.X.device)])
        return torch.cat([block, block.new_full((len(block), 1), self.scale)], 1)

    def gram(self) -> torch.Tensor:
        """All inner products of rows (x, s), shape (n, n); kept for the next call."""
        if self._gram is None:
            columns = self._columns(len(self.X))
            gram = torch.zeros((), dtype=self.dtype, device=self.device)
            for start in range(0, self.X.shape[1], columns):
                product = _inner(self._here(self.X[:, start : start + columns]))
                gram = gram.add_(product) if gram.ndim else product
            gram += self.scale**2
            self._gram = gram
        return self._gram

    @property
    def has_gram(self) -> bool:
        """Whether the inner products are at hand."""
        return self._gram is not None

    def keep_gram(self, gram: torch.Tensor) -> None:
        """Give the inner products where they are known already."""
        self._gram = gram

    def sub_grams(self, index: torch.Tensor) -> torch.Tensor:
        """Inner products among several sets of rows: index (sets, m) gives shape (sets, m, m)."""
        if self._gram is not None:
            return self._gram[index[:, :, None], index[:, None, :]]
        sets, m = index.shape
        out = torch.full((sets, m, m), self.scale**2, dtype=self.dtype, device=self.device)
        columns, at = self._columns(sets * m), index.to(self.X.device)
        for start in range(0, self.X.shape[1], columns):
            block = self._here(self.X[:, start : start + columns][at])
            if block.is_cuda:
                out.baddbmm_(block, block.mT)
            else:
                for one, total in zip(block, out, strict=True):
                    total += _inner(one)
        return out

    def _columns(self, rows: int) -> int:
        if rows == len(self.X) and self.X.device == self.device and self.X.dtype == self.dtype:
            return max(1, self.X.shape[1])
        return max(1, self.block_bytes // max(1, rows * self.itemsize))


def _multiply(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """Multiply matrices; by NumPy's BLAS on the CPU, which is the faster on AMD's."""
    if a.is_cuda:
        return torch.mm(a, b, out=out)
    return torch.from_numpy(np.matmul(a.numpy(), b.numpy(), out=None if out is None else out.numpy()))


def _inner(block: torch.Tensor) -> torch.Tensor:
    """Inner products of rows; NumPy computes only half of such a product."""
    return block @ block.T if block.is_cuda else torch.from_numpy(block.numpy() @ block.numpy().T)


def as_matrix(X: NDArray[np.floating] | torch.Tensor | Any) -> torch.Tensor:
    """View samples as a tensor of float32 or float64 without a copy (other types become float64)."""
    if not isinstance(X, torch.Tensor):
        array = np.asarray(X)
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float64)
        if any(step < 0 for step in array.strides) or not array.dtype.isnative:
            array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writ")
            X = torch.from_numpy(array)
    return X if X.dtype in (torch.float32, torch.float64) else X.to(torch.float64)
