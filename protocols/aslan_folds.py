"""ASLAN's leave-one-fold-out: scaling learned on the training folds, a linear SVM, accuracy and AUC."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.protocols.annotations.aslan import Pairs
from p3d_eval.protocols.classifiers import OneVsRestLinearSVC
from p3d_eval.protocols.classifiers.fitting import fit_certified
from p3d_eval.protocols.metrics import roc_auc
from p3d_eval.protocols.normalisation import l2_normalise, standardise
from p3d_eval.protocols.result import Certificate, Metric, Split
from p3d_eval.protocols.statistics import auc_metric, mean_metric, proportion

Vector = Literal["zscore+l2", "l2", "zscore"]
VECTORS: tuple[Vector, ...] = get_args(Vector)


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
    certificate : Certificate
        The fit's.
    """

    rows: NDArray[np.intp]
    decision: NDArray[np.float64]
    ranked: NDArray[np.float64]
    positive: NDArray[np.bool_]
    split: Split
    certificate: Certificate


def run_folds(
    pairs: Pairs,
    vectors: NDArray[np.float64],
    usable: NDArray[np.bool_],
    counted: NDArray[np.bool_],
    vector: Vector,
    *,
    C: float,
    tol: float,
    seed: int,
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
    C, tol, seed : float, float, int
        Of the classifier.

    Raises
    ------
    UserError
        When a fold has nothing to test, or only one label to train on.
    """
    outcomes = []
    for fold, name in enumerate(pairs.fold_names):
        train = np.flatnonzero((pairs.fold != fold) & usable)
        rows = np.flatnonzero((pairs.fold == fold) & usable)
        lost = np.flatnonzero((pairs.fold == fold) & counted & ~usable)
        if not len(rows) or len(set(pairs.same[train].tolist())) < 2:
            raise UserError(
                f"fold {name}: too many videos are missing: nothing to test, or one label to train on"
            )
        known, unknown = scale(vectors[train], vectors[rows], vector)
        model = OneVsRestLinearSVC(C=C, tol=tol, random_state=seed)
        certificate = fit_certified(model, known, pairs.same[train].astype(int), f"fold {name}, {vector}")
        decision = model.decision_function(unknown)
        outcomes.append(_judge(pairs.same, name, train, rows, lost, decision, certificate))
    return outcomes


def scale(
    train: NDArray[np.float64], test: NDArray[np.float64], vector: Vector
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale pair vectors; means and deviations come from ``train`` alone."""
    if vector != "l2":
        train, test = standardise(train, test)
    return (train, test) if vector == "zscore" else (l2_normalise(train), l2_normalise(test))


def _judge(
    same: NDArray[np.bool_],
    name: str,
    train: NDArray[np.intp],
    rows: NDArray[np.intp],
    lost: NDArray[np.intp],
    decision: NDArray[np.float64],
    certificate: Certificate,
) -> FoldOutcome:
    """Count correct decisions; a lost pair is wrong, and in the ROC on the wrong end."""
    total = len(rows) + len(lost)
    correct = int(((decision > 0) == same[rows]).sum())
    beyond = float(np.abs(decision).max()) + 1.0
    ranked = np.concatenate([decision, np.where(same[lost], -beyond, beyond)])
    positive = same[np.concatenate([rows, lost])]
    metrics = {"accuracy": proportion(correct, total, "pairs"), "auc": auc_metric(ranked, positive, "pairs")}
    return FoldOutcome(rows, decision, ranked, positive, Split(name, metrics, len(train), total), certificate)


def summarise(outcomes: Sequence[FoldOutcome]) -> dict[str, Metric]:
    """Accuracy ± standard error, pooled AUC, and the mean of the folds' AUCs.

    Averaging the folds' ROC curves at common thresholds, as the data set's authors do, is pooling all
    decision values when every fold has as many pairs of each label.
    """
    ranked = np.concatenate([outcome.ranked for outcome in outcomes])
    positive = np.concatenate([outcome.positive for outcome in outcomes])
    return {
        "accuracy": mean_metric([outcome.split.metrics["accuracy"].value for outcome in outcomes], "folds"),
        "auc": auc_metric(ranked, positive, "pairs"),
        "auc_mean_of_folds": mean_metric([roc_auc(o.ranked, o.positive) for o in outcomes], "folds"),
    }
