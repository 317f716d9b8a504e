"""A stored layer as the similarities take it: flattened or averaged over positions, with or without roots."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from p3d_eval.features import FeatureStore

Floats = NDArray[np.floating[Any]]
Pooling = Literal["flatten", "avg"]


class LayerView:
    """Rows and columns of one layer.

    Parameters
    ----------
    store : FeatureStore
    layer : str
        Its native shape begins with the channels.
    pooling : {"flatten", "avg"}
        All values in C order, or each channel's mean over time and space.
    root : bool
        Whether each value's signed square root is taken, after pooling.
    """

    def __init__(
        self, store: FeatureStore, layer: str, pooling: Pooling = "flatten", root: bool = False
    ) -> None:
        self._values = store[layer]
        self.stored_width = self._values.shape[1]
        self._positions = int(np.prod(store.shape(layer)[1:], dtype=np.int64)) if pooling == "avg" else 1
        self._root = root
        self.shape = (self._values.shape[0], self._values.shape[1] // self._positions)
        self.dtype = self._values.dtype

    def rows(self, ids: Sequence[str], out: Floats | None = None, checked: bool = True) -> Floats:
        """Values of these videos, shape (len(ids), D); into ``out`` where it is given."""
        if self._positions == 1 and not self._root:
            return self._values.rows(ids, out, checked)
        values = self._transformed(self._values.rows(ids))
        if out is None:
            return values
        out[...] = values
        return out

    def columns(self, start: int, stop: int) -> Floats:
        """Values ``start`` to ``stop`` of every video of the store."""
        return self._transformed(self._values.columns(start * self._positions, stop * self._positions))

    def _transformed(self, values: Floats) -> Floats:
        if self._positions > 1:
            pooled = values.reshape(len(values), -1, self._positions).mean(axis=2, dtype=np.float64)
            values = pooled.astype(self.dtype)
        return np.sign(values) * np.sqrt(np.abs(values)) if self._root else values
