"""One-vs-rest linear SVMs on principal components, all classes together, each sweep point from the one before.

Newton's method for the squared hinge, its steps by conjugate gradients (Keerthi and DeCoste, JMLR 6, 2005). On
principal components the samples' second moments are diagonal, and those of the active samples nearly so: the
diagonal of the Hessian, as preconditioner, leaves a few passes a step.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from p3d_eval.backbones.precision import REFERENCE, arithmetic
from p3d_eval.devices import find_device, in_halves
from p3d_eval.errors import UserError
from p3d_eval.protocols.classifiers import OneVsRestLinearSVC
from p3d_eval.protocols.classifiers.certificate import relative_duality_gaps
from p3d_eval.protocols.threads import in_streams

Array = NDArray[np.float64]

_NEWTON_STEPS, _CG_STEPS, _LINE_STEPS = 60, 30, 6
_FORCING = 0.3  # residual, relative to the gradient's, at which conjugate gradients stop
_FULL_STEP = 0.1  # slope at the full step, relative to the start's, that needs no search
_MARGIN = 0.5  # of the tolerance: what float32 sees is not quite the gap in float64


@dataclass(frozen=True)
class SweepFit:
    """The SVMs of one number of dimensions.

    Parameters
    ----------
    dimensions : int
    weights, intercepts : ndarray of float64, shape (problems, dimensions) and (problems,)
        One row a class; for two classes a single one, whose positive side is the second.
    relative_gaps : ndarray of float64, shape (problems,)
        Computed in float64.
    repeated : int
        Problems solved again by `OneVsRestLinearSVC`, since float32 did not reach the tolerance.
    """

    dimensions: int
    weights: Array
    intercepts: Array
    relative_gaps: Array
    repeated: int

    def scores(self, projected: Array) -> Array:
        """Decision values of samples projected on at least as many dimensions, shape (n, classes)."""
        values = projected[:, : self.dimensions] @ self.weights.T + self.intercepts
        return values if values.shape[1] > 1 else np.column_stack([-values, values])


def fit_sweep(
    projected: Array,
    encoded: NDArray[np.integer],
    dimensions: tuple[int, ...],
    *,
    C: float = 1.0,
    tol: float = 1e-6,
    device: str | None = None,
) -> dict[int, SweepFit]:
    """Fit the SVMs of every number of dimensions, from few to many.

    Parameters
    ----------
    projected : ndarray of float64, shape (n, D)
        Training samples on their principal components.
    encoded : ndarray of int, shape (n,)
        Class numbers from 0, none absent, at least two.
    dimensions : tuple of int
        Numbers of leading columns to use.
    C, tol : float
        Weight of the loss; largest relative duality gap of a converged fit.
    device : str, optional
        Where to solve; the CPU by default.

    Returns
    -------
    dict of int to SweepFit
        In the order of ``dimensions``.

    Raises
    ------
    UserError
        When C is out of range, or the device is not there or its memory too small.
    """
    if not 0 < C < np.inf:
        raise UserError(f"C: {C} is not positive" if not C > 0 else f"C: {C} is not finite")
    where = find_device(device)
    classes = int(encoded.max()) + 1
    positive = [1] if classes == 2 else range(classes)
    signs = np.where(encoded[:, None] == np.array(positive), 1.0, -1.0)
    samples = torch.from_numpy(np.column_stack([np.ones(len(projected)), projected])).float().to(where)
    sides = torch.from_numpy(signs).float().to(where)
    counts = sorted(dimensions)

    def path(part: slice) -> list[Array]:
        """Solve some problems on every number of dimensions."""
        own = sides[:, part].contiguous()
        weights, found = own.new_zeros((0, own.shape[1])), []
        for count in counts:
            X = samples[:, : count + 1].contiguous()
            grown = torch.zeros((count + 1, own.shape[1]), device=where)
            grown[: len(weights)] = weights
            weights = _solve_together(X, own, C, tol * _MARGIN, grown)
            found.append(weights.double().cpu().numpy())
        return found

    with arithmetic(REFERENCE, where):
        paths = in_streams(path, signs.shape[1], where, torch.get_num_threads())
    found = {
        count: _certified(projected[:, :count], signs, C, tol, np.hstack(parts))
        for count, *parts in zip(counts, *paths, strict=True)
    }
    return {count: found[count] for count in dimensions}


def _certified(X: Array, signs: Array, C: float, tol: float, weights: Array) -> SweepFit:
    """Judge fits in float64, and solve those that miss the tolerance again."""
    coefficients, intercepts = weights[1:].T.copy(), weights[0].copy()
    gaps = relative_duality_gaps(X, signs, coefficients, intercepts, C)
    missed = np.flatnonzero(gaps > tol)
    for problem in missed:
        again = OneVsRestLinearSVC(C=C, tol=tol).fit(X, signs[:, problem])
        if again.relative_gaps_[0] < gaps[problem]:
            coefficients[problem], intercepts[problem] = again.coef_[0], again.intercept_[0]
            gaps[problem] = again.relative_gaps_[0]
    return SweepFit(X.shape[1], coefficients, intercepts, gaps, len(missed))


def _solve_together(X: Tensor, signs: Tensor, C: float, tol: float, weights: Tensor) -> Tensor:
    """Solve as many problems together as the device's memory allows."""

    def solve(start: int, stop: int) -> Tensor:
        return _newton(X, signs[:, start:stop], C, tol, weights[:, start:stop])

    return torch.cat(in_halves(solve, 0, signs.shape[1]), dim=1)


def _newton(X: Tensor, signs: Tensor, C: float, tol: float, weights: Tensor) -> Tensor:
    """Minimise |w|²/2 + C Σ ξ² for every column; returns the weights, shape (D + 1, problems)."""
    weights, squares = weights.clone(), X.square()
    unsolved = torch.arange(signs.shape[1], device=X.device)
    scores = X @ weights
    for _ in range(_NEWTON_STEPS):
        sides, here = signs[:, unsolved], weights[:, unsolved]
        slack = (1 - sides * scores).clamp_(min=0)
        gradient = here - 2 * C * (X.T @ (sides * slack))
        objective = here.square().sum(0) / 2 + C * slack.square().sum(0)
        rough = gradient.square().sum(0) > 2 * tol * objective  # P − D at α = 2Cξ is |∇P|²/2
        if not bool(rough.any()):
            break
        unsolved = unsolved[rough]
        sides, here, scores = sides[:, rough], here[:, rough], scores[:, rough]
        gradient, active = gradient[:, rough], (slack[:, rough] > 0).to(X.dtype)
        diagonal = 1 + 2 * C * (squares.T @ active)
        step, moved = _conjugate_gradients(X, active.mul_(2 * C), diagonal, -gradient)
        length = _line_search(sides, C, (here, scores), (step, moved))
        weights[:, unsolved] = here + length * step
        scores = scores + length * moved
    return weights


def _conjugate_gradients(
    X: Tensor, curvature: Tensor, diagonal: Tensor, right: Tensor
) -> tuple[Tensor, Tensor]:
    """Solve (I + Xᵀ diag(curvature) X) p = right roughly for each column; returns p and X p."""
    solution, residual = torch.zeros_like(right), right.clone()
    moved = torch.zeros_like(curvature)
    scaled = residual / diagonal
    direction, power = scaled.clone(), (residual * scaled).sum(0)
    goal, tiny = power * _FORCING**2, torch.finfo(X.dtype).tiny
    for _ in range(_CG_STEPS):
        passed = X @ direction
        product = direction + X.T @ (passed * curvature)
        length = power / (direction * product).sum(0).clamp_(min=tiny)
        solution += length * direction
        moved += length * passed
        residual -= length * product
        scaled = residual / diagonal
        fresh = (residual * scaled).sum(0)
        if bool((fresh <= goal).all()):
            break
        direction = scaled + (fresh / power.clamp(min=tiny)) * direction
        power = fresh
    return solution, moved


def _line_search(signs: Tensor, C: float, here: tuple[Tensor, Tensor], step: tuple[Tensor, Tensor]) -> Tensor:
    """Minimise along each column's step by Newton's method in one variable, kept within a bracket."""
    linear, square = (here[0] * step[0]).sum(0), step[0].square().sum(0)
    margins, rates = 1 - signs * here[1], signs * step[1]
    length, low, high = torch.ones_like(linear), torch.zeros_like(linear), torch.full_like(linear, 4.0)
    start = (linear - 2 * C * (margins.clamp(min=0) * rates).sum(0)).abs()
    for _ in range(_LINE_STEPS):
        slack = (margins - length * rates).clamp_(min=0)
        slope = linear + length * square - 2 * C * (slack * rates).sum(0)
        if bool((slope.abs() <= _FULL_STEP * start).all()):
            break
        bend = square + 2 * C * (rates.square() * (slack > 0)).sum(0)
        low, high = torch.where(slope < 0, length, low), torch.where(slope > 0, length, high)
        tried = length - slope / bend.clamp_(min=torch.finfo(bend.dtype).tiny)
        length = torch.where((tried > low) & (tried < high), tried, (low + high) / 2)
    return length
