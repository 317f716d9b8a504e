"""LIBLINEAR through scikit-learn, one binary problem at a time, until the duality gap is small enough."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from p3d_eval.protocols.classifiers.certificate import duality_gaps
from p3d_eval.protocols.classifiers.samples import Samples

# Dual coordinate descent or Newton's method in the primal, factor on the tolerance, iterations. Coordinate
# descent crawls where samples are many and their values few and alike; Newton's method does not.
_ATTEMPTS = ((True, 1.0, 1_000), (False, 1e-2, 1_000), (True, 1e-1, 10_000), (True, 1e-2, 100_000))


def solve_with_liblinear(
    X: torch.Tensor, signs: torch.Tensor, cost: torch.Tensor, scale: float, tol: float, *, seed: int = 0
) -> torch.Tensor:
    """Solve one problem; signs (n,), cost (n,) or (1,).

    Returns
    -------
    Tensor of float64, shape (D + 1,)
        The weights, the constant feature's last, with the smallest gap of all attempts.
    """
    signs, cost = signs.cpu(), cost.double().cpu().expand(len(X))
    used = signs.nonzero()[:, 0]
    rows, sides = X[used].cpu(), signs[used]
    best, lowest = torch.zeros(X.shape[1] + 1, dtype=torch.float64), np.inf
    if len(sides.unique()) < 2:
        return best
    samples = Samples(rows, scale, torch.float64, torch.device("cpu"), 64 << 20)
    for dual, factor, passes in _ATTEMPTS:
        if not dual and rows.shape[1] >= len(rows):
            continue
        solver = LinearSVC(
            C=1.0, dual=dual, tol=tol * factor, max_iter=passes, random_state=seed,
            fit_intercept=scale > 0, intercept_scaling=scale or 1.0,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the duality gap is the judge
            solver.fit(rows.numpy(), sides.numpy(), sample_weight=cost[used].numpy())
        bias = float(np.ravel(solver.intercept_)[0]) / scale if scale else 0.0
        found = torch.from_numpy(np.append(solver.coef_[0].astype(np.float64), bias))
        gap = float(duality_gaps(samples, sides[:, None], cost[used, None], found[:, None])[0])
        if gap < lowest:
            best, lowest = found, gap
        if gap <= tol:
            break
    return best
