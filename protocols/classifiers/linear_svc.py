"""One-vs-rest linear SVM, squared hinge loss, penalised bias, with a certificate for every class."""

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from p3d_eval.errors import UserError
from p3d_eval.protocols.classifiers.certificate import relative_duality_gaps

_TIGHTER = 0.1  # factor on LIBLINEAR's own tolerance from one attempt to the next
_LONGER = 10  # factor on its iterations
_ATTEMPTS = 4


class OneVsRestLinearSVC(ClassifierMixin, BaseEstimator):
    """Linear SVM as LIBLINEAR defines it, one class against the rest: squared hinge, bias penalised.

    LIBLINEAR stops by the size of its projected gradient, which says little about the distance to the
    optimum. Here every binary problem is judged by its relative duality gap, in float64, and solved again
    with a ten times smaller tolerance until the gap is at most ``tol``.

    Parameters
    ----------
    C : float
        Weight of the loss.
    tol : float
        Largest relative duality gap accepted.
    max_iter : int
        Passes over the data of the first attempt; later attempts get ten times as many.
    device : None or "cpu"
        Where to solve; None means the CPU.
    random_state : int
        Seed of the order in which the samples are visited.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
        Labels in ascending order.
    coef_, intercept_ : ndarray of float64, shape (problems, D) and (problems,)
        One row a class; a single one for two classes, whose positive side is ``classes_[1]``.
    relative_gaps_ : ndarray of float64, shape (problems,)
        Relative duality gap of each problem.
    converged_ : bool
        Whether every gap is at most ``tol``.
    n_iter_ : int
        Largest number of passes of any problem in the last attempt.

    Examples
    --------
    >>> model = OneVsRestLinearSVC(C=1.0).fit([[0.0], [1.0], [3.0]], ["a", "a", "b"])
    >>> model.predict([[2.5]]).tolist(), model.converged_
    (['b'], True)
    """

    def __init__(
        self,
        C: float = 1.0,
        tol: float = 1e-6,
        max_iter: int = 1000,
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.device = device
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Solve one problem a class (one in all for two classes).

        Parameters
        ----------
        X : array_like of float, shape (n, D)
            Samples.
        y : array_like, shape (n,)
            Labels.

        Raises
        ------
        UserError
            When the device is not one this solver runs on.
        ValueError
            When X or y are no training data (NaN, one class, different lengths): scikit-learn's checks.
        """
        if self.device not in (None, "cpu"):
            raise UserError(f"device: {self.device!r} is not available", "This solver runs on the CPU")
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs samples of two classes, got one class: {self.classes_[0]!r}")
        positive = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        targets = np.stack([np.where(encoded == label, 1.0, -1.0) for label in positive], axis=1)
        self.coef_, self.intercept_, self.n_iter_ = self._solve(X, encoded, self.tol, self.max_iter)
        self.relative_gaps_ = relative_duality_gaps(X, targets, self.coef_, self.intercept_, self.C)
        self._refine(X, targets)
        self.converged_ = bool((self.relative_gaps_ <= self.tol).all())
        if not self.converged_:
            warnings.warn(
                f"relative duality gap {self.relative_gaps_.max():.1e} is above {self.tol:.1e}",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _refine(self, X: NDArray[np.floating], targets: NDArray[np.float64]) -> None:
        """Solve again, with tighter tolerances, the problems whose gap is too large."""
        tolerance, iterations = self.tol, self.max_iter
        for _ in range(_ATTEMPTS - 1):
            open_problems = np.flatnonzero(self.relative_gaps_ > self.tol)
            if not len(open_problems):
                return
            tolerance, iterations = tolerance * _TIGHTER, iterations * _LONGER
            for k in open_problems:
                coef, intercept, passes = self._solve(X, targets[:, k], tolerance, iterations)
                gap = relative_duality_gaps(X, targets[:, [k]], coef, intercept, self.C)[0]
                self.n_iter_ = max(self.n_iter_, passes)
                if gap < self.relative_gaps_[k]:
                    self.coef_[k], self.intercept_[k], self.relative_gaps_[k] = coef[0], intercept[0], gap

    def _solve(
        self, X: NDArray[np.floating], y: NDArray[Any], tolerance: float, iterations: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Run LIBLINEAR's dual coordinate descent: weights, intercepts and passes over the data."""
        solver = LinearSVC(
            C=self.C, dual=True, tol=tolerance, max_iter=iterations, random_state=self.random_state
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the duality gap is the judge
            solver.fit(X, y)
        return solver.coef_.astype(np.float64), solver.intercept_.astype(np.float64), int(solver.n_iter_)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Signed distances times |w|: shape (n, classes), or (n,) for two classes."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        values = X @ self.coef_.T + self.intercept_
        return values[:, 0] if len(self.classes_) == 2 else values

    def predict(self, X: Any) -> NDArray[Any]:
        """Label of the largest decision value, shape (n,)."""
        values = self.decision_function(X)
        chosen = (values > 0).astype(int) if values.ndim == 1 else values.argmax(axis=1)
        return self.classes_[chosen]
