"""ASLAN's leave-one-fold-out: scaling learned on the training folds, a linear SVM, accuracy and AUC."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.protocols.annotations.pairs import Pairs
from p3d_eval.protocols.c_path import CChoice, choose_c
from p3d_eval.protocols.classification import worst_of
from p3d_eval.protocols.classifiers.choice import Classifier, Fitted, fit_path
from p3d_eval.protocols.description import chosen_option
from p3d_eval.protocols.metrics import roc_auc
from p3d_eval.protocols.normalisation import Standardiser, l2_normalise
from p3d_eval.protocols.result import Certificate, Metric, Split
from p3d_eval.protocols.statistics import auc_metric, mean_metric, proportion

Vector = Literal["zscore+l2", "l2", "zscore"]
VECTORS: tuple[Vector, ...] = get_args(Vector)
Scaling = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class FoldOutcome:
    """One tested fold.

    Parameters
    ----------
    rows : ndarray of int, shape (m,)
        Pairs with a decision value.
    decision : ndarray of float64, shape (m,)
        Positive for "same".
    ranked, positive : ndarray, shape (counted,)
        Values and labels behind the ROC: ``decision``, and the worst value for each pair counted as wrong.
    split : Split
        The fold's numbers.
    certificates : tuple of Certificate
        The fit's, and the worst of the fits that chose C.
    """

    rows: NDArray[np.intp]
    decision: NDArray[np.float64]
    ranked: NDArray[np.float64]
    positive: NDArray[np.bool_]
    split: Split
    certificates: tuple[Certificate, ...]


def run_folds(
    pairs: Pairs,
    vectors: NDArray[np.float64],
    usable: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    vector: Vector,
    classifier: Classifier,
) -> list[FoldOutcome]:
    """Test each fold with a classifier trained on all others.

    Parameters
    ----------
    pairs : Pairs
        Folds and labels of n pairs.
    vectors : ndarray of float64, shape (n, 12 × layers)
        Pair vectors.
    usable : ndarray of bool, shape (n,)
        Pairs that have a vector: only these train.
    counted : ndarray of bool, shape (n,)
        Pairs that count in the test; those without a vector are wrong.
    vector : {"zscore+l2", "l2", "zscore"}
        How pair vectors are scaled.
    classifier : Classifier
        With several values of C, one is chosen for each tested fold by leaving out each of the others.

    Raises
    ------
    UserError
        When a fold has nothing to test, or only one label to train on.
    """
    fits = _FoldFits(pairs, vectors, usable, vector, classifier)
    outcomes = []
    for part in fold_parts(pairs, usable, counted):
        problem = f"fold {part.name}, {vector}"
        several = len(classifier.values) > 1
        choice, checks = fits.choose(part.fold, part.train, problem) if several else (None, ())
        values = classifier.values if choice is None else (choice.C,)
        scaling, (fitted,) = fits.without(frozenset({part.fold}), values, problem)
        decision = fitted.margin(scaling(vectors[part.rows]))
        own = (fitted.certificate,) if fitted.certificate else ()
        outcome = judge(pairs.same, part, decision, (*own, *checks))
        chosen = {} if choice is None else asdict(choice)
        outcomes.append(replace(outcome, split=replace(outcome.split, chosen=chosen)))
    return outcomes


@dataclass(frozen=True)
class FoldPart:
    """One tested fold as rows of the pairs: what trains, what is tested, and what counts without a vector."""

    fold: int
    name: str
    train: NDArray[np.intp]
    rows: NDArray[np.intp]
    lost: NDArray[np.intp]


def fold_parts(pairs: Pairs, usable: NDArray[np.bool_], counted: NDArray[np.bool_]) -> list[FoldPart]:
    """Split pairs for each tested fold.

    Raises
    ------
    UserError
        When a fold has nothing to test, or only one label to train on.
    """
    parts = []
    for fold in pairs.tested_folds:
        name = pairs.fold_names[fold]
        train = np.flatnonzero((pairs.fold != fold) & usable)
        rows = np.flatnonzero((pairs.fold == fold) & usable)
        lost = np.flatnonzero((pairs.fold == fold) & counted & ~usable)
        if not len(rows) or len(set(pairs.same[train].tolist())) < 2:
            raise UserError(
                f"fold {name}: too many videos are missing: nothing to test, or one label to train on"
            )
        parts.append(FoldPart(fold, name, train, rows, lost))
    return parts


class _FoldFits:
    """Fits of everything but some folds; what cross validation asks for twice is kept."""

    def __init__(
        self,
        pairs: Pairs,
        vectors: NDArray[np.float64],
        usable: NDArray[np.bool_],
        vector: Vector,
        classifier: Classifier,
    ) -> None:
        self._pairs, self._vectors, self._usable = pairs, vectors, usable
        self._vector, self._classifier = vector, classifier
        self._kept: dict[frozenset[int], tuple[Scaling, list[Fitted]]] = {}

    def without(
        self, folds: frozenset[int], values: Sequence[float], problem: str
    ) -> tuple[Scaling, list[Fitted]]:
        """Learn scaling and classifiers, one for each value of C, from all other folds."""
        rows = np.flatnonzero(self._usable & ~np.isin(self._pairs.fold, list(folds)))
        labels = self._pairs.same[rows].astype(int)
        if len(set(labels.tolist())) < 2:
            raise UserError(f"{problem}: one label to train on while C is chosen", "Give one value: --C 1")
        scaling = learn_scaling(self._vectors[rows], self._vector)
        return scaling, fit_path(self._classifier, scaling(self._vectors[rows]), labels, values, problem)

    def choose(
        self, fold: int, train: NDArray[np.intp], problem: str
    ) -> tuple[CChoice, tuple[Certificate, ...]]:
        """Choose C for one tested fold: each of the other folds is left out once more."""
        folds = self._pairs.fold[train]
        if len(set(folds.tolist())) < 2:
            raise UserError(
                f"{problem}: one training fold has none to leave out while C is chosen",
                "Give one value, e.g. --C 1, and compare results of several",
            )
        certificates: list[Certificate] = []

        def predict(_: NDArray[np.intp], validation: NDArray[np.intp]) -> NDArray[Any]:
            pair = frozenset({fold, int(folds[validation[0]])})
            if pair not in self._kept:  # leaving out (i, j) serves i's choice and j's
                self._kept[pair] = self.without(pair, self._classifier.values, problem)
            scaling, fits = self._kept[pair]
            certificates.extend(fit.certificate for fit in fits if fit.certificate)
            held = scaling(self._vectors[train[validation]])
            return np.stack([fit.margin(held) > 0 for fit in fits])

        choice = choose_c(predict, self._pairs.same[train], folds, self._classifier.values)
        return choice, worst_of(certificates, f"{problem}, cross validation of C")


def learn_scaling(train: NDArray[np.float64], vector: Vector) -> Scaling:
    """Return what scales pair vectors; means and deviations come from ``train`` alone."""
    if vector == "l2":
        return l2_normalise
    standardiser = Standardiser.learn(train)
    if vector == "zscore":
        return standardiser.apply
    return lambda values: l2_normalise(standardiser.apply(values))


def judge(
    same: NDArray[np.bool_],
    part: FoldPart,
    decision: NDArray[np.float64],
    certificates: tuple[Certificate, ...] = (),
) -> FoldOutcome:
    """Count correct decisions; a lost pair is wrong, and in the ROC on the wrong end."""
    rows, lost = part.rows, part.lost
    total = len(rows) + len(lost)
    correct = int(((decision > 0) == same[rows]).sum())
    # Infinite, to be the worst among the values of all folds, whatever their scales.
    ranked = np.concatenate([decision, np.where(same[lost], -np.inf, np.inf)])
    positive = same[np.concatenate([rows, lost])]
    metrics = {"accuracy": proportion(correct, total, "pairs"), "auc": auc_metric(ranked, positive, "pairs")}
    return FoldOutcome(
        rows, decision, ranked, positive, Split(part.name, metrics, len(part.train), total), certificates
    )


def summarise(outcomes: Sequence[FoldOutcome]) -> dict[str, Metric]:
    """Accuracy ± standard error, pooled AUC, and the mean of the folds' AUCs; of one fold its own numbers.

    Averaging the folds' ROC curves at common thresholds, as the data set's authors do, is pooling all
    decision values when every fold has as many pairs of each label.
    """
    ranked = np.concatenate([outcome.ranked for outcome in outcomes])
    positive = np.concatenate([outcome.positive for outcome in outcomes])
    if len(outcomes) == 1:  # View 1
        return dict(outcomes[0].split.metrics)
    return {
        "accuracy": mean_metric([outcome.split.metrics["accuracy"].value for outcome in outcomes], "folds"),
        "auc": auc_metric(ranked, positive, "pairs"),
        "auc_mean_of_folds": mean_metric([roc_auc(o.ranked, o.positive) for o in outcomes], "folds"),
    }


def chosen_in_folds(outcomes: Sequence[FoldOutcome]) -> dict[str, Any]:
    """Make the option that tells what was chosen in each fold; none where nothing was."""
    return chosen_option((outcome.split.name, outcome.split.chosen) for outcome in outcomes)
