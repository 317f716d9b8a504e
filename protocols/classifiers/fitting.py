"""Fitting a classifier and keeping its proof of convergence."""

import warnings
from typing import Any

from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from p3d_eval.protocols.classifiers.linear_svc import OneVsRestLinearSVC
from p3d_eval.protocols.result import Certificate


def fit_certified(model: OneVsRestLinearSVC, X: NDArray[Any], y: NDArray[Any], problem: str) -> Certificate:
    """Fit ``model`` and return the certificate of its worst binary problem, whether it holds or not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    return Certificate(
        problem=problem,
        solver=f"{' and '.join(model.solvers_)}; squared hinge, C = {model.C:g}",
        relative_gap=float(model.relative_gaps_.max()),
        tolerance=model.tol,
        problems=len(model.relative_gaps_),
    )
