"""Training on one split: scaling learned there, C chosen there, the classifier, and its certificates."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.protocols.c_path import FOLDS, CChoice, choose_c, group_folds, one_class_remains
from p3d_eval.protocols.classifiers.choice import Classifier, Fitted, fit_path, fit_subsets
from p3d_eval.protocols.normalisation import Normalisation, Standardiser
from p3d_eval.protocols.result import Certificate

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True)
class Trained:
    """A classifier with the scaling that goes before it.

    Parameters
    ----------
    fitted : Fitted
    scaling : Standardiser or None
    choice : CChoice or None
        How C was chosen; None where it was given.
    certificates : tuple of Certificate
        Of the fit, and of the worst fit of the cross validation.
    """

    fitted: Fitted
    scaling: Standardiser | None
    choice: CChoice | None
    certificates: tuple[Certificate, ...]

    def scores(self, X: Array, classes: int) -> Array:
        """Scores of all classes 0 … classes − 1; −∞ for those that training had not, never chosen."""
        scores = np.full((len(X), classes), -np.inf)
        scaled = X if self.scaling is None else self.scaling.apply(X)
        scores[:, self.fitted.model.classes_] = self.fitted.scores(scaled)
        return scores


def train(
    classifier: Classifier,
    normalisation: Normalisation,
    X: Array,
    y: NDArray[Any],
    groups: Sequence[Hashable],
    problem: str,
) -> Trained:
    """Learn scaling, C and classifier from training samples alone.

    Parameters
    ----------
    classifier : Classifier
    normalisation : {"none", "l2", "signed-sqrt-l2", "zscore"}
        Only ``zscore`` is learned; the others are done to each sample before.
    X : ndarray of float64, shape (n, D)
    y : ndarray of int, shape (n,), or of bool, shape (n, classes)
        Class numbers, or which classes each sample shows.
    groups : sequence, length n
        What must not straddle training and validation.
    problem : str
        Name of the fit, e.g. ``"split 1"``.

    Raises
    ------
    UserError
        When C is to be chosen, and there is one group only, or a fold leaves one class to train on.
    """
    choice: CChoice | None = None
    checks: list[Certificate] = []
    values = classifier.values
    if len(values) > 1:
        folds = group_folds(groups, FOLDS, classifier.seed)
        if one_class_remains(y, folds):
            raise UserError(f"{problem}: one class only to train on while C is chosen", "Give one value: --C 1")
        together: list[list[Fitted]] = []
        if classifier.name == "svm" and normalisation != "zscore":  # folds that share their samples' values
            subsets = [np.flatnonzero(folds != fold) for fold in range(int(folds.max()) + 1)]
            together = fit_subsets(classifier, X, y, subsets, values, problem)

        def predict(training: Index, validation: Index) -> NDArray[Any]:
            scaling = _scaling(normalisation, X[training])
            if together:
                fits = together[folds[validation[0]]]
            else:
                fits = fit_path(classifier, _apply(scaling, X[training]), y[training], values, problem)
            checks.extend(fit.certificate for fit in fits if fit.certificate)
            held = _apply(scaling, X[validation])
            return np.stack([fit.predict(held) for fit in fits])

        choice = choose_c(predict, y, folds, values)
        values = (choice.C,)
    scaling = _scaling(normalisation, X)
    (fitted,) = fit_path(classifier, _apply(scaling, X), y, values, problem)
    own = (fitted.certificate,) if fitted.certificate else ()
    return Trained(fitted, scaling, choice, (*own, *worst_of(checks, f"{problem}, cross validation of C")))


def worst_of(certificates: Sequence[Certificate], problem: str) -> tuple[Certificate, ...]:
    """One certificate for many fits: the worst gap of all; none for no fits."""
    if not certificates:
        return ()
    worst = max(certificates, key=lambda one: one.relative_gap)
    return (replace(worst, problem=problem, problems=sum(one.problems for one in certificates)),)


def _scaling(normalisation: Normalisation, X: Array) -> Standardiser | None:
    return Standardiser.learn(X) if normalisation == "zscore" else None


def _apply(scaling: Standardiser | None, X: Array) -> Array:
    return X if scaling is None else scaling.apply(X)
