"""Re-solving one binary SVM without each of many groups of samples, from the full problem's optimum.

With H = K + I/(2C), w = Hβ − t and A the full problem's active set, β is zero outside A and w on it. The
principal pivot transform T of H on A (Tsatsomeros, Linear Algebra and its Applications 307, 2000) exchanges
the two roles: it takes u = (w on A, β elsewhere) to z = (β on A, w elsewhere), ``z = z₀ + T u``, with z₀ the
full optimum. Where a fold's active set differs from A on a set S of samples only, u is zero outside S and
``T_SS u_S = −z₀_S``: a system as small as S for each Newton step of a fold, instead of one as large as A.
Samples left out are kept outside the active set whatever their margin.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from p3d_eval.devices import in_halves
from p3d_eval.protocols.gram_svm import SETTLED, gradient_bounds, solve_in_gram

_MAX_STEPS = 40  # without a line search Newton's method may cycle: then the safe solver takes over
_RESIDUAL = 1e-10  # above it, the safe solver takes over too
_BLOCK_VALUES = 1 << 24  # of the arrays of one block of folds: 128 MiB in float64


@dataclass(frozen=True)
class Worst:
    """The largest gradient and KKT residual of several problems."""

    gradient: float = 0.0
    residual: float = 0.0

    @classmethod
    def of(cls, gradients: Tensor, residuals: Tensor) -> Self:
        """Take the largest of each."""
        return cls(float(gradients.max()), float(residuals.max()))

    def joined(self, other: "Worst") -> "Worst":
        """Take the larger of each."""
        return Worst(max(self.gradient, other.gradient), max(self.residual, other.residual))


def solve_folds(
    gram: Tensor, sign: Tensor, C: float, full: tuple[Tensor, Tensor], fold_of: Tensor, folds: Tensor
) -> tuple[Tensor, Worst]:
    """Solve one binary problem without each of ``folds``.

    Parameters
    ----------
    gram : Tensor of float64, shape (n, n)
        K, all samples.
    sign : Tensor of float64, shape (n,)
        +1 or −1.
    C : float
        Weight of the loss.
    full : tuple of Tensor, each of shape (n,)
        β and Kβ of the full problem's optimum.
    fold_of : Tensor of int, shape (n,)
        Each sample's fold.
    folds : Tensor of int, shape (m,)
        Folds to solve.

    Returns
    -------
    values : Tensor of float64, shape (n,)
        Decision value of each sample of ``folds`` when its fold is left out; 0 for other samples.
    worst : Worst
        How far the problems may be from their optima.
    """
    values, worst = torch.zeros_like(sign), Worst()
    if not len(folds):
        return values, worst
    tableau = _Tableau(gram, sign, C, full)

    def solve(start: int, stop: int) -> tuple[Tensor, Worst]:
        return _solve_block(gram, tableau, fold_of[:, None] == folds[start:stop])

    width = max(1, _BLOCK_VALUES // (4 * len(gram)))
    for start in range(0, len(folds), width):
        for found, furthest in in_halves(solve, start, min(start + width, len(folds))):
            values += found
            worst = worst.joined(furthest)
    return values, worst


def _solve_block(gram: Tensor, tableau: "_Tableau", out: Tensor) -> tuple[Tensor, Worst]:
    """Solve folds together; ``out``, of shape (n, folds), tells which samples each leaves out."""
    duals = tableau.solve(out)
    found = gram @ duals
    signs = torch.where(out, 0.0, tableau.sign[:, None])
    gradients, residuals = gradient_bounds(gram, signs, tableau.C, duals, found)
    for column in (residuals > _RESIDUAL).nonzero()[:, 0].tolist():
        safe = solve_in_gram(gram, signs[:, column, None], tableau.C)
        if safe.residuals[0] < residuals[column]:
            found[:, column] = safe.values[:, 0]
            gradients[column], residuals[column] = safe.gradients[0], safe.residuals[0]
    return torch.where(out, found, 0.0).sum(1), Worst.of(gradients, residuals)


class _Tableau:
    """The principal pivot transform of H on the full problem's active set."""

    def __init__(self, gram: Tensor, sign: Tensor, C: float, full: tuple[Tensor, Tensor]) -> None:
        duals, values = full
        self.sign, self.C, self.active = sign, C, duals != 0
        inside, outside = self.active.nonzero()[:, 0], (~self.active).nonzero()[:, 0]
        matrix = gram.clone()
        matrix.diagonal().add_(1 / (2 * C))
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(matrix[inside][:, inside]))
        border = matrix[inside][:, outside]
        moved = inverse @ border
        self.transform = torch.empty_like(gram)
        self.transform[inside[:, None], inside] = inverse
        self.transform[inside[:, None], outside] = -moved
        self.transform[outside[:, None], inside] = moved.T
        self.transform[outside[:, None], outside] = matrix[outside][:, outside] - border.T @ moved
        self.start = torch.where(self.active, duals, values - sign)

    def solve(self, out: Tensor) -> Tensor:
        """Return β of every fold, shape (n, folds); ``out`` tells which samples it leaves out."""
        active = self.active[:, None] & ~out
        duals = torch.zeros(out.shape, dtype=self.sign.dtype, device=out.device)
        todo = torch.arange(out.shape[1], device=out.device)
        for _ in range(_MAX_STEPS):
            now = active[:, todo]
            found, gradient = self._on_active_sets(now)
            duals[:, todo] = found
            sign = self.sign[:, None]
            leaving = now & (sign * found < -2 * self.C * SETTLED)
            joining = ~now & ~out[:, todo] & (sign * gradient < -SETTLED)
            flipped = leaving | joining
            active[:, todo] = now ^ flipped
            todo = todo[flipped.any(0)]
            if not len(todo):
                break
        return duals

    def _on_active_sets(self, active: Tensor) -> tuple[Tensor, Tensor]:
        """Solve for β (zero outside each active set) and w (zero on it), each of shape (n, folds)."""
        changed = active ^ self.active[:, None]
        inputs = self._inputs(changed)
        outputs = self.start[:, None] + self.transform @ inputs
        exchanged = torch.where(changed, inputs, outputs)
        return torch.where(active, exchanged, 0.0), torch.where(active, 0.0, exchanged)

    def _inputs(self, changed: Tensor) -> Tensor:
        """Solve T_SS u_S = −z₀_S for every fold, those with sets of about the same size together."""
        inputs = torch.zeros(changed.shape, dtype=self.start.dtype, device=changed.device)
        counts, order = changed.sum(0).sort()
        sizes = counts.tolist()
        begin = 0
        while begin < len(sizes):
            end = begin + 1
            while end < len(sizes) and self._fits(sizes, begin, end):
                end += 1
            if sizes[end - 1]:
                columns = order[begin:end]
                inputs[:, columns] = self._solve_padded(changed[:, columns], sizes[end - 1])
            begin = end
        return inputs

    @staticmethod
    def _fits(sizes: list[int], begin: int, end: int) -> bool:
        """Whether the fold ``end`` may join a batch: little padding, and bounded memory."""
        size = sizes[end]
        return size <= sizes[begin] + 4 + sizes[begin] // 4 and size**2 * (end + 1 - begin) <= _BLOCK_VALUES

    def _solve_padded(self, changed: Tensor, size: int) -> Tensor:
        """Solve sets of at most ``size`` samples; what a smaller set lacks becomes rows of the identity."""
        rows = changed.to(torch.uint8).argsort(dim=0, descending=True, stable=True)[:size].T  # (folds, size)
        real = changed.T.gather(1, rows)
        matrix = self.transform[rows[:, :, None], rows[:, None, :]]
        matrix = torch.where(real[:, :, None] & real[:, None, :], matrix, 0.0)
        matrix.diagonal(dim1=1, dim2=2).add_((~real).to(matrix.dtype))
        right = torch.where(real, -self.start[rows], 0.0)
        solved = torch.linalg.solve(matrix, right)
        inputs = torch.zeros(changed.shape, dtype=matrix.dtype, device=matrix.device)
        return inputs.scatter_(0, rows.T, torch.where(real, solved, 0.0).T)
