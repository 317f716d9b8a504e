"""What two systems are compared by: hits of single trials, the AUC of folds, mean average precision."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.metrics import average_precision, label_ranks, roc_auc
from p3d_eval.protocols.resampled_precision import Convention
from p3d_eval.protocols.scores import Scores

Array = NDArray[np.float64]
Kind = Literal["trials", "folds", "ranking"]

_TOP = re.compile(r"(?:top|hit)_?(?:at_?)?([1-9][0-9]?)(?:_accuracy)?")
_VIDEO = re.compile(r"video_(?:top|hit)([1-9][0-9]?)")  # of the recognition protocols
_RANKING: dict[str, Convention] = {"map": "activitynet", "map_sklearn": "sklearn"}


@dataclass(frozen=True)
class PairedMetric:
    """A metric that scores alone determine.

    Parameters
    ----------
    name : str
    kind : {"trials", "folds", "ranking"}
        Whether each trial, each fold, or only all trials together have a value.
    values : callable
        Scores → a value for each trial, for each fold, or for each class.
    convention : str
        Of a ranking metric.
    """

    name: str
    kind: Kind
    values: Callable[[Scores], Array]
    convention: Convention = "activitynet"


def paired_metric(name: str | None, scores: Scores) -> PairedMetric:
    """Find a metric by name; by default accuracy, for videos of several labels mean average precision.

    Raises
    ------
    UserError
        When there is no such metric, or it does not fit the scores.
    """
    several = scores.labels.ndim == 2
    pairs = scores.scores.ndim == 1
    wanted = name or ("map" if several else "accuracy")
    if wanted in _RANKING:
        if pairs:
            raise UserError(
                f"metric {wanted}: pairs are not ranked by class", "Use accuracy, auc_mean_of_folds"
            )
        rule = _RANKING[wanted]
        return PairedMetric(wanted, "ranking", lambda one: _precisions(one, rule), rule)
    if wanted == "auc_mean_of_folds" and pairs:
        return PairedMetric(wanted, "folds", _fold_areas)
    if wanted == "auc" and pairs:
        raise UserError(
            "metric auc: the area over all folds together has no value for each fold to test",
            "Use --metric auc_mean_of_folds",
        )
    if wanted == "accuracy":
        return PairedMetric(wanted, "trials", _right_pairs if pairs else lambda one: hits(one, 1))
    top = _TOP.fullmatch(wanted) or _VIDEO.fullmatch(wanted)
    if top and not pairs:
        k = int(top[1])
        if k > scores.scores.shape[1]:
            raise UserError(f"metric {wanted}: there are {scores.scores.shape[1]} classes")
        count = _video_hits if _VIDEO.fullmatch(wanted) else hits
        return PairedMetric(wanted, "trials", lambda one: count(one, k))
    known = ["accuracy", "top3", "top5", "video_top5", "video_hit5", *_RANKING]
    known = ["accuracy", "auc_mean_of_folds"] if pairs else known
    raise UnknownNameError("metric", wanted, known)


def hits(scores: Scores, k: int) -> Array:
    """1 for each trial with a right class among its k highest scores, else 0; −inf is no guess.

    Ties are ranked as the metrics do: by column, and for several labels a video as ActivityNet's reversed
    sort leaves them.
    """
    if scores.labels.ndim == 2:
        order = np.argsort(scores.scores, axis=1, kind="stable")[:, ::-1][:, :k]
        found = np.take_along_axis(scores.labels.astype(bool), order, axis=1)
    else:
        order = np.argsort(-scores.scores, axis=1, kind="stable")[:, :k]
        found = order == scores.labels[:, None]
    scored = np.take_along_axis(scores.scores, order, axis=1) > -np.inf
    return np.asarray((found & scored).any(axis=1), np.float64)


def _video_hits(scores: Scores, k: int) -> Array:
    """1 for each video with any of its classes among its k highest scores, ties as Hit@k ranks them."""
    return np.asarray(label_ranks(scores.scores, indicator(scores)) < k, np.float64)


def _right_pairs(scores: Scores) -> Array:
    return ((scores.scores > 0) == (scores.labels == 1)).astype(np.float64)


def _fold_areas(scores: Scores) -> Array:
    """AUC of each fold."""
    areas = []
    for fold in np.unique(scores.split).tolist():
        own = scores.split == fold
        area = roc_auc(scores.scores[own], scores.labels[own] == 1)
        if area is None:
            raise UserError(f"fold {fold + 1}: pairs of one label only have no area under a ROC curve")
        areas.append(area)
    return np.array(areas)


def _precisions(scores: Scores, convention: Convention) -> Array:
    return average_precision(scores.scores, indicator(scores), convention)


def indicator(scores: Scores) -> NDArray[np.bool_]:
    """Which classes each trial shows, shape (n, classes)."""
    if scores.labels.ndim == 2:
        return scores.labels.astype(bool)
    return scores.labels[:, None] == np.arange(scores.scores.shape[1])
