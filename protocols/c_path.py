"""The weight C of a classifier's loss: a value, or the best of several by group-aware cross validation.

Only training samples are looked at. The samples of a group (a video's clips, a fold of pairs) stay together,
in training or in validation.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError

CV_GRID = (0.01, 0.1, 1.0, 10.0, 100.0)  # what "cv" stands for: LIBLINEAR's default and two decades around
C_RANGE = (1e-12, 1e12)  # beyond, sums of the objective lose what they are made of in double precision
FOLDS = 5

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def parse_c(value: float | str) -> float | str:
    """Bring what a user gave for C to one form: a number, ``"cv"``, or an ascending list ``"0.1,1,10"``.

    Raises
    ------
    UserError
        When a value is no positive finite number, is out of `C_RANGE`, or stands twice.
    """
    if value == "cv":
        return "cv"
    try:
        values = [float(part) for part in str(value).split(",")]
    except ValueError:
        raise UserError(
            f"C: {value!r} is not a float, cv, or floats with commas between", "E.g. --C 0.1,1,10"
        ) from None
    for one in values:
        if not 0 < one < np.inf:
            raise UserError(f"C: {one} is not positive" if one <= 0 else f"C: {one} is not finite")
        if not C_RANGE[0] <= one <= C_RANGE[1]:
            raise UserError(f"C: {one} is not between {C_RANGE[0]:g} and {C_RANGE[1]:g}")
    if len(set(values)) < len(values):
        raise UserError(f"C: {value!r} holds a value twice")
    return values[0] if len(values) == 1 else ",".join(f"{one:g}" for one in sorted(values))


def c_values(value: float | str) -> tuple[float, ...]:
    """Values to choose from, ascending: one where there is nothing to choose."""
    parsed = parse_c(value)
    if parsed == "cv":
        return CV_GRID
    return tuple(float(part) for part in str(parsed).split(","))


@dataclass(frozen=True)
class CChoice:
    """What cross validation found.

    Parameters
    ----------
    C : float
        The chosen value: the most accurate one, the smallest of equals.
    values : tuple of float
        What there was to choose from, ascending.
    accuracies : tuple of float
        Share of the training samples that were right while they were left out.
    folds : int
        Number of parts that the groups were dealt to.
    """

    C: float
    values: tuple[float, ...]
    accuracies: tuple[float, ...]
    folds: int


def group_folds(groups: Sequence[Hashable], folds: int, seed: int) -> Index:
    """Deal groups to folds: in a random order, as many to each as can be.

    Parameters
    ----------
    groups : sequence of hashable, length n
        Group of each sample, sortable.
    folds : int
        Number of folds; fewer where there are fewer groups.
    seed : int
        Seed of the order.

    Returns
    -------
    ndarray of int, shape (n,)
        Fold of each sample.

    Raises
    ------
    UserError
        When all samples are of one group.
    """
    names = sorted(set(groups), key=lambda name: (str(type(name)), name))
    if len(names) < 2:
        raise UserError("C: cross validation needs training samples of two groups", "Give one value: --C 1")
    order = np.random.default_rng(seed).permutation(len(names))
    fold = {names[position]: place % folds for place, position in enumerate(order.tolist())}
    return np.array([fold[name] for name in groups], np.intp)


def one_class_remains(labels: NDArray[Any], folds: Index) -> bool:
    """Whether without some fold the others show one class only, so that nothing can be trained on them."""
    for fold in np.unique(folds):
        own = labels[folds != fold]
        if (own.any(axis=0).sum() if own.ndim == 2 else len(np.unique(own))) < 2:
            return True
    return False


def choose_c(
    predict: Callable[[Index, Index], NDArray[Any]],
    labels: NDArray[Any],
    folds: Index,
    values: Sequence[float],
) -> CChoice:
    """Choose the value that is right most often on samples left out of training.

    Parameters
    ----------
    predict : callable
        ``predict(train, validation)`` fits rows ``train`` for every value and returns the predicted labels of
        rows ``validation``, shape (values, validation).
    labels : ndarray, shape (n,), or of bool, shape (n, classes)
        True labels; of several labels a sample, predicting any one of them is right.
    folds : ndarray of int, shape (n,)
        Fold of each sample.
    values : sequence of float
        Ascending.
    """
    right = np.zeros(len(values), np.int64)
    names = np.unique(folds)
    for fold in names:
        validation = np.flatnonzero(folds == fold)
        predicted = predict(np.flatnonzero(folds != fold), validation)
        right += _hits(predicted, labels[validation]).sum(axis=1)
    best = int(right.argmax())  # the first of equals: the smallest
    return CChoice(values[best], tuple(values), tuple((right / len(labels)).tolist()), len(names))


def _hits(predicted: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each prediction, shape (values, n), is right."""
    if labels.ndim == 1:
        return predicted == labels
    return np.take_along_axis(labels, predicted.T, axis=1).T
