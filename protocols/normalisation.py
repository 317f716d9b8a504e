"""Normalisation of samples (rows) and of dimensions (columns, learned on training samples only).

The order is fixed: signed square root of each value, L2 norm of each sample, then standardisation of each
dimension. A name says which of the steps are done: ``none`` no one, ``l2`` the second, ``signed-sqrt-l2`` the
first and the second, ``zscore`` the third.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Normalisation = Literal["none", "l2", "signed-sqrt-l2", "zscore"]

SPOKEN: dict[Normalisation, str] = {
    "none": "as stored",
    "l2": "L2-normalised",
    "signed-sqrt-l2": "signed square root, then L2",
    "zscore": "each dimension standardised on the training videos",
}


def l2_normalise(values: Array) -> Array:
    """Divide each row by its L2 norm; a row of zeros stays zero."""
    norms = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(norms > 0, norms, 1.0)


def signed_root(values: Array) -> Array:
    """Signed square root: sign(x) √|x|."""
    return np.sign(values) * np.sqrt(np.abs(values))


def normalise_rows(values: Array, method: Normalisation) -> Array:
    """Do the part of a normalisation that needs no training samples (nothing for ``zscore``)."""
    if method in ("none", "zscore"):
        return values
    return l2_normalise(signed_root(values) if method == "signed-sqrt-l2" else values)


@dataclass(frozen=True)
class Standardiser:
    """Mean and unit of each dimension.

    Parameters
    ----------
    mean, unit : ndarray of float64, shape (D,)
    """

    mean: Array
    unit: Array

    @classmethod
    def learn(cls, train: Array) -> Self:
        """Take mean and standard deviation of each column; a constant column is centred only."""
        mean, deviation = train.mean(axis=0), train.std(axis=0)
        # The mean of n equal numbers is off by rounding, which must not be blown up to unit variance.
        constant = deviation <= 1e-12 * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, deviation))

    def apply(self, values: Array) -> Array:
        """Give each column zero mean and unit variance on what was learned from."""
        return (values - self.mean) / self.unit


def standardise(train: Array, *others: Array) -> tuple[Array, ...]:
    """Give each column zero mean and unit variance on ``train``, and move ``others`` by the same amounts."""
    learned = Standardiser.learn(train)
    return tuple(learned.apply(values) for values in (train, *others))
