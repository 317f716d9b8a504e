"""Squared-hinge linear SVMs in the space of the samples' Gram matrix, solved until the active set settles.

With x̃ = (x, s), s the intercept scaling, and K = X̃X̃ᵀ, the optimum of ``|v|²/2 + C Σ max(0, 1 − t v·x̃)²`` is
v = X̃ᵀβ, where β is zero outside the active set A = {i: tᵢ v·x̃ᵢ < 1} and solves (K_AA + I/(2C)) β_A = t_A on it
(Mangasarian, Optimization Methods and Software 17(5), 2002; Chapelle, Neural Computation 19(5), 2007). Newton's
method repeats that step; with a line search it ends, after finitely many, at the exact optimum.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

SETTLED = 1e-13  # of a margin: how far a sample may lie on the wrong side of the active set's border
_MAX_STEPS = 200  # Newton steps; a dozen are usual
_SUFFICIENT = 1e-4  # share of the promised decrease that a step must reach (Armijo)


@dataclass(frozen=True)
class GramSolution:
    """Solved binary problems.

    Parameters
    ----------
    duals : Tensor of float64, shape (n, problems)
        β: weights of the samples in v = X̃ᵀβ; exactly 0 for a sample that is no support vector.
    values : Tensor of float64, shape (n, problems)
        Decision values Kβ of the samples.
    gradients, residuals : Tensor of float64, shape (problems,)
        Bounds on the norm of the objective's gradient at v, absolute and relative: see
        :func:`gradient_bounds`.
    """

    duals: Tensor
    values: Tensor
    gradients: Tensor
    residuals: Tensor


def gradient_bounds(
    gram: Tensor, signs: Tensor, C: float, duals: Tensor, values: Tensor
) -> tuple[Tensor, Tensor]:
    """Bound the gradient's norm at v = X̃ᵀβ for each column; returns the bounds, and the KKT residuals.

    The gradient is X̃ᵀd with d = β − 2C t max(0, 1 − t Kβ), so its norm is at most Σ |dᵢ| √Kᵢᵢ. The objective
    is 1-strongly convex: no decision value of a sample x̃ is further than |x̃| times the gradient's norm from
    the optimum's. The KKT residual is the bound over Σ |βᵢ| √Kᵢᵢ, the lengths of the vectors that cancel in
    the gradient (over 1 where that is less).
    """
    lengths = gram.diagonal().sqrt()
    wrong = duals - 2 * C * signs * (1 - signs * values).clamp_min(0)
    bounds = lengths @ wrong.abs()
    return bounds, bounds / (lengths @ duals.abs()).clamp_min(1)


def solve_in_gram(gram: Tensor, signs: Tensor, C: float) -> GramSolution:
    """Solve binary problems over the same samples by Newton's method with a line search.

    Parameters
    ----------
    gram : Tensor of float64, shape (n, n)
        K: inner products of the samples, plus the squared intercept scaling.
    signs : Tensor of float64, shape (n, problems)
        +1 or −1; 0 leaves a sample out of that problem.
    C : float
        Weight of the loss.

    Returns
    -------
    GramSolution
        ``values`` also has the samples that were left out.
    """
    duals = torch.stack([_newton(gram, signs[:, column], C) for column in range(signs.shape[1])], dim=1)
    values = gram @ duals
    return GramSolution(duals, values, *gradient_bounds(gram, signs, C, duals, values))


def _newton(gram: Tensor, sign: Tensor, C: float) -> Tensor:
    """Solve one problem, starting where all its samples are active; returns β."""
    used = sign != 0
    duals, values = torch.zeros_like(sign), torch.zeros_like(sign)
    active = used
    for _ in range(_MAX_STEPS):
        target = _on_active_set(gram, sign, C, active)
        reached = gram @ target
        slack = 1 - sign * reached
        leaving = active & (sign * target < -2 * C * SETTLED)
        joining = used & ~active & (slack > SETTLED)
        if not bool((leaving | joining).any()):
            return target
        size = _step_size(sign, C, (duals, values), (target, reached))
        duals, values = duals + size * (target - duals), values + size * (reached - values)
        active = used & (sign * values < 1)
    return duals  # its residual tells


def _on_active_set(gram: Tensor, sign: Tensor, C: float, active: Tensor) -> Tensor:
    """Solve (K_AA + I/(2C)) β_A = t_A, with one step of iterative refinement."""
    rows = active.nonzero()[:, 0]
    matrix = gram[rows][:, rows]
    matrix.diagonal().add_(1 / (2 * C))
    factor = torch.linalg.cholesky(matrix)
    wanted = sign[rows, None]
    solved = torch.cholesky_solve(wanted, factor)
    solved += torch.cholesky_solve(wanted - matrix @ solved, factor)
    duals = torch.zeros_like(sign)
    duals[rows] = solved[:, 0]
    return duals


def _step_size(sign: Tensor, C: float, now: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> float:
    """Halve the Newton step until the objective falls enough; each point is (β, Kβ)."""
    change, moved = target[0] - now[0], target[1] - now[1]
    used = sign != 0

    def objective(size: float) -> float:
        values = now[1] + size * moved
        slack = torch.where(used, 1 - sign * values, 0.0).clamp_min(0)
        return float(((now[0] + size * change) * values).sum() / 2 + C * slack.square().sum())

    slack = torch.where(used, 1 - sign * now[1], 0.0).clamp_min(0)
    slope = float((now[0] * moved).sum() - 2 * C * (slack * sign * moved).sum())
    start, size = objective(0.0), 1.0
    ceiling = start * (1 + 1e-14)  # near the optimum, rounding is all that is left of a decrease
    while objective(size) > ceiling + _SUFFICIENT * size * slope and size > 1e-10:
        size /= 2
    return size
