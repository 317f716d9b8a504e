"""The space to solve in: the features themselves, or coordinates of the samples where these are fewer."""

from dataclasses import dataclass

import torch

from p3d_eval.protocols.classifiers.samples import Samples

_PASSES = 400  # products with X that a cold start saves by moving to n coordinates, per problem
_GRAM_BYTES = 2 << 30  # of the inner products in float64
_GATHERED = 40  # working sets over d, whose products are spared by one n² D, per problem
_KEPT_BYTES = 640 << 20  # of the inner products kept for that
_AGAIN = 5e11  # operations that are worth it for a second stage
_SAMPLE = 256  # rows that estimate the mean squared norm


@dataclass(frozen=True)
class Space:
    """Samples as given and as solved; ``jitter`` is what the inner products' diagonal was raised by."""

    samples: Samples
    inner: Samples
    jitter: float = 0.0

    def costs(self, cost: torch.Tensor) -> torch.Tensor:
        """Costs to solve with.

        The dual holds ``α²/(4c) + jitter α²/2``: a raised diagonal is another c, exactly, with
        ``1/c' = 1/c − 2 jitter``.
        """
        return 1 / (1 / cost - 2 * self.jitter)

    def soft_cost(self) -> float:
        """C at which loss and penalty weigh about the same: 1 / (mean squared norm)."""
        rows = self.inner.X[:: max(1, len(self.inner.X) // _SAMPLE)]
        mean = float(rows.square().sum(1).mean()) + self.inner.scale**2
        return 2 / max(mean, 1e-30)

    def enter(self, weights: torch.Tensor) -> torch.Tensor:
        """Weights in the inner space that give the samples the same scores."""
        if self.inner is self.samples:
            return weights.clone()
        start = weights.new_zeros((self.inner.shape[1], weights.shape[1]))
        if bool(weights.any()):
            scores = self.samples.scores(weights)
            start[:-1] = torch.linalg.solve_triangular(self.inner.X, scores, upper=False)
        return start

    def leave(self, weights: torch.Tensor) -> torch.Tensor:
        """Weights over the features, in float64: Σ β (x, s) with Lᵀ β = w, L Lᵀ the inner products."""
        if self.inner is self.samples:
            return weights.double()
        coefficients = torch.linalg.solve_triangular(self.inner.X.T, weights[:-1], upper=True)
        return self.samples.combine(coefficients).double()


def find_space(samples: Samples, problems: int, largest_cost: float, *, again: bool = False) -> Space:
    """Choose by the cost of the products: n² D for the inner products, against passes over X."""
    n, d = samples.shape
    if not again and n * n * samples.itemsize <= _KEPT_BYTES and n <= _GATHERED * problems:
        samples.gram()
    fits = n * n * 8 <= _GRAM_BYTES and n <= _PASSES * problems and n < d
    if not fits or (again and float(n) * n * d > _AGAIN):
        return Space(samples, samples)
    gram = samples.gram()
    jitter = float(gram.diagonal().mean()) * 30 * torch.finfo(samples.dtype).eps
    jitter = min(max(jitter, 1e-300), 0.05 / largest_cost)
    raised = gram.double()
    raised.diagonal().add_(jitter)
    factor, info = torch.linalg.cholesky_ex(raised)
    if int(info):
        return Space(samples, samples)
    inner = Samples(factor.to(samples.dtype), 0.0, samples.dtype, samples.device, samples.block_bytes)
    gram = gram.clone()
    gram.diagonal().add_(jitter)
    inner.keep_gram(gram)
    return Space(samples, inner, jitter)
