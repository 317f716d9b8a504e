"""Principal components of training samples: exact, in float64, every dimension from one decomposition."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

from p3d_eval.devices import find_device, in_halves
from p3d_eval.errors import UserError, counted
from p3d_eval.features.layer import Layer

Array = NDArray[np.float64]
Samples = NDArray[np.floating] | Layer
PcaSolver = Literal["exact", "randomised"]

_BLOCK_VALUES = 1 << 24  # of one centred block: 128 MiB in float64
_RANDOM_PASSES = 7  # power iterations of the randomised solver


@dataclass(frozen=True)
class PrincipalComponents:
    """Centred principal components, ordered by variance.

    Parameters
    ----------
    mean : ndarray of float64, shape (D,)
        Mean of the training samples.
    components : ndarray of float64, shape (k, D)
        Orthonormal directions; the value of largest size in each is positive.
    variances : ndarray of float64, shape (k,)
        Variance along each (over n − 1), never increasing.
    """

    mean: Array
    components: Array
    variances: Array

    def transform(self, X: Samples, dimensions: int | None = None) -> Array:
        """Project samples: shape (n, dimensions), nothing whitened; all k dimensions by default."""
        directions = self.components[:dimensions]
        projected = np.empty((len(X), len(directions)))
        rows = max(1, _BLOCK_VALUES // X.shape[1])
        for start in range(0, len(X), rows):
            projected[start : start + rows] = (X[start : start + rows] - self.mean) @ directions.T
        return projected


def fit_pca(
    X: Samples,
    dimensions: int,
    *,
    solver: PcaSolver = "exact",
    seed: int = 0,
    device: str | None = None,
) -> PrincipalComponents:
    """Find the first principal components of training samples.

    The components of fewer dimensions are the first of these: one fit serves a whole sweep. Where there are
    at least as many samples as values the covariance is decomposed, else the samples' Gram matrix; both are
    summed in blocks, so that beside ``X`` nothing larger than the smaller of the two is kept.

    Parameters
    ----------
    X : ndarray of float, or stored layer, shape (n, D)
        Training samples only. A layer is read in blocks of columns or rows and never held (exact solver).
    dimensions : int
        Number of components.
    solver : {"exact", "randomised"}
        Decompose exactly, or by random projections (Halko, Martinsson and Tropp, SIAM Review 53(2), 2011).
    seed : int
        Of the random projections.
    device : str, optional
        Where to decompose exactly; the CPU by default.

    Returns
    -------
    PrincipalComponents

    Raises
    ------
    UserError
        When the centred samples have fewer dimensions, a value is not finite, or the device is not there or
        its memory too small.
    """
    where = find_device(device)
    n, width = X.shape
    require_dimensions(dimensions, min(n - 1, width), n, width)
    mean = _mean(X)
    try:
        if solver == "randomised":
            values, components = _randomised(X[:] - mean, dimensions, seed)
        elif width <= n:
            values, vectors = _largest(_covariance(X, mean, where), dimensions)
            components = vectors.T
        else:
            values, vectors = _largest(_gram(X, mean, where), dimensions)
            components = _spread(X, mean, vectors)
    except torch.OutOfMemoryError:
        side = min(n, width)
        raise UserError(
            f"out of memory on {where}: principal components from a matrix of {side} × {side}",
            "Use --device cpu",
        ) from None
    require_dimensions(dimensions, _rank(values, mean, n), n, width)
    components /= np.linalg.norm(components, axis=1, keepdims=True)
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return PrincipalComponents(mean, components * np.sign(largest), values / (n - 1))


def require_dimensions(asked: int, available: int, n: int, width: int) -> None:
    """Refuse a number of dimensions that centred samples do not have.

    Raises
    ------
    UserError
        When ``asked`` is less than 1 or more than ``available``.
    """
    if asked < 1:
        raise UserError(f"pca: {asked} dimensions", "Ask for at least 1")
    if asked > available:
        raise UserError(
            f"pca: {counted(asked, 'dimension')} asked, but the {counted(n, 'training sample')} of "
            f"{counted(width, 'value')} span{'s' if n == 1 else ''} {available}",
            f"Ask for at most {available}, for example --pca {available}"
            if available
            else "They are all equal",
        )


def _rank(values: Array, mean: Array, n: int) -> int:
    """Count the eigenvalues that are more than rounding, of the decomposition or of the mean."""
    eps = np.finfo(np.float64).eps
    rounding = max(n, len(mean)) * eps * values[0]
    centring = n * len(mean) * (n * eps * np.abs(mean).max()) ** 2  # a sum of n is off by n roundings at most
    return int((values > max(rounding, centring)).sum())


def _mean(X: Samples) -> Array:
    """Mean of each column in float64, shape (D,)."""
    columns = max(1, _BLOCK_VALUES // len(X))
    starts = range(0, X.shape[1], columns)
    with np.errstate(invalid="ignore", over="ignore"):  # told by the result
        parts = [X[:, start : start + columns].mean(axis=0, dtype=np.float64) for start in starts]
    mean = np.concatenate(parts)
    if not np.isfinite(mean).all():
        raise UserError("pca: the training samples hold NaN, infinite or too large values")
    return mean


def _covariance(X: Samples, mean: Array, device: torch.device) -> torch.Tensor:
    """Sum the outer products of centred rows, block by block: shape (D, D)."""
    total = torch.zeros((X.shape[1], X.shape[1]), dtype=torch.float64, device=device)
    rows = max(1, _BLOCK_VALUES // X.shape[1])
    for start in range(0, len(X), rows):
        _add_inner(total, (X[start : start + rows] - mean).T)
    return total


def _gram(X: Samples, mean: Array, device: torch.device) -> torch.Tensor:
    """Sum the inner products of centred rows over blocks of columns: shape (n, n)."""
    total = torch.zeros((len(X), len(X)), dtype=torch.float64, device=device)
    columns = max(1, _BLOCK_VALUES // len(X))
    for start in range(0, X.shape[1], columns):
        part = slice(start, start + columns)
        _add_inner(total, X[:, part] - mean[part])
    return total


def _add_inner(total: torch.Tensor, block: Array) -> None:
    def add(start: int, stop: int) -> None:
        total.add_(_inner(block[:, start:stop], total.device))

    in_halves(add, 0, block.shape[1])


def _inner(block: Array, device: torch.device) -> torch.Tensor:
    """Inner products of a block's rows; NumPy computes only half of such a product on the CPU."""
    if device.type == "cpu":
        return torch.from_numpy(block @ block.T)
    there = torch.from_numpy(np.ascontiguousarray(block)).to(device)
    return there @ there.T


def _largest(matrix: torch.Tensor, count: int) -> tuple[Array, Array]:
    """Largest eigenvalues, descending, and their eigenvectors as columns."""
    size = len(matrix)
    if matrix.device.type == "cpu":
        values, vectors = scipy.linalg.eigh(
            matrix.numpy(), subset_by_index=[size - count, size - 1], overwrite_a=True, check_finite=False
        )
    else:
        found = torch.linalg.eigh(matrix)
        values, vectors = found[0][-count:].cpu().numpy(), found[1][:, -count:].cpu().numpy()
    return values[::-1].clip(0), vectors[:, ::-1]


def _spread(X: Samples, mean: Array, vectors: Array) -> Array:
    """Turn the Gram matrix's eigenvectors into directions of the samples' space, unnormalised: (k, D)."""
    directions = np.empty((vectors.shape[1], X.shape[1]))
    columns = max(1, _BLOCK_VALUES // len(X))
    for start in range(0, X.shape[1], columns):
        part = slice(start, start + columns)
        directions[:, part] = vectors.T @ (X[:, part] - mean[part])
    return directions


def _randomised(centred: Array, count: int, seed: int) -> tuple[Array, Array]:
    _, singular, components = randomized_svd(centred, count, n_iter=_RANDOM_PASSES, random_state=seed)
    return singular**2, components
