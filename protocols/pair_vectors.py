"""Pair vectors: the twelve similarities of many pairs on one stored layer, read in blocks of columns."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.similarities import PairSums

Array = NDArray[np.float64]
Negatives = Literal["error", "split", "clip"]
VideoNormalisation = Literal["l2", "none"]

_BLOCK_VALUES = 1 << 24  # of one block of columns over all videos: 128 MiB in float64


def layer_similarities(
    store: FeatureStore,
    layer: str,
    videos: Sequence[str],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    *,
    normalise: VideoNormalisation,
    negatives: Negatives,
    eps: float,
) -> Array:
    """Compute the twelve similarities of every pair on one layer.

    Memory does not grow with the layer: it is read twice in blocks of columns, for the norms and for the
    sums (once where one block holds it all).

    Parameters
    ----------
    store : FeatureStore
        The feature file.
    layer : str
        Name of the layer, flattened in C order.
    videos : sequence of str
        Ids of the videos that occur in pairs.
    first, second : ndarray of int, shape (n,)
        Indices into ``videos``.
    normalise : {"l2", "none"}
        Whether each video's activation is divided by its L2 norm before rows 1–8 (rows 9–12 always do).
    negatives : {"error", "split", "clip"}
        Negative values are refused, become further dimensions ([x⁺, x⁻]), or become 0.
    eps : float
        See :func:`p3d_eval.protocols.similarities.pair_similarities`.

    Returns
    -------
    ndarray of float64, shape (n, 12)

    Raises
    ------
    UserError
        When the layer is unknown, or a value is not finite, or negative under ``negatives="error"``.
    """
    fits = store[layer].shape[1] <= _width(len(store.ids))
    kept = list(_blocks(store, layer, videos, negatives)) if fits else []
    squares = np.zeros(len(videos))
    for block in kept or _blocks(store, layer, videos, negatives):
        squares += np.einsum("ij,ij->i", block, block)
    norms = np.sqrt(squares)
    given = np.ones(len(videos)) if normalise == "l2" else norms
    sums = PairSums(first, second, given, given, eps)
    for block in kept or _blocks(store, layer, videos, negatives):
        if normalise == "l2":
            block /= np.where(norms > 0, norms, 1.0)[:, None]
        sums.add(block, block)
    return sums.result()


def _width(videos: int) -> int:
    """Columns of one block."""
    return max(1, _BLOCK_VALUES // max(1, videos))


def _blocks(store: FeatureStore, layer: str, videos: Sequence[str], negatives: Negatives) -> Iterator[Array]:
    """Yield the layer's columns block by block in float64, without negative values."""
    stored = store[layer]
    rows = [store.positions[video] for video in videos]
    width = _width(len(store.ids))
    for start in range(0, stored.shape[1], width):
        block = stored.columns(start, min(start + width, stored.shape[1]))[rows].astype(np.float64)
        if negatives == "split":
            block = np.concatenate([np.maximum(block, 0), np.maximum(-block, 0)], axis=1)
        elif negatives == "clip":
            np.maximum(block, 0, out=block)
        elif (block < 0).any():
            row, column = np.argwhere(block < 0)[0]
            raise UserError(
                f"{store.path}: layer {layer!r} of {videos[row]!r} has the negative value "
                f"{block[row, column]:.6g} at {start + column}: the similarities take roots and logarithms",
                "Add --negatives split ([x⁺, x⁻]: nothing is lost) or --negatives clip",
            )
        yield block
