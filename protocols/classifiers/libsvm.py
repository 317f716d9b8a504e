"""LIBSVM's linear SVM, one class against one, with a duality gap for each pair of classes."""

import warnings
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC

Array = NDArray[np.float64]

_TOLERANCES = (1e-3, 1e-5, 1e-7, 1e-9)  # of LIBSVM's optimality conditions, one attempt after the other


@dataclass(frozen=True)
class LibsvmFit:
    """One fit.

    Parameters
    ----------
    model : SVC
        The fitted estimator.
    C : float
    relative_gaps : ndarray of float64, shape (pairs of classes,)
        (P − D) / P of each problem.
    """

    model: SVC
    C: float
    relative_gaps: Array

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels in ascending order."""
        return self.model.classes_

    def scores(self, X: Array) -> Array:
        """Votes of the pairs of classes, ties broken by their decision values, shape (n, classes)."""
        values = self.model.decision_function(X)
        return np.column_stack([-values, values]) if values.ndim == 1 else values


def fit_libsvm(X: Array, y: NDArray[Any], C: float, tol: float) -> LibsvmFit:
    """Solve ``min |w|²/2 + C Σ max(0, 1 − t (w·x + b))`` for each pair of classes, the bias not penalised.

    LIBSVM judges by its optimality conditions; here it is run again with stricter ones while the largest
    relative duality gap exceeds ``tol``, and the last fit is returned whether it holds or not.

    Parameters
    ----------
    X : ndarray of float64, shape (n, D)
    y : ndarray, shape (n,)
        Labels of at least two classes.
    C, tol : float
    """
    for strictness in _TOLERANCES:
        model = SVC(kernel="linear", C=C, tol=strictness, cache_size=500, decision_function_shape="ovr")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the duality gap is the judge
            model.fit(X, y)
        fit = LibsvmFit(model, C, duality_gaps(model, X, y))
        if fit.relative_gaps.max() <= tol:
            break
    return fit


def duality_gaps(model: SVC, X: Array, y: NDArray[Any]) -> Array:
    """Relative duality gap of each pair of classes, in the order of ``model.coef_``.

    P is the objective above at the fit, ``D = Σα − |w|²/2`` LIBSVM's dual, whose α satisfy its constraints.
    """
    weights, alphas = model.coef_, np.abs(model.dual_coef_)
    ends = np.cumsum(model.n_support_)
    support = [slice(end - count, end) for end, count in zip(ends, model.n_support_, strict=True)]
    members = [np.flatnonzero(y == label) for label in model.classes_]
    gaps = np.empty(len(weights))
    for problem, (one, other) in enumerate(combinations(range(len(members)), 2)):
        # Row k of dual_coef_ belongs to the k-th of the *other* classes.
        total = alphas[other - 1, support[one]].sum() + alphas[one, support[other]].sum()
        slack = 0.0
        sign = -1.0 if len(members) == 2 else 1.0  # of two classes, the second is the positive one
        for side, rows in ((sign, members[one]), (-sign, members[other])):
            values = X[rows] @ weights[problem] + model.intercept_[problem]
            slack += np.maximum(0.0, 1.0 - side * values).sum()
        half = float(weights[problem] @ weights[problem]) / 2
        primal = half + model.C * slack
        gaps[problem] = max(0.0, (primal - (total - half)) / primal) if primal > 0 else 0.0
    return gaps
