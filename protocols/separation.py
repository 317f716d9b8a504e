"""How far the classes lie apart in a feature space, without training: neighbours' votes and silhouettes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.protocols.classifiers.neighbours import CosineNeighbours
from p3d_eval.protocols.normalisation import l2_normalise
from p3d_eval.protocols.resampling import Part
from p3d_eval.protocols.result import Metric
from p3d_eval.protocols.statistics import mean_over_splits

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Separation:
    """Two numbers on how well classes are separated.

    Parameters
    ----------
    neighbours : int
        k of the votes.
    accuracy : Metric
        Share of samples whose k nearest neighbours in other groups, by weighted votes, tell their class.
    silhouette : float
        Mean silhouette with cosine distance, between −1 and 1.
    """

    neighbours: int
    accuracy: Metric
    silhouette: float


def separation(
    X: Array,
    labels: NDArray[np.intp],
    groups: Sequence[str],
    *,
    neighbours: int = 20,
    temperature: float = 0.07,
    seed: int = 0,
    kind: str = "groups",
) -> Separation:
    """Measure how well classes are separated.

    Parameters
    ----------
    X : ndarray of float64, shape (n, D)
        Samples.
    labels : ndarray of int, shape (n,)
        Class of each, at least two different ones.
    groups : sequence of str, length n
        Samples that do not vote for each other and are resampled together, such as clips of one video.
    neighbours : int
        k; all other samples where there are fewer.
    temperature, seed
        Of the votes (see :class:`CosineNeighbours`) and of the bootstrap.
    kind : str
        What the groups are, for the interval's description.

    Raises
    ------
    UserError
        When there are not two classes.
    """
    classes, encoded = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise UserError(f"{len(X)} samples of {len(classes)} class", "Separation needs two classes or more")
    k = min(neighbours, len(X) - 1)
    near = l2_normalise(X).astype(np.float32)  # half the time of float64, and cosines are off by 1e-6 at most
    votes = CosineNeighbours(k, temperature).fit(near, encoded).left_out_scores(np.asarray(groups))
    right = (votes.argmax(axis=1) == encoded) & (votes.max(axis=1) > 0)
    accuracy = mean_over_splits([Part(right.astype(np.float64), list(groups))], "videos", kind, seed)
    return Separation(k, accuracy, float(cosine_silhouettes(X, encoded).mean()))


def cosine_silhouettes(X: Array, labels: NDArray[Any]) -> Array:
    """Silhouette of each sample (Rousseeuw, J. Comput. Appl. Math. 20, 1987) with cosine distance.

    The mean cosine of a sample with a class is its inner product with the class's mean, so that no distances
    of pairs are needed. The only sample of its class has 0.

    Parameters
    ----------
    X : ndarray of float, shape (n, D)
    labels : ndarray, shape (n,)
        At least two different ones.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    classes, encoded, counts = np.unique(labels, return_inverse=True, return_counts=True)
    near, places = l2_normalise(np.asarray(X, np.float64)), np.arange(len(X))
    sums = np.eye(len(classes))[encoded].T @ near
    cosines = near @ sums.T
    own = cosines[places, encoded] - (near * near).sum(axis=1)
    others = counts[encoded] - 1
    within = 1 - own / np.maximum(others, 1)
    means = 1 - cosines / counts
    means[places, encoded] = np.inf
    between = means.min(axis=1)
    larger = np.maximum(within, between)
    found = np.divide(between - within, larger, out=np.zeros(len(near)), where=larger > 0)
    return np.where(others > 0, found, 0.0)
