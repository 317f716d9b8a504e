"""Every classifier by the name that users type: fitted for each value of C, with its certificate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from p3d_eval.devices import find_device
from p3d_eval.errors import UserError
from p3d_eval.protocols.c_path import c_values
from p3d_eval.protocols.classifiers.libsvm import fit_libsvm
from p3d_eval.protocols.classifiers.logistic import fit_logistic_path
from p3d_eval.protocols.classifiers.neighbours import CosineClassMeans, CosineNeighbours
from p3d_eval.protocols.classifiers.squared_hinge import solve_squared_hinge
from p3d_eval.protocols.result import Certificate

Array = NDArray[np.float64]
ClassifierName = Literal["svm", "libsvm", "logistic", "knn", "ncm"]

_SEEDS = 2**32  # scikit-learn takes no other seeds
_WITH_C = ("svm", "libsvm", "logistic")
# Newton's last step costs a small problem nothing, and squares its error: decision values, whose error is the
# root of the gap's, then agree with other solvers' to six digits.
_SMALL, _CLOSER = 1e8, 1e-4


@dataclass(frozen=True)
class Classifier:
    """Which classifier, and its settings.

    Parameters
    ----------
    name : {"svm", "libsvm", "logistic", "knn", "ncm"}
    C : float or str
        Weight of the loss: a value, a list, or ``"cv"`` (see :func:`p3d_eval.protocols.c_path.parse_c`).
    tol : float
        Largest relative gap of a converged fit.
    seed : int
        Seed of the solver's order and of the cross validation's folds.
    neighbours, temperature : int, float
        Of ``knn``.
    device : str
        Where ``svm`` is solved.

    Raises
    ------
    UserError
        When a setting is out of range, the device is not there, or C or the device is given to a classifier
        that has no use for it.
    """

    name: ClassifierName = "svm"
    C: float | str = 1.0
    tol: float = 1e-6
    seed: int = 0
    neighbours: int = 20
    temperature: float = 0.07
    device: str = "cpu"

    def __post_init__(self) -> None:
        c_values(self.C)
        CosineNeighbours(self.neighbours, self.temperature)
        if not 0 < self.tol < 1:
            raise UserError(f"tol: {self.tol} is not {'below 1' if self.tol >= 1 else 'positive'}")
        if not 0 <= self.seed < _SEEDS:
            raise UserError(f"seed: {self.seed} is {'negative' if self.seed < 0 else f'not below {_SEEDS}'}")
        if self.name not in _WITH_C and self.C != 1.0:
            raise UserError(f"C: the classifier {self.name} has none", f"Only {', '.join(_WITH_C)} do")
        for name in ("neighbours", "temperature"):
            if self.name != "knn" and getattr(self, name) != getattr(Classifier, name):
                raise UserError(f"{name}: the classifier {self.name} has none", "Only knn does")
        find_device(self.device)
        if self.name != "svm" and self.device != "cpu":
            raise UserError(f"device: the classifier {self.name} runs on the CPU", "Only svm runs elsewhere")

    @property
    def values(self) -> tuple[float, ...]:
        """Values of C to fit, ascending."""
        return c_values(self.C)

    def spoken(self) -> str:
        """Say what it is in a result's words."""
        return {
            "svm": "one-vs-rest linear SVM, squared hinge, penalised bias",
            "libsvm": "LIBSVM's linear SVM, one class against one, hinge, free bias, votes",
            "logistic": "multinomial logistic regression, penalised bias",
            "knn": (
                f"{self.neighbours} nearest neighbours by cosine, weights "
                f"exp(cosine / {self.temperature:g}) (temperature)"
            ),
            "ncm": "nearest class mean by cosine",
        }[self.name]


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier.

    Parameters
    ----------
    model : object
        Has ``classes_`` and ``scores``.
    C : float or None
        None where the classifier has none.
    certificate : Certificate or None
        None where nothing was optimised.
    """

    model: Any
    C: float | None = None
    certificate: Certificate | None = None

    def scores(self, X: Array) -> Array:
        """Score of each class that training had, shape (n, classes); the largest is predicted."""
        return self.model.scores(X)

    def predict(self, X: Array) -> NDArray[Any]:
        """Label with the largest score, shape (n,)."""
        return self.model.classes_[self.scores(X).argmax(axis=1)]

    def margin(self, X: Array) -> Array:
        """Of two classes: above 0 for the second, for an SVM its decision value, shape (n,)."""
        scores = self.scores(X)
        return (scores[:, 1] - scores[:, 0]) / 2


def fit_path(
    classifier: Classifier, X: Array, y: NDArray[Any], values: Sequence[float], problem: str
) -> list[Fitted]:
    """Fit for each value of C (once where the classifier has no C), ascending.

    Parameters
    ----------
    classifier : Classifier
    X : ndarray of float64, shape (n, D)
        Training samples, finite.
    y : ndarray, shape (n,), or of bool, shape (n, classes)
        Labels of at least two classes; or several labels a sample: ``svm`` then separates the samples that
        show a class from those that do not, and the others see a sample once for each class it shows.
    values : sequence of float
    problem : str
        What the certificates call the fits.
    """
    if y.ndim == 2 and classifier.name != "svm":
        sample, y = np.nonzero(y)
        X = X[sample]
    if classifier.name == "knn":
        return [Fitted(CosineNeighbours(classifier.neighbours, classifier.temperature).fit(X, y))]
    if classifier.name == "ncm":
        return [Fitted(CosineClassMeans().fit(X, y))]
    if classifier.name == "svm":
        return fit_subsets(classifier, X, y, [np.arange(len(X))], values, problem)[0]
    fits = []
    if classifier.name == "logistic":
        for one in fit_logistic_path(X, y, values, classifier.tol):
            solver = f"L-BFGS, logistic, C = {one.C:g}, gradient norm {one.gradient_norm:.1e}"
            fits.append(Fitted(one, one.C, Certificate(problem, solver, one.relative_gap, classifier.tol)))
        return fits
    for C in values:
        pairs = fit_libsvm(X, y, C, classifier.tol)
        gap, solver = float(pairs.relative_gaps.max()), f"LIBSVM, one against one, hinge, C = {C:g}"
        fits.append(
            Fitted(pairs, C, Certificate(problem, solver, gap, classifier.tol, len(pairs.relative_gaps)))
        )
    return fits


@dataclass(frozen=True)
class _LinearModel:
    """One row of weights a class, or a single one for the second of two."""

    classes_: NDArray[Any]
    weights: Array
    intercepts: Array

    def scores(self, X: Array) -> Array:
        values = X @ self.weights.T + self.intercepts
        return np.column_stack([-values, values]) if len(self.weights) == 1 else values


def fit_subsets(
    classifier: Classifier,
    X: Array,
    y: NDArray[Any],
    subsets: Sequence[NDArray[np.intp]],
    values: Sequence[float],
    problem: str,
) -> list[list[Fitted]]:
    """Fit one-vs-rest SVMs to several subsets of the same samples, for each value of C, in one call.

    Parameters
    ----------
    classifier, X, y, values, problem
        As of `fit_path`; the classifier is ``svm``.
    subsets : sequence of ndarray of int
        Rows of X to train on.

    Returns
    -------
    list of list of Fitted
        For each subset the fits that `fit_path` would give for its rows, within the tolerance.
    """
    sides = [_sides(y[rows]) for rows in subsets]
    columns = [np.zeros((len(X), signs.shape[1]), np.int8) for _, signs in sides]
    for rows, whole, (_, signs) in zip(subsets, columns, sides, strict=True):
        whole[rows] = signs
    signs = np.hstack([np.tile(whole, (1, len(values))) for whole in columns])
    found = solve_squared_hinge(
        X,
        signs,
        np.concatenate([np.repeat(np.array(values), whole.shape[1]) for whole in columns]),
        tol=classifier.tol * (_CLOSER if X.size * signs.shape[1] <= _SMALL else 1),
        device=classifier.device,
    )
    fits: list[list[Fitted]] = []
    start = 0
    for classes, own_signs in sides:
        fits.append([])
        for C in values:
            own = slice(start, start + own_signs.shape[1])
            start = own.stop
            solver = f"{' and '.join(sorted(set(found.solvers[own])))}, squared hinge, C = {C:g}"
            gap = float(found.relative_gaps[own].max())
            certificate = Certificate(problem, solver, gap, classifier.tol, own_signs.shape[1])
            model = _LinearModel(classes, found.weights[own], found.intercepts[own])
            fits[-1].append(Fitted(model, C, certificate))
    return fits


def _sides(y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int8]]:
    """Labels, and sides in int8, shape (n, problems); one problem for two labels."""
    if y.ndim == 2:
        shown = np.flatnonzero(y.any(axis=0))
        return shown, np.where(y[:, shown], 1, -1).astype(np.int8)
    classes, encoded = np.unique(y, return_inverse=True)
    positive = np.arange(len(classes)) if len(classes) > 2 else np.array([1])
    return classes, np.where(encoded[:, None] == positive, 1, -1).astype(np.int8)
