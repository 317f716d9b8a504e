"""Classifiers without training: nearest neighbours and nearest class mean, by cosine."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from p3d_eval.errors import UserError, counted
from p3d_eval.protocols.normalisation import l2_normalise

Array = NDArray[np.float64]

_CELLS = 1 << 24  # similarities held at once: 128 MiB
_HELD_BYTES = 1 << 29  # of the similarities of samples with each other that are held whole


class CosineNeighbours:
    """k nearest neighbours by cosine, each weighted by exp(cosine / temperature).

    The weighting is that of instance discrimination (Wu, Xiong, Yu and Lin, CVPR 2018, section 3.4). All
    training samples as similar as the k-th count, so that their order has no influence. Samples of float32 have
    cosines of float32.

    Parameters
    ----------
    neighbours : int
        k.
    temperature : float
        Infinite for equal weights.

    Examples
    --------
    >>> model = CosineNeighbours(1).fit(np.eye(2), np.array([0, 1]))
    >>> model.scores(np.array([[2.0, 1.0]])).argmax(axis=1).tolist()
    [0]
    """

    def __init__(self, neighbours: int = 20, temperature: float = 0.07) -> None:
        if neighbours < 1:
            raise UserError(f"neighbours: {neighbours} is not positive")
        if not temperature > 0:
            raise UserError(f"temperature: {temperature} is not positive")
        self.neighbours, self.temperature = neighbours, temperature

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:
        """Keep the training samples.

        Raises
        ------
        UserError
            When there are fewer samples than neighbours.
        """
        if len(X) < self.neighbours:
            raise UserError(
                f"neighbours: {self.neighbours} of {counted(len(X), 'training sample')}", "Ask for fewer"
            )
        self.classes_, self._encoded = np.unique(y, return_inverse=True)
        self._samples = l2_normalise(X)
        return self

    def scores(self, X: Array) -> Array:
        """Weight of each class among the neighbours, shape (n, classes), at most 1 a neighbour."""
        return self._votes(l2_normalise(X))

    def left_out_scores(self, groups: NDArray[Any]) -> Array:
        """Score every training sample by its neighbours in other groups, shape (n, classes).

        Parameters
        ----------
        groups : ndarray, shape (n,)
            Samples that do not see each other, such as clips of one video; a sample never sees itself.

        Returns
        -------
        ndarray of float64
            Zeros for a sample that sees no other.
        """
        return self._votes(self._samples, np.unique(groups, return_inverse=True)[1])

    def _votes(self, near: NDArray[Any], groups: NDArray[np.intp] | None = None) -> Array:
        classes = len(self.classes_)
        votes = np.empty((len(near), classes))
        step = max(1, _CELLS // len(self._samples))
        # NumPy computes only half of a matrix's product with its own transpose.
        whole = near is self._samples and near.itemsize * len(near) ** 2 <= _HELD_BYTES
        products = near @ near.T if whole else None
        for start in range(0, len(near), step):
            part = slice(start, start + step)
            cosines = near[part] @ self._samples.T if products is None else products[part]
            if groups is not None:
                cosines[groups[part, None] == groups] = -np.inf
            least = torch.from_numpy(cosines).topk(self.neighbours).values[:, -1:].numpy()
            rows, columns = np.nonzero((cosines >= least) & (cosines > -np.inf))
            weights = np.exp((cosines[rows, columns] - 1) / self.temperature)
            cells = rows * classes + self._encoded[columns]
            votes[part] = np.bincount(cells, weights, len(cosines) * classes).reshape(-1, classes)
        return votes


class CosineClassMeans:
    """Nearest class mean by cosine: the mean of a class's L2-normalised samples stands for it.

    Examples
    --------
    >>> model = CosineClassMeans().fit(np.eye(2), np.array([0, 1]))
    >>> model.scores(np.array([[3.0, 0.0]])).tolist()
    [[1.0, 0.0]]
    """

    def fit(self, X: Array, y: NDArray[Any]) -> Self:
        """Average the samples of each class."""
        self.classes_, encoded = np.unique(y, return_inverse=True)
        members = np.eye(len(self.classes_))[encoded]
        self.means_ = l2_normalise(members.T @ l2_normalise(X))
        return self

    def scores(self, X: Array) -> Array:
        """Cosine with each class's mean, shape (n, classes)."""
        return l2_normalise(X) @ self.means_.T
