"""One-vs-rest linear SVM, squared hinge loss, penalised bias, with a certificate for every class."""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from p3d_eval.errors import UserError
from p3d_eval.protocols.classifiers.certificate import relative_duality_gaps

_TIGHTER = 0.1  # factor on LIBLINEAR's own tolerance from one attempt to the next
_LONGER = 10  # factor on its iterations
_ATTEMPTS = 4
_WORTH_PROCESSES = 1e9  # values of X times problems: some seconds of work, against one to start processes


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
    n_jobs : int or None
        Processes that share the classes; None takes all cores where the work is worth it. The fit is the
        same bit for bit.

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
        Largest number of passes over the data of any problem's fit.

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
        n_jobs: int | None = None,
    ) -> None:
        self.C = C
        self.tol = tol
        self.max_iter = max_iter
        self.device = device
        self.random_state = random_state
        self.n_jobs = n_jobs

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
            When a parameter is not positive, or the device is not one this solver runs on.
        ValueError
            When X or y are no training data (NaN, one class, different lengths): scikit-learn's checks.
        """
        if self.device not in (None, "cpu"):
            raise UserError(f"device: {self.device!r} is not available", "This solver runs on the CPU")
        for name, value in (("C", self.C), ("tol", self.tol), ("max_iter", self.max_iter)):
            if not 0 < value < np.inf:
                raise UserError(f"{name}: {value} is not positive")
        if self.random_state < 0:
            raise UserError(f"seed: {self.random_state} is negative")
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs samples of two classes, got one class: {self.classes_[0]!r}")
        positive = [1] if len(self.classes_) == 2 else range(len(self.classes_))
        settings = (self.C, self.tol, self.max_iter, self.random_state)
        solved = Parallel(n_jobs=self._workers(X, len(positive)))(
            delayed(_solve)(X, np.where(encoded == label, 1.0, -1.0), *settings) for label in positive
        )
        self.coef_ = np.stack([fit.weights for fit in solved])
        self.intercept_ = np.array([fit.intercept for fit in solved])
        self.relative_gaps_ = np.array([fit.gap for fit in solved])
        self.n_iter_ = max(fit.passes for fit in solved)
        self.converged_ = bool((self.relative_gaps_ <= self.tol).all())
        if not self.converged_:
            warnings.warn(
                f"relative duality gap {self.relative_gaps_.max():.1e} is above {self.tol:.1e}",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _workers(self, X: NDArray[np.floating], problems: int) -> int:
        """Count the processes to use; threads would share LIBLINEAR's one random generator, fits would vary."""
        if self.n_jobs is not None:
            return self.n_jobs
        return -1 if X.size * problems > _WORTH_PROCESSES else 1

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


@dataclass(frozen=True)
class _Fit:
    weights: NDArray[np.float64]
    intercept: float
    gap: float
    passes: int


def _solve(
    X: NDArray[np.floating], target: NDArray[np.float64], C: float, tol: float, max_iter: int, seed: int
) -> _Fit:
    """Solve one binary problem by dual coordinate descent until its duality gap is small enough."""
    best: _Fit | None = None
    for attempt in range(_ATTEMPTS):
        solver = LinearSVC(
            C=C, dual=True, tol=tol * _TIGHTER**attempt, max_iter=max_iter * _LONGER**attempt, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the duality gap is the judge
            solver.fit(X, target)
        weights, intercept = solver.coef_.astype(np.float64), solver.intercept_.astype(np.float64)
        gap = float(relative_duality_gaps(X, target[:, None], weights, intercept, C)[0])
        fit = _Fit(weights[0], float(intercept[0]), gap, int(solver.n_iter_))
        best = fit if best is None or gap < best.gap else best
        if gap <= tol:
            break
    assert best is not None  # noqa: S101 (at least one attempt was made)
    return best
