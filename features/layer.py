"""A stored layer as a lazy two-dimensional array: videos × values, read in the parts that are asked for."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError, shorten
from p3d_eval.features.checks import damaged

if TYPE_CHECKING:
    from p3d_eval.features.store import FeatureStore

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Extent:
    """Where a contiguous dataset lies in its file: byte offset, rows, shape of a row, type, inode."""

    dataset: str
    offset: int
    rows: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    inode: int

    @property
    def width(self) -> int:
        """Values in a row."""
        return int(np.prod(self.shape, dtype=np.int64))


def read_rows(
    path: Path, extent: Extent, rows: NDArray[np.int64], start: int, stop: int, out: Floats | None = None
) -> Floats:
    """Read columns ``start:stop`` of some rows straight from the file, neighbouring whole rows at once.

    Reading needs no HDF5 handle, so it works in any thread and in any forked or spawned process. Where
    ``out`` is contiguous and of the stored type, values are read into it.

    Returns
    -------
    ndarray, shape (len(rows), stop - start)
        In the stored type.

    Raises
    ------
    UserError
        When the file ends too early or cannot be read.
    """
    item = extent.dtype.itemsize
    fits = out is not None and out.dtype == extent.dtype and out.flags.c_contiguous
    values = out if out is not None and fits else np.empty((len(rows), stop - start), extent.dtype)
    whole = stop - start == extent.width
    # A run is a stretch of rows that lie one after the other; parts of rows are read one by one.
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1 if whole else np.arange(1, len(rows))
    edges = [0, *breaks.tolist(), len(rows)] if len(rows) else [0]
    try:
        with path.open("rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_ino != extent.inode:
                raise UserError(f"{path} was replaced after it was opened", "Open it again")
            for first, last in pairwise(edges):
                file.seek(extent.offset + (int(rows[first]) * extent.width + start) * item)
                _fill(path, extent, file, values[first:last])
    except OSError as error:
        raise UserError(f"{path}: {extent.dataset} cannot be read ({error.strerror})") from error
    return values


def _fill(path: Path, extent: Extent, file: Any, part: Floats) -> None:
    view = part.reshape(-1).view(np.uint8).data
    while len(view):
        count = file.readinto(view)
        if not count:
            raise damaged(path, f"{extent.dataset} is truncated")
        view = view[count:]


class Layer:
    """One layer of a store as an array of shape (videos with features, values), in C order of its native shape.

    Values are checked when they are read: NaN and infinity are errors that name the file, the dataset and
    the video. Values stored in float16 are given as float32.

    Parameters
    ----------
    store : FeatureStore
        The file that holds it.
    extent : Extent
        Where it lies.

    Examples
    --------
    ``store["pool5"][:10]``, ``store["pool5"].rows(["a/b"])``, ``np.asarray(store["pool5"])``.
    """

    def __init__(self, store: "FeatureStore", extent: Extent) -> None:
        self._store = store
        self._extent = extent
        self.shape: tuple[int, int] = (len(store.ids), extent.width)
        self.dtype: np.dtype[Any] = (
            np.dtype(np.float32) if extent.dtype.itemsize == 2 else extent.dtype.newbyteorder("=")
        )

    ndim = 2

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        size = f"{self.shape[0]} × {self.shape[1]} {self.dtype}"
        return f"<Layer {self._extent.dataset} of {self._store.path}: {size}>"

    def _read(
        self,
        positions: NDArray[np.int64],
        start: int,
        stop: int,
        out: Floats | None = None,
        checked: bool = True,
    ) -> Floats:
        """Read by position among the ids, in any order, with repetitions."""
        found = self._store.file_rows[positions]
        values = read_rows(self._store.path, self._extent, found, start, stop, out)
        values = values.astype(self.dtype, copy=False)
        wrong = ~np.isfinite(values).all(axis=1) if checked else np.zeros(len(values), bool)
        if wrong.any():
            video = self._store.ids[int(positions[int(np.argmax(wrong))])]
            raise UserError(
                f"{self._store.path}: {self._extent.dataset} of video {video!r} has NaN or infinite values",
                f"{int(wrong.sum())} of {len(values)} videos read are so; extract or import them again",
            )
        if out is None or values is out:
            return values
        out[...] = values
        return out

    def rows(self, ids: Sequence[str], out: Floats | None = None, checked: bool = True) -> Floats:
        """Activations of the videos ``ids``, in that order, shape (len(ids), values).

        Parameters
        ----------
        ids : sequence of str
        out : ndarray of that shape, optional
            Where to write them, in its own type; by default a new array in the type of the layer.
        checked : bool
            False for a caller that looks for values that are not finite itself.

        Raises
        ------
        UserError
            When an id has no features, or a value is not finite.
        """
        missing = [video for video in ids if video not in self._store.positions]
        if missing:
            raise UserError(f"{self._store.path} has no features of {len(missing)} videos: {shorten(missing)}")
        positions = np.array([self._store.positions[video] for video in ids], np.int64)
        return self._read(positions, 0, self.shape[1], out, checked)

    def columns(self, start: int, stop: int) -> Floats:
        """Values ``start`` to ``stop`` of every video, shape (videos, stop - start)."""
        if not 0 <= start <= stop <= self.shape[1]:
            raise IndexError(f"columns {start}:{stop} of {self.shape[1]}")
        return self._read(np.arange(len(self)), start, stop)

    def __getitem__(self, key: Any) -> Any:
        """Index as NumPy does; only the rows, and the stretch of columns, that are asked for are read."""
        row_key, column_key = (*key, slice(None))[:2] if isinstance(key, tuple) else (key, slice(None))
        if isinstance(key, tuple) and len(key) > 2:
            raise IndexError(f"a layer has 2 axes, {len(key)} were indexed")
        positions = np.arange(len(self))[row_key]
        columns = np.arange(self.shape[1])[column_key]
        flat = np.atleast_1d(positions).reshape(-1)
        if columns.size == 0 or flat.size == 0:
            values = np.empty((flat.size, columns.size), self.dtype)
        else:
            start, stop = int(columns.min()), int(columns.max()) + 1
            values = self._read(flat, start, stop)[:, np.atleast_1d(columns) - start]
        return values.reshape(np.shape(positions) + np.shape(columns))[()]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Floats:
        """Read the whole layer."""
        if copy is False:
            raise ValueError("a stored layer cannot become an array without being read")
        values = self._read(np.arange(len(self)), 0, self.shape[1])
        return values if dtype is None else values.astype(dtype, copy=False)
