"""LIBSVM's linear SVM, one class against one, with a duality gap for each pair of classes."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC

Array = NDArray[np.float64]
Index = NDArray[np.intp]

_TOLERANCE = 1e-6  # of LIBSVM's optimality conditions; its kernel is kept in float32, and less changes nothing
_POLISHES = 5
_LIFT = 1e-3


@dataclass(frozen=True)
class LibsvmFit:
    """One fit.

    Parameters
    ----------
    classes_ : ndarray, shape (classes,)
        Labels in ascending order.
    weights, intercepts : ndarray of float64, shape (pairs, D) and (pairs,)
        Positive for the first class of each pair, pairs in the order (0, 1), (0, 2), …, (1, 2), …
    C : float
    relative_gaps : ndarray of float64, shape (pairs,)
        (P − D) / P of each problem.
    """

    classes_: NDArray[Any]
    weights: Array
    intercepts: Array
    C: float
    relative_gaps: Array

    def scores(self, X: Array) -> Array:
        """Votes of the pairs of classes, shape (n, classes), among equals more for larger decision values.

        As in LIBSVM, the first of the classes with most votes is predicted: it gets the largest score.
        """
        count = len(self.classes_)
        votes, sums = np.zeros((len(X), count)), np.zeros((len(X), count))
        values = X @ self.weights.T + self.intercepts
        for problem, (one, other) in enumerate(combinations(range(count), 2)):
            value = values[:, problem]
            votes[:, one] += value > 0
            votes[:, other] += value <= 0
            sums[:, one] += value
            sums[:, other] -= value
        scores = votes + sums / (3 * (np.abs(sums) + 1))  # less than a vote between two classes
        scores[np.arange(len(X)), votes.argmax(axis=1)] = scores.max(axis=1) + _LIFT
        return scores


def fit_libsvm(X: Array, y: NDArray[Any], C: float, tol: float) -> LibsvmFit:
    """Solve ``min |w|²/2 + C Σ max(0, 1 − t (w·x + b))`` for each pair of classes, the bias not penalised.

    LIBSVM's kernel values are float32, which leaves gaps of some 1e-6. A problem whose gap exceeds ``tol`` is
    polished: with the samples between the bounds that LIBSVM found, its optimality conditions are a linear
    system, solved in float64. The best is returned whether it holds or not.

    Parameters
    ----------
    X : ndarray of float64, shape (n, D)
    y : ndarray, shape (n,)
        Labels of at least two classes.
    C, tol : float
    """
    model = SVC(kernel="linear", C=C, tol=_TOLERANCE, cache_size=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the duality gap is the judge
        model.fit(X, y)
    found = []
    for rows, signs, duals, intercept in _problems(model, y):
        samples = X[rows]
        found.append(_polish(samples, signs, duals, intercept, C, tol))
    weights, intercepts, gaps = (np.array(part) for part in zip(*found, strict=True))
    return LibsvmFit(model.classes_, weights, intercepts, C, gaps)


def _problems(model: SVC, y: NDArray[Any]) -> Iterator[tuple[Index, Array, Array, float]]:
    """Yield each pair's samples, signs, duals αt and intercept, positive for the first class."""
    count = len(model.classes_)
    duals = np.zeros((count - 1, len(y)))
    duals[:, model.support_] = model.dual_coef_
    turn = -1.0 if count == 2 else 1.0  # of two classes alone, scikit-learn makes the second positive
    members = [np.flatnonzero(y == label) for label in model.classes_]
    for problem, (one, other) in enumerate(combinations(range(count), 2)):
        rows = np.concatenate([members[one], members[other]])
        signs = np.repeat([1.0, -1.0], [len(members[one]), len(members[other])])
        # Row k of the duals of a class belongs to the k-th of the *other* classes.
        own = np.concatenate([duals[other - 1, members[one]], duals[one, members[other]]])
        yield rows, signs, turn * own, turn * float(model.intercept_[problem])


def _polish(
    X: Array, signs: Array, duals: Array, intercept: float, C: float, tol: float
) -> tuple[Array, float, float]:
    """Solve for the duals between their bounds while that narrows the gap; return weights, intercept, gap."""
    weights = duals @ X
    best = weights, intercept, duality_gap(X, signs, duals, intercept, C)
    for _ in range(_POLISHES):
        if best[2] <= tol:
            break
        alphas = duals * signs
        free = np.flatnonzero((alphas > 1e-9 * C) & (alphas < (1 - 1e-9) * C))
        gram = X[free] @ X[free].T
        system = np.block([[gram, np.ones((len(free), 1))], [np.ones((1, len(free))), np.zeros((1, 1))]])
        wrong = signs[free] - X[free] @ (duals @ X) - intercept
        step = np.linalg.lstsq(system, np.append(wrong, -duals.sum()), rcond=1e-13)[0]
        duals = duals.copy()
        duals[free] += step[:-1]
        duals = signs * np.clip(duals * signs, 0, C)
        intercept += float(step[-1])
        gap = duality_gap(X, signs, duals, intercept, C)
        if gap < best[2]:
            best = duals @ X, intercept, gap
    return best


def duality_gap(X: Array, signs: Array, duals: Array, intercept: float, C: float) -> float:
    """Relative gap of P, at the weights that the duals make, and LIBSVM's dual Σα − |Σ α t x|²/2.

    The dual bounds P where 0 ≤ α ≤ C and Σ α t = 0; what is missing to the latter is counted against it, with
    the size of the intercept as the price.
    """
    weights = duals @ X
    half = float(weights @ weights) / 2
    primal = half + C * float(np.maximum(0.0, 1.0 - signs * (X @ weights + intercept)).sum())
    dual = float(np.abs(duals).sum()) - half - abs(float(duals.sum())) * (abs(intercept) + 1)
    return max(0.0, (primal - dual) / primal) if primal > 0 else 0.0
