"""Relative duality gaps of linear SVMs with squared hinge loss: proof of how far a fit is from the optimum."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ROWS = 4096  # of one block, so that float32 features are widened piece by piece


def relative_duality_gaps(
    X: NDArray[np.floating], targets: Array, weights: Array, intercepts: Array, C: float
) -> Array:
    """Bound how far one-vs-rest fits are from their optima, in float64.

    The primal problem of each column is ``min P(w, b) = (|w|² + b²)/2 + C Σ ξ²`` with
    ``ξ = max(0, 1 − t (w·x + b))`` (LIBLINEAR penalises the bias: Fan et al., JMLR 9, 2008). For any α ≥ 0
    the dual ``D(α) = Σα − |Σ α t (x, 1)|²/2 − Σα²/(4C)`` is a lower bound. At the optimum α = 2Cξ; away from
    it, α = 2Cξ is scaled by the factor that maximises D along its ray, which gives D = (Σα)²/(4q) with
    ``q = |Σ α t (x, 1)|²/2 + Σα²/(4C)``.

    Parameters
    ----------
    X : ndarray of float, shape (n, D)
        Training samples.
    targets : ndarray of float64, shape (n, problems)
        +1 or −1.
    weights, intercepts : ndarray of float64, shape (problems, D) and (problems,)
        The fits.
    C : float
        Weight of the loss.

    Returns
    -------
    ndarray of float64, shape (problems,)
        (P − max D) / P, never negative; 0 at the optimum.
    """
    slack_sum, slack_squares = np.zeros(len(weights)), np.zeros(len(weights))
    combined, combined_bias = np.zeros(weights.shape), np.zeros(len(weights))
    for start in range(0, len(X), _ROWS):
        block = np.asarray(X[start : start + _ROWS], np.float64)
        signs = targets[start : start + _ROWS]
        slack = np.maximum(0.0, 1.0 - signs * (block @ weights.T + intercepts))
        slack_sum += slack.sum(0)
        slack_squares += np.square(slack).sum(0)
        slack *= signs
        combined += slack.T @ block
        combined_bias += slack.sum(0)
    primal = (np.square(weights).sum(1) + intercepts**2) / 2 + C * slack_squares
    # With α = 2Cξ: Σα = 2C Σξ, |Σ α t x|² = 4C² |Σ ξ t x|², Σα²/(4C) = C Σξ².
    quadratic = 2 * C**2 * (np.square(combined).sum(1) + combined_bias**2) + C * slack_squares
    dual = np.divide((C * slack_sum) ** 2, quadratic, out=np.zeros(len(weights)), where=quadratic > 0)
    return np.maximum(0.0, (primal - dual) / np.where(primal > 0, primal, 1.0))
