"""Accuracy, ROC and the ActivityNet measures, as the official evaluation code defines them."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from p3d_eval.errors import UserError

Array = NDArray[np.float64]

_RANKED_AT_ONCE = 8192  # samples: Sports-1M's test scores alone are 400 MB


def top_k_accuracy(scores: ArrayLike, labels: ArrayLike, k: int = 1) -> float:
    """Share of samples whose label is among the k highest scores.

    Ties count against the sample: its label must beat, or stand before in column order, all but k − 1 others.

    Parameters
    ----------
    scores : array_like of float, shape (n, classes)
        Score of every class.
    labels : array_like of int, shape (n,)
        Column of the right class.
    k : int
        Number of guesses.

    Raises
    ------
    UserError
        When the shapes do not fit, a label is no column, k is not between 1 and the number of classes, or a
        score is not a number.
    """
    values, targets = _checked_scores(scores), np.asarray(labels)
    if targets.shape != values.shape[:1] or targets.dtype.kind not in "iu":
        raise UserError(f"labels: {len(values)} column indices are needed, got {targets.dtype} {targets.shape}")
    if (targets < 0).any() or (targets >= values.shape[1]).any():
        raise UserError(f"labels: an index is not between 0 and {values.shape[1] - 1}")
    if not 1 <= k <= values.shape[1]:
        raise UserError(f"k: {k} is not between 1 and {values.shape[1]}")
    own = np.take_along_axis(values, targets[:, None], axis=1)
    before = np.arange(values.shape[1]) < targets[:, None]
    rank = (values > own).sum(axis=1) + ((values == own) & before).sum(axis=1)
    return float((rank < k).mean())


def label_ranks(scores: ArrayLike, labels: ArrayLike) -> NDArray[np.intp]:
    """How many guesses come before the best-ranked label of each sample: Hit@k is the share below k.

    Karpathy et al. (CVPR 2014) count a sample of several labels as right when any one of them is among its k
    highest scores. Of equal scores the earlier column is guessed first, and −∞ is never guessed.

    Parameters
    ----------
    scores : array_like of float, shape (n, classes)
    labels : array_like of bool, shape (n, classes)
        Which classes each sample shows, at least one.

    Returns
    -------
    ndarray of int, shape (n,)
        The largest integer where all labels of a sample have −∞.

    Raises
    ------
    UserError
        When the shapes differ, a score is NaN, or a sample shows no class.
    """
    given, shown = np.asarray(scores), np.asarray(labels)
    if given.ndim != 2 or given.shape != shown.shape:
        raise UserError(f"labels {shown.shape} and scores {given.shape} are not two tables of one shape")
    ranks = np.zeros(len(given), np.intp)
    for start in range(0, len(given), _RANKED_AT_ONCE):
        block = slice(start, start + _RANKED_AT_ONCE)
        values, wanted = _multi_label(given[block], shown[block])
        if not wanted.any(axis=1).all():
            raise UserError("labels: every sample needs at least one class")
        best = np.where(wanted, values, -np.inf).max(axis=1, keepdims=True)
        tied = values == best
        before = np.arange(values.shape[1]) < (tied & wanted).argmax(axis=1)[:, None]
        ranks[block] = ((values > best) | (tied & before)).sum(axis=1)
        ranks[block][best[:, 0] == -np.inf] = np.iinfo(np.intp).max
    return ranks


def roc_auc(scores: ArrayLike, positive: ArrayLike) -> float | None:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties one half.

    Parameters
    ----------
    scores : array_like of float, shape (n,)
        Decision values; infinite ones rank before or after all others.
    positive : array_like of bool, shape (n,)
        Which samples are positive.

    Returns
    -------
    float or None
        None where there is no positive or no negative sample.
    """
    values, labels = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if values.ndim != 1 or values.shape != labels.shape:
        raise UserError(f"scores {values.shape} and labels {labels.shape} are not two vectors of one length")
    if np.isnan(values).any():
        raise UserError("scores: a value is NaN")
    n_positive = int(labels.sum())
    n_negative = len(labels) - n_positive
    if not n_positive or not n_negative:
        return None
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    mid_ranks = np.cumsum(counts) - (counts - 1) / 2  # 1-based, ties share their mean (Mann and Whitney, 1947)
    rank_sum = mid_ranks[inverse][labels].sum()
    return float((rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def roc_points(scores: ArrayLike, positive: ArrayLike, fold: ArrayLike | None = None) -> Array:
    """Points of the ROC curve, from (0, 0) to (1, 1); with ``fold`` the mean of the folds' at each threshold.

    Parameters
    ----------
    scores : array_like of float, shape (n,)
        Decision values.
    positive : array_like of bool, shape (n,)
        Which samples are positive.
    fold : array_like, shape (n,), optional
        Fold of each sample. Rates are averaged over folds at common thresholds, as ASLAN's authors publish
        their curves (TPAMI 34(3) 2012, Figure 4); with as many pairs of each label in every fold that is
        the curve of all samples together.

    Returns
    -------
    ndarray of float64, shape (thresholds + 1, 3)
        False positive rate, true positive rate, and the threshold that a score must reach (first: infinity).

    Raises
    ------
    UserError
        When shapes differ, a score is NaN, or a fold has no positive or no negative sample.
    """
    values, labels = np.asarray(scores, np.float64), np.asarray(positive, bool)
    folds = np.zeros(len(values)) if fold is None else np.asarray(fold)
    if values.ndim != 1 or not values.shape == labels.shape == folds.shape:
        raise UserError(f"scores {values.shape}, labels {labels.shape} and folds {folds.shape} differ in shape")
    if np.isnan(values).any():
        raise UserError("scores: a value is NaN")
    thresholds = np.unique(values)[::-1]
    rates = np.zeros((2, len(thresholds)))
    names = np.unique(folds)
    for name in names:
        for row, wanted in zip(rates, (False, True), strict=True):
            own = np.sort(values[(folds == name) & (labels == wanted)])
            if not len(own):
                raise UserError("ROC curve: a fold has no positive or no negative sample")
            row += 1 - np.searchsorted(own, thresholds) / len(own)
    return np.vstack([[0, 0, np.inf], np.column_stack([*(rates / len(names)), thresholds])])


def activitynet_hit_at_k(scores: ArrayLike, labels: ArrayLike, k: int = 3) -> tuple[float, float]:
    """Hit@k and average Hit@k of untrimmed classification.

    Source: activitynet/ActivityNet, Evaluation/eval_classification.py: of each video's distinct labels, the
    share r that is among its k highest scores; average Hit@k is the mean of r, Hit@k the mean of ⌈r⌉.

    Parameters
    ----------
    scores : array_like of float, shape (videos, classes)
        A video without predictions has −inf throughout and scores 0.
    labels : array_like of bool, shape (videos, classes)
        Which classes each video shows, at least one.
    k : int
        Number of guesses.

    Returns
    -------
    tuple of float
        Hit@k, average Hit@k.
    """
    values, wanted = _multi_label(scores, labels)
    if k < 1:
        raise UserError(f"k: {k} is not positive")
    if not len(values) or not wanted.any(axis=1).all():
        raise UserError("labels: every video needs at least one class")
    order = np.argsort(values, axis=1, kind="stable")[:, ::-1][:, :k]  # the official code reverses argsort
    guessed = np.zeros_like(wanted)
    np.put_along_axis(guessed, order, True, axis=1)
    guessed &= values > -np.inf
    share = (guessed & wanted).sum(axis=1) / wanted.sum(axis=1)
    return float(np.ceil(share).mean()), float(share.mean())


def activitynet_average_precision(scores: ArrayLike, labels: ArrayLike) -> Array:
    """Average precision of every class: all-point interpolation of VOC 2011, not scikit-learn's sum of steps.

    Source: activitynet/ActivityNet, Evaluation/eval_classification.py and utils.py. The mean over classes is
    the benchmark's mAP. The official order of tied scores is unspecified; here later videos come first, as
    a reversed stable sort leaves them.

    Parameters
    ----------
    scores : array_like of float, shape (videos, classes)
        A video that has no prediction for a class has −inf there and is not ranked.
    labels : array_like of bool, shape (videos, classes)
        Which classes each video shows.

    Returns
    -------
    ndarray of float64, shape (classes,)
        NaN for a class that no video shows.
    """
    values, wanted = _multi_label(scores, labels)
    return np.array([_interpolated_precision(values[:, c], wanted[:, c]) for c in range(values.shape[1])])


def average_precision(
    scores: ArrayLike, labels: ArrayLike, convention: Literal["activitynet", "sklearn"] = "activitynet"
) -> Array:
    """Average precision of every class by one of two rules, shape (classes,), NaN where no video shows it.

    ``activitynet``: see :func:`activitynet_average_precision`. ``sklearn``: Σ (recall step) · precision
    without interpolation, tied videos at one threshold (scikit-learn's ``average_precision_score``); videos
    without a prediction (−inf) are tied behind all others.
    """
    if convention == "activitynet":
        return activitynet_average_precision(scores, labels)
    values, wanted = _multi_label(scores, labels)
    return np.array([_stepwise_precision(values[:, c], wanted[:, c]) for c in range(values.shape[1])])


def _stepwise_precision(scores: Array, positive: NDArray[np.bool_]) -> float:
    if not positive.any():
        return float("nan")
    order = np.argsort(scores)[::-1]
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # of ties
    hits = np.cumsum(positive[order])[ends]
    return float((np.diff(hits, prepend=0) * hits / (ends + 1)).sum() / hits[-1])


def _interpolated_precision(scores: Array, positive: NDArray[np.bool_]) -> float:
    total = int(positive.sum())
    if not total:
        return float("nan")
    order = np.argsort(scores, kind="stable")[::-1]
    hits = positive[order[scores[order] > -np.inf]]
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    # Recall rises by 1/total at every hit and nowhere else.
    return float(envelope[hits].sum() / total)


def _checked_scores(scores: ArrayLike) -> Array:
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or not len(values):
        raise UserError(f"scores: an array (samples, classes) is needed, got {values.shape}")
    if np.isnan(values).any():
        raise UserError("scores: a value is NaN")
    return values


def _multi_label(scores: ArrayLike, labels: ArrayLike) -> tuple[Array, NDArray[np.bool_]]:
    values, wanted = _checked_scores(scores), np.asarray(labels)
    if wanted.shape != values.shape:
        raise UserError(f"labels {wanted.shape} and scores {values.shape} differ in shape")
    return values, wanted.astype(bool)
