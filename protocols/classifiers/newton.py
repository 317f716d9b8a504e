"""Finite Newton method for many squared-hinge problems at once, in the space where each step is cheapest.

Every column is ``min |w|²/2 + Σ c ξ²`` with ``ξ = max(0, 1 − t (x·w))``: piecewise quadratic, so that a Newton
step is a least-squares problem over the samples with ξ > 0, and the method with an exact line search ends after
finitely many steps (Keerthi and DeCoste, JMLR 6, 2005, section 3).
"""

from dataclasses import dataclass

import torch

from p3d_eval.protocols.classifiers.samples import Samples
from p3d_eval.protocols.classifiers.working_sets import working_set_steps

MAX_STEPS = 80
_IDLE = 2  # steps without progress after which this precision has nothing more to give
_NEAR = 1e-2  # gap below which one such step is enough
_LINE_STEPS = 14
_CG_STEPS = 30
_CG_EXPECTED = 6.0  # conjugate gradient steps until the first ones are counted
_ELEMENT = 1000.0  # operations of a matrix product in the time that one entry of a small Gram matrix takes (m)
_FORCING = 0.1  # residual, relative to the gradient's, at which conjugate gradients stop
_FACTORS = 4  # Cholesky factors that a working set takes, about
_WORTH = 18.0  # steps of conjugate gradients that a working set's minimum is worth
_FULL_STEP = 0.1  # slope at the full step, relative to the one at 0, that needs no search


@dataclass
class Columns:
    """Problems that share their samples: signs and costs (n, k) or (1, k); weights (D + 1, k)."""

    signs: torch.Tensor
    cost: torch.Tensor
    weights: torch.Tensor

    def __post_init__(self) -> None:
        k = self.signs.shape[1]
        self.gaps = torch.full((k,), torch.inf, dtype=torch.float64, device=self.signs.device)
        self.steps = torch.zeros(k, dtype=torch.int64, device=self.signs.device)
        self.cg_expected = _CG_EXPECTED

    def slack(self, scores: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """ξ of some columns; 0 where the sign is 0."""
        signs = self.signs[:, chosen]
        return (signs.abs() - signs * scores).clamp_(min=0)


def objective(weights: torch.Tensor, slack: torch.Tensor, cost: torch.Tensor) -> torch.Tensor:
    """P of each column, summed in float64."""
    squares = (cost * slack.square()).sum(0, dtype=torch.float64)
    return weights.square().sum(0, dtype=torch.float64) / 2 + squares


def minimise(samples: Samples, columns: Columns, tol: float, stepper: Samples | None = None) -> None:
    """Take Newton steps until each column's relative gap, as this precision sees it, is at most ``tol``.

    The gap between P and the dual at α = 2cξ is |∇P|²/2 (substitute α; terms of ξ cancel), so that the
    gradient is the certificate. A column whose objective no longer falls in this precision is left as it is.
    ``stepper`` holds the same samples in the precision of the steps: a step in float32 corrects a gradient in
    float64, as in iterative refinement.
    """
    stepper = stepper or samples
    device = columns.signs.device
    open_ = torch.arange(columns.signs.shape[1], device=device)
    scores = samples.scores(columns.weights)
    floor = 10 * torch.finfo(samples.dtype).eps
    idle = torch.zeros(len(open_), dtype=torch.int64, device=device)
    best = torch.full((len(open_),), torch.inf, dtype=torch.float64, device=device)
    lowest = best.clone()
    for _ in range(MAX_STEPS):
        cost = columns.cost[:, open_]
        slack = columns.slack(scores, open_)
        weights = columns.weights[:, open_]
        gradient = weights - 2 * samples.combine(cost * slack * columns.signs[:, open_])
        value = objective(weights, slack, cost)
        gaps = (
            gradient.square().sum(0, dtype=torch.float64) / 2 / value.clamp(min=torch.finfo(torch.float64).tiny)
        )
        columns.gaps[open_] = gaps
        idle = torch.where((value < best * (1 - floor)) | (gaps < lowest / 2), 0, idle + 1)
        best, lowest = torch.minimum(best, value), torch.minimum(lowest, gaps)
        keep = (gaps > tol) & (idle < torch.where(gaps < _NEAR, 1, _IDLE))
        if not keep.any():
            return
        open_, idle, best, lowest = open_[keep], idle[keep], best[keep], lowest[keep]
        scores, weights, gradient = scores[:, keep], weights[:, keep], gradient[:, keep]
        columns.steps[open_] += 1
        move = step(stepper, columns, open_, scores, gradient.to(stepper.dtype))
        target = weights + move.to(samples.dtype)
        reached = samples.scores(target)
        length = line_search(columns, open_, (weights, scores), (target, reached), floor * value[keep])
        columns.weights[:, open_] = torch.lerp(weights, target, length)
        scores = torch.lerp(scores, reached, length)


def step(
    samples: Samples, columns: Columns, chosen: torch.Tensor, scores: torch.Tensor, gradient: torch.Tensor
) -> torch.Tensor:
    """Newton's step of each column over its active samples, or one to the minimum of its working set."""
    n, d = samples.shape
    active = columns.slack(scores, chosen) > 0
    m = active.sum(0).double()
    passes = 4.0 * n * d
    entry = _ELEMENT if samples.has_gram else _ELEMENT + d
    few = (m <= d) & (entry * m**2 + _FACTORS * m**3 / 3 < _WORTH * passes)
    wide = (m > d) & (m * d**2 * 2 + d**3 / 3 < columns.cg_expected * passes)
    rough = ~(few | wide)
    move = torch.empty_like(gradient)
    if few.any():
        at = chosen[few]
        whole = (columns.signs[:, at], columns.cost[:, at], scores[:, few])
        signs, cost, here = (one.to(samples.dtype) for one in whole)
        move[:, few] = working_set_steps(samples, (signs, cost, here), gradient[:, few])
    if wide.any():
        move[:, wide] = _primal_step(samples, columns, chosen[wide], active[:, wide], gradient[:, wide])
    if rough.any():
        curvature = 2 * columns.cost[:, chosen[rough]].to(samples.dtype) * active[:, rough]
        move[:, rough], columns.cg_expected = conjugate_gradients(samples, curvature, -gradient[:, rough])
    return torch.where(torch.isfinite(move).all(0), move, 0)


def _primal_step(
    samples: Samples, columns: Columns, chosen: torch.Tensor, active: torch.Tensor, gradient: torch.Tensor
) -> torch.Tensor:
    """Solve (I + 2 Σ c x xᵀ) p = −g over the active samples, one column after the other."""
    d = samples.shape[1]
    rows = max(1, samples.block_bytes // (2 * d * samples.itemsize))
    move = torch.empty_like(gradient)
    for at, column in enumerate(chosen.tolist()):
        hessian = torch.eye(d, dtype=samples.dtype, device=samples.device)
        roots = (2 * columns.cost[:, column]).sqrt().to(samples.dtype).expand(active.shape[0])
        for part in active[:, at].nonzero()[:, 0].split(rows):
            block = samples.rows(part) * roots[part][:, None]
            hessian.addmm_(block.T, block)
        factor, info = torch.linalg.cholesky_ex(hessian)
        right = -gradient[:, at : at + 1]
        if int(info):
            move[:, at] = torch.linalg.solve(hessian.double(), right.double())[:, 0].to(samples.dtype)
        else:
            move[:, at] = torch.cholesky_solve(right, factor)[:, 0]
    return move


def conjugate_gradients(
    samples: Samples, curvature: torch.Tensor, right: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """Solve (I + Xᵀ diag(curvature) X) p = right for all columns together, to ``_FORCING``; count the steps."""
    solution, residual = torch.zeros_like(right), right.clone()
    direction, power = residual.clone(), residual.square().sum(0)
    goal = power * _FORCING**2
    count = 0
    while count < _CG_STEPS:
        count += 1
        product = direction + samples.combine(samples.scores(direction).mul_(curvature))
        # A finished column has power 0 at last; its step is 0, not 0/0.
        length = power / (direction * product).sum(0).clamp(min=torch.finfo(right.dtype).tiny)
        solution += length * direction
        residual -= length * product
        fresh = residual.square().sum(0)
        if (fresh <= goal).all():
            break
        direction = residual + (fresh / power.clamp(min=torch.finfo(right.dtype).tiny)) * direction
        power = fresh
    return solution, float(count)


def line_search(
    columns: Columns,
    chosen: torch.Tensor,
    here: tuple[torch.Tensor, torch.Tensor],
    there: tuple[torch.Tensor, torch.Tensor],
    noise: torch.Tensor,
) -> torch.Tensor:
    """Minimise each convex, piecewise quadratic objective along its step: Newton in one variable, bracketed.

    A step that promises less than ``noise`` cannot be judged by the objective and is taken whole.
    """
    signs, cost = columns.signs[:, chosen], columns.cost[:, chosen]
    move = there[0] - here[0]
    inner, square = (here[0] * move).sum(0), move.square().sum(0)
    margins, rates = (
        signs.abs() - signs * here[1],
        signs * (here[1] - there[1]),
    )  # ξ = max(0, margins + s rates)

    def slopes(s: torch.Tensor, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        c, rate = cost[:, at], rates[:, at]
        slack = (margins[:, at] + s * rate).clamp_(min=0)
        weighted = 2 * c * rate
        first = inner[at] + s * square[at] + (weighted * slack).sum(0)
        return first, square[at] + (weighted * rate * (slack > 0)).sum(0)

    everything = torch.arange(len(chosen), device=signs.device)
    length = torch.ones(len(chosen), dtype=signs.dtype, device=signs.device)
    start = slopes(torch.zeros_like(length), everything)[0].abs()
    end, _ = slopes(length, everything)
    search = ((end.abs() > _FULL_STEP * start) & (start > noise)).nonzero()[:, 0]
    if not len(search):
        return length
    low = torch.where(end[search] > 0, 0.0, 1.0).to(signs.dtype)
    high = torch.where(end[search] > 0, 1.0, torch.inf).to(signs.dtype)
    s = length[search]
    for _ in range(_LINE_STEPS):
        first, second = slopes(s, search)
        low, high = torch.where(first < 0, s, low), torch.where(first > 0, s, high)
        if (first.abs() <= _FULL_STEP**2 * start[search]).all():
            break
        s = s - first / second.clamp(min=torch.finfo(signs.dtype).tiny)
        middle = torch.where(high.isinf(), 2 * low, (low + high) / 2)
        s = torch.where((s > low) & (s < high), s, middle)
    length[search] = s
    return length
