"""Huge layers by their inner products: the same samples in at most as many dimensions as there are samples.

Linear SVMs, logistic regression, cosines, class means and principal components depend on samples through inner
products alone. So n samples of D > n values may be replaced by the rows of any Z with Z Zᵀ = X Xᵀ: Cholesky's
factor has at most n columns, and X itself is only ever seen in blocks of columns.
"""

from collections.abc import Iterator

import numpy as np
import scipy.linalg.blas
import scipy.linalg.lapack
import torch
from numpy.typing import NDArray

from p3d_eval.devices import find_device, in_halves
from p3d_eval.errors import UserError, counted
from p3d_eval.features.layer import Layer
from p3d_eval.protocols.normalisation import Normalisation, signed_root

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_BLOCK_VALUES = 1 << 24  # of one block of columns: 128 MiB in float64


def _column_blocks(layer: Layer, rows: Index) -> Iterator[Array]:
    """Yield all columns of some rows of a stored layer in float64, some at a time."""
    width = max(1, _BLOCK_VALUES // len(layer))
    for start in range(0, layer.shape[1], width):
        yield layer.columns(start, min(start + width, layer.shape[1]))[rows].astype(np.float64)


def inner_products(
    layer: Layer, rows: Index, normalise: Normalisation, device: str | torch.device | None = None
) -> Array:
    """Compute the inner products of normalised samples without holding the layer.

    Parameters
    ----------
    layer : Layer
        Stored layer, read once.
    rows : ndarray of int, shape (n,)
        Positions of the samples in the layer.
    normalise : {"none", "l2", "signed-sqrt-l2"}
        ``zscore`` is learned on training samples, and no matter of inner products.
    device : str, torch.device or None
        Where to multiply, in float64.

    Returns
    -------
    ndarray of float64, shape (n, n), in Fortran order
        Filled in the upper triangle only.
    """
    where = find_device(device)
    sums = _OnCpu(len(rows)) if where.type == "cpu" else _OnDevice(len(rows), where)
    for block in _column_blocks(layer, rows):
        sums.add(signed_root(block) if normalise == "signed-sqrt-l2" else block)
    gram = sums.result()
    if normalise != "none":
        lengths = np.sqrt(gram.diagonal())
        factors = 1 / np.where(lengths > 0, lengths, 1.0)
        gram *= factors
        gram *= factors[:, None]
    return gram


class _OnCpu:
    """X Xᵀ by BLAS's symmetric product: half of the multiplications, added in place."""

    def __init__(self, n: int) -> None:
        self._sums = np.zeros((n, n), order="F")

    def add(self, block: Array) -> None:
        self._sums = scipy.linalg.blas.dsyrk(
            1.0, block.T, beta=1.0, c=self._sums, trans=1, overwrite_c=1, lower=0
        )

    def result(self) -> Array:
        return self._sums


class _OnDevice:
    """X Xᵀ on an accelerator, in as many columns at a time as fit."""

    def __init__(self, n: int, device: torch.device) -> None:
        try:
            self._sums = torch.zeros((n, n), dtype=torch.float64, device=device)
        except torch.OutOfMemoryError:
            raise UserError(
                f"out of memory on {device}: the inner products of {counted(n, 'video')}", "Use --device cpu"
            ) from None

    def add(self, block: Array) -> None:
        in_halves(lambda start, stop: self._add(block[:, start:stop]), 0, block.shape[1])

    def _add(self, block: Array) -> None:
        there = torch.from_numpy(np.ascontiguousarray(block)).to(self._sums.device)
        self._sums.addmm_(there, there.T)

    def result(self) -> Array:
        return np.asfortranarray(self._sums.cpu().numpy().T)


def coordinates(gram: Array) -> Array:
    """Factor inner products: Z of shape (n, rank) with Z Zᵀ equal to them.

    Cholesky's method with pivoting (LAPACK's ``dpstrf``) stops where the largest squared length not yet
    explained is n · 2⁻⁵³ times the largest at the start: equal, dependent and zero samples are no trouble.

    Parameters
    ----------
    gram : ndarray of float64, shape (n, n), in Fortran order
        Filled in the upper triangle; overwritten.
    """
    factor, pivots, rank, _ = scipy.linalg.lapack.dpstrf(gram, lower=0, overwrite_a=1)
    found = np.zeros((len(gram), max(1, rank)))
    for column, sample in enumerate(pivots - 1):
        own = min(column + 1, rank)
        found[sample, :own] = factor[:own, column]
    return found
