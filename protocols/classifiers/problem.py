"""What a family of SVM problems must be, before anything is solved."""

from typing import Any

import numpy as np
import torch

from p3d_eval.errors import UserError

_ROWS = 4096  # looked at in one go


def checked_problem(
    X: torch.Tensor, signs: Any, C: Any, sample_cost: Any, tol: float, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Refuse what is no problem; return signs (n, k) in int8 and costs (1 or n, k) in float64, on the CPU.

    Raises
    ------
    UserError
        When shapes do not fit, or a value is out of range, NaN or infinite.
    """
    sides = torch.as_tensor(signs)
    if X.ndim != 2 or sides.ndim != 2 or len(sides) != len(X) or 0 in (*X.shape, *sides.shape):
        raise UserError(f"SVM: X {tuple(X.shape)} and signs {tuple(sides.shape)} must be (n, D) and (n, k)")
    if not bool(((sides == 0) | (sides.abs() == 1)).all()):
        raise UserError("SVM: signs must be -1, 0 or +1")
    if not tol > 0 or not np.isfinite(scale) or scale < 0:
        raise UserError(f"SVM: tol {tol} must be positive, intercept_scaling {scale} at least 0")
    _refuse_not_finite(X)
    weight = torch.as_tensor(C, dtype=torch.float64).cpu().reshape(1, -1)
    if weight.shape[1] not in (1, sides.shape[1]) or not bool(((weight > 0) & torch.isfinite(weight)).all()):
        raise UserError(f"C: {C} is not positive, or not one value for each of {sides.shape[1]} problems")
    weight, sides = weight.expand(1, sides.shape[1]), sides.to(device="cpu", dtype=torch.int8)
    if sample_cost is None:
        return sides, weight
    return _with_sample_costs(sides, weight, torch.as_tensor(sample_cost, dtype=torch.float64).cpu())


def _refuse_not_finite(X: torch.Tensor) -> None:
    for start in range(0, len(X), _ROWS):
        block = X[start : start + _ROWS]
        # A finite sum says that all are; an infinite one may be an overflow, and only then each is asked.
        if not bool(torch.isfinite(block.sum())) and not bool(torch.isfinite(block).all()):
            row = start + int((~torch.isfinite(block).all(1)).nonzero()[0, 0])
            raise UserError(f"SVM: X holds NaN or infinite values, the first in row {row}")


def _with_sample_costs(
    sides: torch.Tensor, weight: torch.Tensor, factor: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Multiply C by each sample's factor; a factor of 0 leaves the sample out."""
    factor = factor[:, None] if factor.ndim == 1 else factor
    if factor.ndim != 2 or len(factor) != len(sides) or factor.shape[1] not in (1, sides.shape[1]):
        raise UserError(f"SVM: sample costs {tuple(factor.shape)} do not fit signs {tuple(sides.shape)}")
    if not bool(((factor >= 0) & torch.isfinite(factor)).all()):
        raise UserError("SVM: sample costs must be finite and not negative")
    used = factor > 0
    return torch.where(used, sides, 0), weight * torch.where(used, factor, 1.0)
