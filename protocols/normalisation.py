"""Normalisation of samples (rows) and of dimensions (columns, learned on training samples only)."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RowNormalisation = Literal["l2", "power+l2", "none"]


def l2_normalise(values: Array) -> Array:
    """Divide each row by its L2 norm; a row of zeros stays zero."""
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(norms > 0, norms, 1.0)


def power_normalise(values: Array) -> Array:
    """Signed square root: sign(x) √|x|."""
    return np.sign(values) * np.sqrt(np.abs(values))


def normalise_rows(values: Array, method: RowNormalisation) -> Array:
    """Apply a row normalisation by name."""
    if method == "none":
        return values
    return l2_normalise(power_normalise(values) if method == "power+l2" else values)


def standardise(train: Array, *others: Array) -> tuple[Array, ...]:
    """Give each column zero mean and unit variance on ``train``, and move ``others`` by the same amounts.

    A column that is constant on ``train`` is centred only.
    """
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    # The mean of n equal numbers is off by rounding, which must not be blown up to unit variance.
    constant = deviation <= 1e-12 * np.abs(mean)
    scale = np.where(constant, 1.0, deviation)
    return tuple((values - mean) / scale for values in (train, *others))
