"""Steps to the minimum over a working set: the samples inside the margin and those next to it.

Few samples are active near an optimum, and their inner products are a small matrix. Newton's method among them
costs no pass over all samples; its whole way, not only its first step, is one step of the problem's own method
(decomposition, as in Joachims, Making large-scale SVM learning practical, 1999, section 11.2).
"""

import torch

from p3d_eval.protocols.classifiers.samples import Samples

GROWTH = 1.25  # size of a working set over the number of active samples
_INNER_STEPS = 8
_CPU_BYTES = 4 << 20  # of the matrices handled together: what stays in a core's cache
_COPIES = 3  # of a working set's matrix alive at once


def working_set_steps(
    samples: Samples,
    sides: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    gradient: torch.Tensor,
) -> torch.Tensor:
    """Move each column from its weights w to the minimum over its working set, or by one Newton step.

    With the gradient g = w − Xᵀ α, α = 2 c ξ t, any w + p in reach is Xᵀ (α + δ), so that p = Xᵀ δ − g: only δ,
    which vanishes outside the working set, is unknown, and rounding is relative to the step, not to w. Where
    the minimum is not found the first of Newton's steps is taken.

    Parameters
    ----------
    samples : Samples
    sides : signs, costs and scores, each of shape (n, columns); costs may be (1, columns)
    gradient : Tensor, shape (D + 1, columns)

    Returns
    -------
    Tensor, shape (D + 1, columns)
        The steps p.
    """
    signs, cost, scores = sides
    rates = samples.scores(gradient)
    closeness = torch.where(signs == 0, -torch.inf, signs.abs() - signs * scores)
    active = (closeness > 0).sum(0)
    sizes = (GROWTH * active).long().add_(8).minimum((signs != 0).sum(0))
    limit = samples.block_bytes if samples.device.type == "cuda" else min(_CPU_BYTES, samples.block_bytes)
    coefficients = torch.zeros_like(rates)
    order = torch.argsort(sizes, stable=True)
    for part in _batches(order, sizes[order].tolist(), limit // (_COPIES * samples.itemsize)):
        index, valid = _closest(closeness[:, part].T, sizes[part])
        sign, score, rate = (whole[:, part].T.gather(1, index) for whole in (signs, scores, rates))
        weight = cost[:, part].T.expand(-1, len(signs)).gather(1, index)
        delta = _minimum(samples.sub_grams(index), sign * valid, weight, score, rate)
        coefficients[:, part] = coefficients[:, part].scatter_add(0, index.T, (delta * valid).T)
    return samples.combine(coefficients) - gradient


def _batches(order: torch.Tensor, sizes: list[int], values: int) -> list[torch.Tensor]:
    """Group columns of ascending sizes so that their padded matrices hold at most so many values."""
    found, start = [], 0
    while start < len(sizes):
        end = start + 1
        while end < len(sizes) and sizes[end] ** 2 * (end + 1 - start) <= values:
            end += 1
        found.append(order[start:end])
        start = end
    return found


def _closest(closeness: torch.Tensor, sizes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of largest values, ascending: (sets, m), and which of them are no padding."""
    n, most = closeness.shape[1], max(int(sizes.max()), 1)
    index = closeness.topk(most, dim=1).indices
    index[torch.arange(most, device=index.device) >= sizes[:, None]] = n
    index = index.sort(dim=1).values
    return index.clamp(max=n - 1), index < n


def _padded(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Columns that are true in each row: their numbers (sets, m), and which of them are no padding."""
    counts = mask.sum(1)
    most = max(int(counts.max()), 1)
    index = mask.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
    return index, torch.arange(most, device=mask.device) < counts[:, None]


def _minimum(
    K: torch.Tensor, sign: torch.Tensor, cost: torch.Tensor, score: torch.Tensor, rate: torch.Tensor
) -> torch.Tensor:
    """Find δ of each set by Newton steps until its active samples stay the same; arguments are (sets, m)."""
    slack = (sign.abs() - sign * score).clamp_(min=0)
    alpha = 2 * cost * slack * sign
    wanted = torch.where(slack > 0, rate, sign - score + rate)
    active, first, settled = slack > 0, torch.zeros_like(alpha), slack.new_zeros(len(slack), dtype=torch.bool)
    for step in range(_INNER_STEPS):
        delta = torch.where(active, 0, -alpha)
        right = wanted - (K @ delta[:, :, None])[:, :, 0]
        index, valid = _padded(active)
        some = K.gather(1, index[:, :, None].expand(-1, -1, K.shape[2]))
        some = some.gather(2, index[:, None, :].expand(-1, some.shape[1], -1))
        ridge = torch.where(valid, 0.5 / cost.gather(1, index), 1.0)
        solved = solve_ridge(some, ridge, right.gather(1, index) * valid, valid)
        delta = delta.scatter_add(1, index, solved * valid)
        first = delta if step == 0 else first
        reached = score + (K @ delta[:, :, None])[:, :, 0] - rate
        fresh = sign.abs() - sign * reached > 0
        settled = (fresh == active).all(1)
        if settled.all():
            break
        active = fresh
    return torch.where(settled[:, None], delta, first)


def solve_ridge(K: torch.Tensor, ridge: torch.Tensor, right: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Solve (K + diag(ridge)) β = right for padded sets, in float64 where float32 is too coarse."""
    if not valid.all():
        K *= valid[:, :, None] & valid[:, None, :]
    K.diagonal(dim1=1, dim2=2).add_(ridge)
    factor, info = torch.linalg.cholesky_ex(K)
    beta = torch.cholesky_solve(right[:, :, None], factor)
    for broken in info.nonzero()[:, 0].tolist():
        beta[broken] = torch.linalg.solve(K[broken].double(), right[broken, :, None].double()).to(K.dtype)
    return beta[:, :, 0]
