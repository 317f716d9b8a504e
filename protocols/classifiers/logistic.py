"""Multinomial logistic regression along a path of C, with a certificate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

Array = NDArray[np.float64]

_ROUNDS = 6  # each with a tenth of the gradient that the last one was content with
_ITERATIONS = 2000  # of one round
_MEMORY = 20  # pairs of vectors that L-BFGS keeps


@dataclass(frozen=True)
class LogisticFit:
    """One fit.

    Parameters
    ----------
    classes_ : ndarray, shape (classes,)
        Labels in ascending order.
    weights : ndarray of float64, shape (classes, D)
    intercepts : ndarray of float64, shape (classes,)
    C : float
    gradient_norm : float
        L2 norm of the objective's gradient.
    relative_gap : float
        Bound on (f − min f) / min f: the objective is 1-strongly convex, so that f − min f ≤ |∇f|²/2.
    """

    classes_: NDArray[Any]
    weights: Array
    intercepts: Array
    C: float
    gradient_norm: float
    relative_gap: float

    def scores(self, X: Array) -> Array:
        """Logits, shape (n, classes)."""
        return X @ self.weights.T + self.intercepts


def fit_logistic_path(
    X: Array, y: NDArray[Any], values: Sequence[float], tol: float
) -> tuple[LogisticFit, ...]:
    """Fit ``min (|W|² + |b|²)/2 + C Σ −log softmax(W x + b)[y]`` for each C, each from the last one's fit.

    The bias is penalised, as everywhere here; that makes the objective strongly convex, and the norm of its
    gradient a bound on the distance to the optimum.

    Parameters
    ----------
    X : ndarray of float64, shape (n, D)
    y : ndarray, shape (n,)
        Labels of at least two classes.
    values : sequence of float
        Values of C, ascending, so that each fit starts near.
    tol : float
        Largest relative gap wanted; a fit that misses it says so.
    """
    classes, encoded = np.unique(y, return_inverse=True)
    weights = np.zeros((len(classes), X.shape[1] + 1))
    fits = []
    for C in values:
        weights, value, gradient = _minimise(X, encoded, weights, C, tol)
        norm = float(np.linalg.norm(gradient))
        fits.append(
            LogisticFit(classes, weights[:, :-1].copy(), weights[:, -1].copy(), C, norm, _gap(value, norm))
        )
    return tuple(fits)


def _gap(value: float, norm: float) -> float:
    lowest = value - norm**2 / 2
    return norm**2 / 2 / lowest if lowest > 0 else 1.0


def _minimise(
    X: Array, encoded: NDArray[np.intp], start: Array, C: float, tol: float
) -> tuple[Array, float, Array]:
    """Run L-BFGS until the certificate holds, or no round improves it."""
    shape = start.shape

    def objective(flat: Array) -> tuple[float, Array]:
        return _value_and_gradient(X, encoded, flat.reshape(shape), C)

    flat = start.ravel()
    value, gradient = objective(flat)
    for round_number in range(_ROUNDS):
        if _gap(value, float(np.linalg.norm(gradient))) <= tol:
            break
        # The largest entry of a gradient whose norm is just small enough, were all entries equal.
        wanted = np.sqrt(2 * tol * value / flat.size) / 10**round_number
        options = {"maxiter": _ITERATIONS, "maxfun": 2 * _ITERATIONS, "maxcor": _MEMORY, "ftol": 0.0}
        found = minimize(objective, flat, jac=True, method="L-BFGS-B", options=options | {"gtol": wanted})
        flat = found.x
        value, gradient = objective(flat)
    return flat.reshape(shape), value, gradient


def _value_and_gradient(X: Array, encoded: NDArray[np.intp], weights: Array, C: float) -> tuple[float, Array]:
    logits = X @ weights[:, :-1].T + weights[:, -1]
    rows = np.arange(len(X))
    logits -= logsumexp(logits, axis=1, keepdims=True)
    loss = -logits[rows, encoded].sum()
    errors = np.exp(logits, out=logits)
    errors[rows, encoded] -= 1
    gradient = weights.copy()
    gradient[:, :-1] += C * (errors.T @ X)
    gradient[:, -1] += C * errors.sum(axis=0)
    return float(np.square(weights).sum() / 2 + C * loss), gradient.ravel()
