"""One-vs-rest linear SVM, squared hinge loss, penalised bias, with a certificate for every class."""

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from p3d_eval.devices import find_device
from p3d_eval.errors import UserError
from p3d_eval.protocols.classifiers.squared_hinge import solve_squared_hinge

Array = NDArray[np.float64]


class OneVsRestLinearSVC(ClassifierMixin, BaseEstimator):
    """Linear SVM as LIBLINEAR defines it, one class against the rest: squared hinge, bias penalised.

    All classes are solved together (see `solve_squared_hinge`), and every binary problem is judged by its
    relative duality gap, in float64.

    Parameters
    ----------
    C : float
        Weight of the loss.
    tol : float
        Largest relative duality gap accepted.
    class_weight : None, "balanced" or mapping of label to float
        Factor on C. One class against the rest, it applies to the class's own samples and not to the rest;
        with two classes it applies to both (LIBLINEAR's rules). For several labels a sample, the keys are
        column numbers.
    intercept_scaling : float
        Value of the constant feature that carries the bias.
    device : None, "cpu", "cuda", "cuda:1", … or "auto"
        Where to solve; None means the CPU, ``auto`` a GPU where there is one.
    random_state : int
        Seed of LIBLINEAR's order; it decides nothing unless a problem falls back to LIBLINEAR.

    Attributes
    ----------
    classes_ : ndarray, shape (classes,)
        Labels in ascending order; column numbers for several labels a sample.
    coef_, intercept_ : ndarray of float64, shape (problems, D) and (problems,)
        One row a class; a single one for two classes, whose positive side is ``classes_[1]``.
    relative_gaps_ : ndarray of float64, shape (problems,)
        Relative duality gap of each problem.
    converged_ : bool
        Whether every gap is at most ``tol``.
    n_iter_ : int
        Largest number of Newton steps of any problem.
    solvers_ : tuple of str
        Methods whose fits were taken.

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
        class_weight: str | Mapping[Any, float] | None = None,
        intercept_scaling: float = 1.0,
        device: str | None = None,
        random_state: int = 0,
    ) -> None:
        self.C = C
        self.tol = tol
        self.class_weight = class_weight
        self.intercept_scaling = intercept_scaling
        self.device = device
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = self.class_weight != "balanced"
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Solve one problem a class (one in all for two classes).

        Parameters
        ----------
        X : array_like of float, shape (n, D)
            Samples.
        y : array_like, shape (n,) or (n, classes)
            Labels, or an indicator matrix of zeros and ones.
        sample_weight : array_like, shape (n,), optional
            Factor on C of each sample.

        Raises
        ------
        UserError
            When a parameter is out of range, or the device is not there.
        ValueError
            When X or y are no training data (NaN, one class, different lengths): scikit-learn's checks.
        """
        find_device(self.device)
        for name, value in (("C", self.C), ("tol", self.tol), ("intercept_scaling", self.intercept_scaling)):
            if not 0 < value < np.inf:
                raise UserError(f"{name}: {value} is not positive")
        if self.random_state < 0:
            raise UserError(f"seed: {self.random_state} is negative")
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], multi_output=True)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        signs = self._signs(y)
        solution = solve_squared_hinge(
            X, signs, self.C, sample_cost=self._costs(y, signs, weight), tol=self.tol, device=self.device,
            intercept_scaling=self.intercept_scaling, seed=self.random_state,
        )  # fmt: skip
        self.coef_, self.intercept_ = solution.weights, solution.intercepts
        self.relative_gaps_ = solution.relative_gaps
        self.n_iter_ = int(solution.iterations.max(initial=1))
        self.solvers_ = tuple(sorted(set(solution.solvers)))
        self.converged_ = bool(solution.converged.all())
        if not self.converged_:
            warnings.warn(
                f"relative duality gap {self.relative_gaps_.max():.1e} is above {self.tol:.1e}",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def _signs(self, y: NDArray[Any]) -> NDArray[np.int8]:
        """Sides of all problems, shape (n, problems); sets ``classes_``."""
        check_classification_targets(y)
        self._indicator = type_of_target(y) == "multilabel-indicator"
        if self._indicator:
            self.classes_ = np.arange(y.shape[1])
            return np.where(np.asarray(y) > 0, 1, -1).astype(np.int8)
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError("several labels a sample must be an indicator matrix of zeros and ones")
        y = column_or_1d(y, warn=True)
        self.classes_, encoded = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"a classifier needs samples of two classes, got one class: {self.classes_[0]!r}")
        positive = np.array([1]) if len(self.classes_) == 2 else np.arange(len(self.classes_))
        return np.where(encoded.reshape(-1, 1) == positive, 1, -1).astype(np.int8)

    def _costs(self, y: NDArray[Any], signs: NDArray[np.int8], weight: Array | None) -> Array | None:
        """Factors on C, shape (n, problems) or (n, 1); None where all are 1."""
        if self.class_weight is None:
            return None if weight is None else weight[:, None]
        own = np.ones(len(signs)) if weight is None else weight
        if self._indicator:
            if not isinstance(self.class_weight, Mapping):
                raise UserError("class_weight: balanced is not defined for several labels a sample")
            factors = np.array([self.class_weight.get(label, 1.0) for label in self.classes_.tolist()])
        elif self.class_weight == "balanced":
            totals = np.array([own[y.ravel() == label].sum() for label in self.classes_])
            # A class whose samples all weigh nothing stays without weight, whatever its factor.
            factors = own.sum() / (len(totals) * np.where(totals > 0, totals, 1.0))
        else:
            factors = compute_class_weight(self.class_weight, classes=self.classes_, y=y.ravel())
        if len(self.classes_) == 2 and not self._indicator:
            return own[:, None] * np.where(signs > 0, factors[1], factors[0])
        return own[:, None] * np.where(signs > 0, factors, 1.0)

    def decision_function(self, X: Any) -> Array:
        """Signed distances times |w|: shape (n, classes), or (n,) for two classes."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        values = X @ self.coef_.T + self.intercept_
        return values[:, 0] if len(self.coef_) == 1 and not self._indicator else values

    def predict(self, X: Any) -> NDArray[Any]:
        """Label of the largest decision value, shape (n,), or the indicator matrix (n, classes)."""
        values = self.decision_function(X)
        if self._indicator:
            return (values > 0).astype(int)
        chosen = (values > 0).astype(int) if values.ndim == 1 else values.argmax(axis=1)
        return self.classes_[chosen]
