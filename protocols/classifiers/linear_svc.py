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

DUAL, PRIMAL = "dual coordinate descent", "primal Newton"

# Solver, factor on its tolerance and on its iterations. Coordinate descent crawls where samples are many and
# their values few and alike (pair vectors); Newton's method needs a dozen steps there.
_ATTEMPTS = ((DUAL, 1.0, 1), (PRIMAL, 1e-2, 1), (DUAL, 1e-1, 10), (DUAL, 1e-2, 100))
_WORTH_PROCESSES = 1e9  # values of X times problems: some seconds of work, against one to start processes


class OneVsRestLinearSVC(ClassifierMixin, BaseEstimator):
    """Linear SVM as LIBLINEAR defines it, one class against the rest: squared hinge, bias penalised.

    LIBLINEAR stops by the size of its projected gradient, which says little about the distance to the
    optimum. Here every binary problem is judged by its relative duality gap, in float64. It is solved by dual
    coordinate descent; while the gap exceeds ``tol``, again by Newton's method in the primal (where there are
    more samples than dimensions), then by coordinate descent with smaller tolerances and more passes.

    Parameters
    ----------
    C : float
        Weight of the loss.
    tol : float
        Largest relative duality gap accepted.
    max_iter : int
        Iterations of the first attempt; the last one gets a hundred times as many.
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
        Largest number of iterations of any problem's fit.
    solvers_ : tuple of str
        LIBLINEAR's solvers whose fits were taken.

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
        self.solvers_ = tuple(sorted({fit.solver for fit in solved}))
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
    solver: str


def _solve(
    X: NDArray[np.floating], target: NDArray[np.float64], C: float, tol: float, max_iter: int, seed: int
) -> _Fit:
    """Solve one binary problem until its duality gap is small enough; else return the best of all attempts."""
    fits: list[_Fit] = []
    for name, factor, longer in _ATTEMPTS:
        if name == PRIMAL and X.shape[1] >= len(X):
            continue
        solver = LinearSVC(
            C=C, dual=name == DUAL, tol=tol * factor, max_iter=max_iter * longer, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the duality gap is the judge
            solver.fit(X, target)
        weights, intercept = solver.coef_.astype(np.float64), solver.intercept_.astype(np.float64)
        gap = float(relative_duality_gaps(X, target[:, None], weights, intercept, C)[0])
        fits.append(_Fit(weights[0], float(intercept[0]), gap, int(solver.n_iter_), name))
        if gap <= tol:
            break
    return min(fits, key=lambda fit: fit.gap)
