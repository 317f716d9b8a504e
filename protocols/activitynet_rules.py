"""ActivityNet's evaluation of a list of predictions, rule by rule (Evaluation/eval_classification.py).

A list may lack videos and classes, hold a label twice, or name videos that are not tested; a matrix of scores
cannot say these things, and `p3d_eval.protocols.metrics` gives the same numbers where there are none of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Predictions:
    """Scored labels of videos, in the order of their file.

    Parameters
    ----------
    video : ndarray of int, shape (n,)
        Row of the tested video; −1 where the video is not tested.
    label : ndarray of int, shape (n,)
        Class.
    score : ndarray of float64, shape (n,)
    """

    video: Index
    label: Index
    score: Array

    def order(self, videos: int) -> Index:
        """Rows of the tested videos in the order in which the list names them first, the others behind."""
        named, first = np.unique(self.video[self.video >= 0], return_index=True)
        place = np.full(videos, len(self.video))
        place[named] = np.flatnonzero(self.video >= 0)[first]
        return np.argsort(place, kind="stable")

    def matrix(self, videos: int, classes: int) -> Array:
        """Highest score of each tested video and class, shape (videos, classes); −∞ where there is none."""
        scores = np.full((videos, classes), -np.inf)
        known = self.video >= 0
        np.maximum.at(scores, (self.video[known], self.label[known]), self.score[known])
        return scores


def hits_at_k(predictions: Predictions, wanted: NDArray[np.bool_], k: int) -> Array:
    """Share of each video's distinct labels that are among its k highest scores, shape (videos,).

    A label that is listed twice takes two of the k places; a video without predictions has 0. Of equal
    scores the later ones come first, as a reversed stable sort leaves them (the official order of ties is
    not specified).

    Parameters
    ----------
    predictions : Predictions
    wanted : ndarray of bool, shape (videos, classes)
    k : int
    """
    order = np.lexsort((np.arange(len(predictions.score)), predictions.score))[::-1]
    order = order[np.argsort(predictions.video[order], kind="stable")]
    video = predictions.video[order]
    first = np.searchsorted(video, video, side="left")
    top = order[(np.arange(len(order)) - first < k) & (video >= 0)]
    guessed = np.zeros_like(wanted)
    guessed[predictions.video[top], predictions.label[top]] = True
    return (guessed & wanted).sum(axis=1) / wanted.sum(axis=1)


def average_precision(predictions: Predictions, wanted: NDArray[np.bool_]) -> Array:
    """Average precision of each class, shape (classes,): VOC 2011's interpolation over the listed predictions.

    A prediction is true when its video shows the class and was not met before at a higher score; a second one
    of the same video and class is false, as is one of a video that is not tested.

    Parameters
    ----------
    predictions : Predictions
    wanted : ndarray of bool, shape (videos, classes)

    Returns
    -------
    ndarray of float64, shape (classes,)
        NaN for a class that no video shows.
    """
    order = np.lexsort((np.arange(len(predictions.score)), predictions.score))[::-1]
    video, label = predictions.video[order], predictions.label[order]
    keys = video * wanted.shape[1] + label
    hit = np.zeros(len(order), bool)
    hit[np.unique(keys, return_index=True)[1]] = True  # the first of a video and class
    hit &= (video >= 0) & wanted[video, label]
    totals = wanted.sum(axis=0)
    values = np.zeros(wanted.shape[1])
    for number in range(wanted.shape[1]):
        own = hit[label == number]
        precision = np.cumsum(own) / np.arange(1, len(own) + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        values[number] = envelope[own].sum() / totals[number] if totals[number] else np.nan
    return values
