"""Exact leave-one-out and leave-one-group-out of one-vs-rest linear SVMs, without a loop of full fits.

A sample without dual weight is no support vector: leaving it out changes nothing. The other folds start from
the full problem's optimum in Gram space, see :mod:`p3d_eval.protocols.leave_one_out_folds`.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d
from torch import Tensor

from p3d_eval.devices import find_device
from p3d_eval.errors import UserError
from p3d_eval.protocols.gram_svm import solve_in_gram
from p3d_eval.protocols.leave_one_out_folds import Worst, solve_folds
from p3d_eval.protocols.threads import own_threads

Array = NDArray[np.float64]
Prepare = Callable[[Array, NDArray[Any], Array], tuple[Array, Array, float]]

TOLERANCE = 1e-10
_FEW_SAMPLES = 2000  # matrices so small lose more to waiting threads than a second core gains


@dataclass(frozen=True)
class LeaveOneOut:
    """What each sample gets from the classifier that was trained without its group.

    Parameters
    ----------
    classes : ndarray, shape (classes,)
        Labels in ascending order.
    values : ndarray of float64, shape (n, classes)
        Decision values; −inf for a class that has no sample outside the group. For two classes the second
        column is LIBLINEAR's decision value, the first its negative.
    predicted : ndarray, shape (n,)
        Label of the largest decision value.
    folds, problems : int
        Number of groups, and of binary problems that a loop over them would solve.
    refits : int
        Binary problems that were solved again.
    exact_from_full : bool
        False where preparation depends on the fold, so that every fold was refitted from its own samples.
    residual : float
        The largest KKT residual (see :func:`p3d_eval.protocols.gram_svm.gradient_bounds`).
    gradient : float
        The largest bound on the objective's gradient: no decision value of a sample x is further than
        gradient · |(x, intercept_scaling)| from the optimum's.
    """

    classes: NDArray[Any]
    values: Array
    predicted: NDArray[Any]
    folds: int
    problems: int
    refits: int
    exact_from_full: bool
    residual: float
    gradient: float

    @property
    def converged(self) -> bool:
        """Whether every problem's KKT residual is at most 1e-10."""
        return self.residual <= TOLERANCE

    @property
    def statement(self) -> str:
        """One sentence on what was solved."""
        total = f"{self.folds} folds, {self.problems} binary problems"
        if not self.exact_from_full:
            return f"{total}: each solved on its own, since what prepares the samples depends on the fold"
        return f"{total}: {self.refits} solved again, the others hold no support vector of the samples left out"


def leave_one_out(
    X: Any,
    y: Any,
    *,
    C: float = 1.0,
    groups: Any = None,
    prepare: Prepare | None = None,
    intercept_scaling: float = 1.0,
    device: str | None = None,
) -> LeaveOneOut:
    """Classify every sample by the linear SVMs that are trained on all other samples, or groups.

    The answer is that of a loop over the groups with LIBLINEAR's one-vs-rest squared-hinge SVM (penalised
    bias) at its optimum.

    Parameters
    ----------
    X : array_like of float, shape (n, D)
        Samples. Whatever was done to them must not have used other samples (L2 normalisation does not,
        standardisation and PCA do: see ``prepare``).
    y : array_like, shape (n,)
        Labels.
    C : float
        Weight of the loss.
    groups : array_like, shape (n,), optional
        Samples that are left out together, such as all clips of a video; by default each alone.
    prepare : callable, optional
        ``prepare(X_train, y_train, X_test) -> (train, test, C)`` for whatever depends on the fold: a
        standardisation, PCA, or a C chosen by cross validation. The shortcut does not hold then: every fold
        is fitted from its own samples, and :attr:`LeaveOneOut.exact_from_full` is False.
    intercept_scaling : float
        Value of the further feature whose weight is the bias.
    device : str, optional
        Where to compute, in float64; the CPU by default.

    Returns
    -------
    LeaveOneOut

    Raises
    ------
    UserError
        When C is not positive, the device is not there or its memory too small, there is one group only, or
        without one of the groups one class remains.
    ValueError
        When X or y are no training data (NaN, one class, different lengths): scikit-learn's checks.

    Examples
    --------
    >>> found = leave_one_out([[0.0], [0.2], [1.0], [1.3]], ["a", "a", "b", "b"], C=100.0)
    >>> found.predicted.tolist(), found.problems
    (['a', 'a', 'b', 'b'], 4)
    """
    for name, value in (("C", C), ("intercept_scaling", intercept_scaling)):
        if not 0 < value < np.inf:
            raise UserError(f"{name}: {value} is not positive")
    where = find_device(device)
    X = check_array(X, dtype=np.float64)
    y, fold_of = _labels(X, y, groups)
    classes, encoded = np.unique(y, return_inverse=True)
    trained = _trained_classes(encoded, fold_of, len(classes))
    count = 1 if len(classes) == 2 else len(classes)
    usable, signs = trained[:, -count:], _signs(encoded, count, where)
    try:
        with own_threads(1) if len(X) < _FEW_SAMPLES else nullcontext():
            if prepare is None:
                samples = _extended(X, intercept_scaling, where)
                values, refits, worst = _from_full(samples, signs, C, fold_of, usable)
            else:
                values, worst = _Refit(X, y, prepare, intercept_scaling, where).run(signs, fold_of)
                refits = int(usable.sum())
    except torch.OutOfMemoryError:
        raise UserError(
            f"out of memory on {where}: leaving one of {len(X)} samples out takes matrices of that size",
            "Use --device cpu",
        ) from None
    if count == 1:
        values = np.column_stack([-values, values])
    values[~trained[fold_of]] = -np.inf
    return LeaveOneOut(
        classes=classes,
        values=values,
        predicted=classes[values.argmax(axis=1)],
        folds=len(trained),
        problems=int(usable.sum()),
        refits=refits,
        exact_from_full=prepare is None,
        residual=worst.residual,
        gradient=worst.gradient,
    )


def _labels(X: Array, y: Any, groups: Any) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Check labels and groups; returns the labels, and the number of each sample's fold."""
    y = column_or_1d(y)
    check_classification_targets(y)
    check_consistent_length(X, y)
    if groups is None:
        return y, np.arange(len(y))
    groups = column_or_1d(groups)
    check_consistent_length(X, groups)
    return y, np.unique(groups, return_inverse=True)[1]


def _trained_classes(encoded: NDArray[np.intp], fold_of: NDArray[np.intp], classes: int) -> NDArray[np.bool_]:
    """Tell which classes have samples outside each fold, shape (folds, classes)."""
    inside = np.zeros((int(fold_of.max()) + 1, classes), int)
    np.add.at(inside, (fold_of, encoded), 1)
    if classes < 2:
        raise ValueError("a classifier needs samples of two classes, got one class")
    if len(inside) < 2:
        raise UserError("groups: all samples are of one group", "Leaving it out leaves nothing to train on")
    trained = inside.sum(axis=0) > inside
    if (trained.sum(axis=1) < 2).any():
        fold = int(np.argmax(trained.sum(axis=1) < 2))
        raise UserError(
            f"groups: without the group of sample {int(np.argmax(fold_of == fold))} only one class remains",
            "Two classes must remain in every fold",
        )
    return trained


def _extended(X: Array, intercept_scaling: float, device: torch.device) -> Tensor:
    samples = torch.from_numpy(np.ascontiguousarray(X)).to(device)
    return torch.nn.functional.pad(samples, (0, 1), value=intercept_scaling)


def _signs(encoded: NDArray[np.intp], problems: int, device: torch.device) -> Tensor:
    """One column a problem, +1 for its class; the last class alone where one problem is enough."""
    labels = torch.from_numpy(encoded).to(device)
    positive = torch.arange(problems, device=device) if problems > 1 else torch.ones(1, device=device)
    return torch.where(labels[:, None] == positive, 1.0, -1.0).to(torch.float64)


def _from_full(
    samples: Tensor, signs: Tensor, C: float, fold_of: NDArray[np.intp], trained: NDArray[np.bool_]
) -> tuple[Array, int, Worst]:
    """Solve the full problems, then the folds that hold a support vector."""
    gram = samples @ samples.T
    full = solve_in_gram(gram, signs, C)
    values, refits = full.values.clone(), 0
    total = Worst.of(full.gradients, full.residuals)
    folds = torch.from_numpy(fold_of).to(gram.device)
    usable = torch.from_numpy(trained).to(gram.device)
    for problem in range(signs.shape[1]):
        holds = torch.zeros(len(trained), dtype=torch.bool, device=gram.device)
        holds[folds[full.duals[:, problem] != 0]] = True
        wanted = (holds & usable[:, problem]).nonzero()[:, 0]
        start = (full.duals[:, problem], full.values[:, problem])
        solved, worst = solve_folds(gram, signs[:, problem], C, start, folds, wanted)
        touched = torch.isin(folds, wanted)
        values[touched, problem] = solved[touched]
        refits, total = refits + len(wanted), total.joined(worst)
    return values.cpu().numpy(), refits, total


@dataclass(frozen=True)
class _Refit:
    """Every fold from its own samples."""

    X: Array
    y: NDArray[Any]
    prepare: Prepare
    intercept_scaling: float
    device: torch.device

    def run(self, signs: Tensor, fold_of: NDArray[np.intp]) -> tuple[Array, Worst]:
        values, worst = np.empty((len(self.X), signs.shape[1])), Worst()
        for fold in range(int(fold_of.max()) + 1):
            out = fold_of == fold
            train, test, C = self.prepare(self.X[~out], self.y[~out], self.X[out])
            train, test = check_array(train, dtype=np.float64), check_array(test, dtype=np.float64)
            known = _extended(train, self.intercept_scaling, self.device)
            unknown = _extended(test, self.intercept_scaling, self.device)
            solved = solve_in_gram(known @ known.T, signs[torch.from_numpy(~out).to(self.device)], C)
            values[out] = (unknown @ (known.T @ solved.duals)).cpu().numpy()
            worst = worst.joined(Worst.of(solved.gradients, solved.residuals))
        return values, worst
