"""Pair vectors: the twelve similarities of many pairs on one stored layer, read in blocks."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.layer_view import LayerView, Pooling
from p3d_eval.protocols.similarities import FIRST_UNIT_ROW, PairSums, measure_rows

Array = NDArray[np.float64]
Negatives = Literal["error", "split", "clip"]
VideoNormalisation = Literal["l2", "signed-sqrt-l2", "none"]
Given = Literal["none", "l2"]
UnitNorm = Literal["l2", "l1", "none"]

_KEPT_BYTES = 768 << 20  # a layer up to this size is kept between the norms and the sums, else read twice
_READ_BYTES = 48 << 20  # of one read of columns, which is held about twice
_ROW_BYTES = 4 << 20  # of one read of rows: what a reader checks and sums stays in its cache
_READERS = 2


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
    device: str | None = None,
    pooling: Pooling = "flatten",
    last_rows: UnitNorm = "l2",
) -> Array:
    """Compute the twelve similarities of every pair on one layer.

    Memory does not grow with the layer: it is read by rows for the norms, and kept where it is small, else
    read again by blocks of columns for the sums.

    Parameters
    ----------
    store : FeatureStore
        The feature file.
    layer : str
        Name of the layer.
    videos : sequence of str
        Ids of the videos that occur in pairs.
    first, second : ndarray of int, shape (n,)
        Indices into ``videos``.
    normalise : {"l2", "signed-sqrt-l2", "none"}
        Whether each video's activation is divided by its L2 norm before rows 1–8; the roots of
        ``signed-sqrt-l2`` come first, for all rows.
    negatives : {"error", "split", "clip"}
        Negative values are refused, become further dimensions ([x⁺, x⁻]), or become 0.
    eps : float
        See :func:`p3d_eval.protocols.similarities.pair_similarities`.
    device : str or None
        Where to compute: see :func:`p3d_eval.devices.find_device`.
    pooling : {"flatten", "avg"}
        All values in C order, or each channel's mean.
    last_rows : {"l2", "l1", "none"}
        What rows 9–12 divide by: the L2 norm as defined (see `pair_similarities`), or another reading.

    Returns
    -------
    ndarray of float64, shape (n, 12)

    Raises
    ------
    UserError
        When the layer is unknown, or a value is not finite, or negative under ``negatives="error"``.
    """
    view = LayerView(store, layer, pooling, root=normalise == "signed-sqrt-l2")
    given: Given = "none" if normalise == "none" else "l2"
    # Values as stored may hold any size, which float32's squares do not.
    single = given == "l2" and last_rows != "none"
    source = _Source(store, layer, view, videos, negatives, single)
    lengths = source.read_norms()

    def similarities(norms: Array, how: Given) -> Array:
        width = view.shape[1]
        sums = PairSums(first, second, norms, norms, eps, given=how, device=device, dimensions=width)
        for block in source.blocks():
            sums.add(block)
        return sums.result()

    found = similarities(lengths, given)
    if last_rows != "l2":
        norms = source.read_norms(absolute=True) if last_rows == "l1" else np.ones_like(lengths)
        found[:, FIRST_UNIT_ROW:] = similarities(norms, "l2")[:, FIRST_UNIT_ROW:]
    return found


class _Source:
    """A layer's values of some videos, by rows and by columns, without negative values."""

    def __init__(
        self,
        store: FeatureStore,
        layer: str,
        values: LayerView,
        videos: Sequence[str],
        negatives: Negatives,
        single: bool,
    ) -> None:
        self._store, self._layer, self._negatives = store, layer, negatives
        self._values = values
        self._videos = videos
        self._dtype = np.dtype(np.float32 if single and values.dtype == np.float32 else np.float64)
        self._kept: NDArray[np.floating] | None = None

    def read_norms(self, absolute: bool = False) -> Array:
        """L2 or L1 norm of every video; keeps the values on the way where they are few."""
        width = self._values.shape[1]
        if self._kept is None and len(self._videos) * width * self._dtype.itemsize <= _KEPT_BYTES:
            self._kept = np.empty((len(self._videos), width), self._dtype)
        step = max(1, _ROW_BYTES // (width * self._dtype.itemsize))
        norms = np.empty(len(self._videos))

        def read(start: int) -> None:
            part = slice(start, start + step)
            kept = None if self._kept is None else self._kept[part]
            # A value that is not finite shows in the norm, unless it is cut off.
            rows = self._values.rows(self._videos[part], kept, checked=self._negatives == "clip")
            positive = np.maximum(rows, 0) if self._negatives == "clip" else rows
            found, negative = measure_rows(positive, len(self._videos) * width)
            norms[part] = np.abs(positive).sum(axis=1, dtype=np.float64) if absolute else found
            if not np.isfinite(norms[part]).all():
                self._values.rows(self._videos[part])  # raises, and names the video
            if self._negatives == "error" and negative.any():
                raise self._negative(rows, start)

        with ThreadPoolExecutor(_READERS) as pool:
            list(pool.map(read, range(0, len(self._videos), step)))
        return norms

    def blocks(self) -> Iterator[NDArray[np.floating]]:
        """Yield all columns, some at a time."""
        if self._kept is not None and self._negatives == "error":
            yield self._kept
            return
        rows = [self._store.positions[video] for video in self._videos]
        step = max(1, _READ_BYTES // (len(self._store.ids) * self._dtype.itemsize))
        width = self._values.shape[1]
        for start in range(0, width, step):
            stop = min(start + step, width)
            if self._kept is not None:
                block = self._kept[:, start:stop]
            else:
                block = self._values.columns(start, stop)[rows].astype(self._dtype, copy=False)
            yield from self._without_negatives(block)

    def _without_negatives(self, block: NDArray[np.floating]) -> Iterator[NDArray[np.floating]]:
        if self._negatives == "error":
            yield block
            return
        yield np.maximum(block, 0)
        if self._negatives == "split":
            yield np.maximum(-block, 0)

    def _negative(self, block: NDArray[np.floating], first: int) -> UserError:
        row, offset = np.argwhere(block < 0)[0]
        return UserError(
            f"{self._store.path}: layer {self._layer!r} of {self._videos[first + row]!r} has the negative "
            f"value {block[row, offset]:.6g} at {offset}: the similarities take roots and logarithms",
            "Add --negatives split ([x⁺, x⁻]: nothing is lost) or --negatives clip",
        )
