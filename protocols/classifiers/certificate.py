"""Relative duality gaps of linear SVMs with squared hinge loss: proof of how far a fit is from the optimum."""

import numpy as np
import torch
from numpy.typing import NDArray

from p3d_eval.protocols.classifiers.samples import Samples, as_matrix

Array = NDArray[np.float64]

_BLOCK_BYTES = 64 << 20  # of one block of rows in float64, so that float32 features are widened piece by piece


def duality_gaps(
    samples: Samples, signs: torch.Tensor, cost: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Bound how far fits are from their optima, in float64.

    The primal problem of each column is ``min P(w) = |w|²/2 + Σ c ξ²`` with ``ξ = max(0, 1 − t w·x)``, the bias
    being the weight of a constant feature (LIBLINEAR penalises it: Fan et al., JMLR 9, 2008). For any α ≥ 0 the
    dual ``D(α) = Σα − |Σ α t x|²/2 − Σ α²/(4c)`` is a lower bound. At the optimum α = 2cξ; away from it,
    α = 2cξ is scaled by the factor that maximises D along its ray:
    D = (Σα)²/(4q), ``q = |Σ α t x|²/2 + Σ α²/(4c)``.

    P is strongly convex with modulus 1, so that |w − w*|² ≤ 2 (P − P*) ≤ 2 · gap · P, and a score of a sample x
    is within ``|x| √(2 · gap · P)`` of the optimum's (x with the constant feature).

    Parameters
    ----------
    samples : Samples
        Training samples; its products are formed in float64.
    signs : Tensor, shape (n, k)
        +1, −1, or 0 for a sample that the problem leaves out.
    cost : Tensor of float64, shape (n, k) or (1, k)
        Weight c of each squared slack.
    weights : Tensor of float64, shape (D + 1, k)
        The fits.

    Returns
    -------
    Tensor of float64, shape (k,)
        (P − max D) / P, never negative; 0 at the optimum.
    """
    wide = samples.widened(torch.float64)
    signs = signs.to(torch.float64)
    slack = (signs.abs() - signs * wide.scores(weights)).clamp_(min=0)
    alpha = 2 * cost * slack
    squares = (alpha * slack).sum(0) / 2  # Σ c ξ², which is Σ α²/(4c) as well
    primal = weights.square().sum(0) / 2 + squares
    quadratic = wide.combine(alpha.mul_(signs)).square().sum(0) / 2 + squares
    total = (alpha * signs).sum(0)
    tiny = torch.finfo(torch.float64).tiny
    dual = total.square() / (4 * quadratic.clamp(min=tiny))
    return ((primal - dual) / primal.clamp(min=tiny)).clamp(min=0)


def relative_duality_gaps(
    X: NDArray[np.floating], targets: Array, weights: Array, intercepts: Array, C: float
) -> Array:
    """Relative duality gaps of one-vs-rest fits with one C and a constant feature of 1.

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
        See `duality_gaps`.
    """
    samples = Samples(as_matrix(X), 1.0, torch.float64, torch.device("cpu"), _BLOCK_BYTES)
    extended = torch.from_numpy(np.vstack([np.asarray(weights, np.float64).T, intercepts]))
    cost = torch.full((1, 1), C, dtype=torch.float64)
    return np.asarray(duality_gaps(samples, torch.from_numpy(np.asarray(targets)), cost, extended))
