"""Bytes straight into feature files, every error raised at once: HDF5 tells of a full disk too late."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from p3d_eval.errors import UserError
from p3d_eval.features.checks import damaged

# posix_fallocate on file systems that cannot reserve space.
_NO_RESERVATION = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


def unwritable(path: Path, error: OSError | RuntimeError) -> UserError:
    """Return the error for a file that the disk does not take."""
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    return UserError(
        f"cannot write {path}: {reason}", "Free space or mend the disk, then run the same command again"
    )


def reserve(path: Path) -> None:
    """Have the disk set aside all of a file's bytes, holes too, so that later writes find room, and sync it.

    Raises
    ------
    OSError
        When there is no room.
    """
    with path.open("r+b") as file:
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        except OSError as error:
            if error.errno not in _NO_RESERVATION:
                raise
        os.fsync(file.fileno())


class _Medium:
    """A file as HDF5 sees it. A failed write is kept for later: HDF5 itself may crash when it meets one."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        place = self._file.tell()
        try:
            write_at(self._file.fileno(), view, place)
        except OSError as error:
            self.error = self.error or error
        self._file.seek(place + len(view))
        return len(view)

    def truncate(self, size: int) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size


def write_at(descriptor: int, data: memoryview, place: int) -> None:
    """Write all bytes of ``data`` at ``place`` of a file.

    Raises
    ------
    OSError
        When the disk does not take them.
    """
    while len(data):
        count = os.pwrite(descriptor, data, place)
        data, place = data[count:], place + count


@contextmanager
def change_structure(path: Path, mode: str, shown: Path | None = None) -> Iterator[h5py.File]:
    """Open a file to make or change HDF5's structures; errors of the disk are raised at the end.

    Parameters
    ----------
    path : Path
        The file.
    mode : {"w", "r+"}
        A new file, or an existing one.
    shown : Path, optional
        Name for messages, where ``path`` is a temporary one.

    Raises
    ------
    UserError
        When the disk does not take the file.
    """
    try:
        with path.open("w+b" if mode == "w" else "r+b", buffering=0) as file:
            medium = _Medium(file)
            with h5py.File(medium, mode) as opened:
                yield opened
            if medium.error is not None:
                raise medium.error
    except (OSError, RuntimeError) as error:
        raise unwritable(shown or path, error) from error


class _Place:
    """Where a contiguous dataset lies: byte offset, shape, type."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.name = dataset.name
        self.shape = dataset.shape
        self.dtype = dataset.dtype
        offset = dataset.id.get_offset()
        if dataset.size and (offset is None or dataset.chunks is not None):
            raise ValueError(f"{self.name} is not stored contiguously")
        self.offset = int(offset or 0)

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize


class RowWriter:
    """Overwrite rows of a feature file's datasets in place, without HDF5: each write fails or has happened.

    Parameters
    ----------
    path : Path
        A file whose datasets are contiguous, with all space allocated.

    Raises
    ------
    OSError, KeyError, ValueError
        On entry, when it cannot be opened or is no such file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, _Place] = {}
        self._descriptor = -1

    def __enter__(self) -> Self:
        with h5py.File(self._path, "r", locking=False) as file:
            file.visititems(self._note)
        self._descriptor = os.open(self._path, os.O_RDWR)
        return self

    def _note(self, name: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset) and not name.startswith("annotations/"):
            self._places[name] = _Place(found)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def length(self, name: str) -> int:
        """Rows of a dataset."""
        return int(self._places[name].shape[0])

    def write(self, name: str, row: int, values: ArrayLike) -> None:
        """Write one row, or several from ``row`` on, in the stored type.

        Raises
        ------
        OSError
            When the disk does not take them.
        ValueError
            When they are not whole rows of this dataset.
        """
        place = self._places[name]
        data = np.ascontiguousarray(values, place.dtype)
        rows, rest = divmod(data.nbytes, place.row_bytes) if place.row_bytes else (0, 0)
        if rest or row < 0 or row + rows > place.shape[0]:
            raise ValueError(f"{name}: {data.nbytes} bytes at row {row} of {place.shape[0]}")
        view = data.reshape(-1).view(np.uint8).data
        write_at(self._descriptor, view, place.offset + row * place.row_bytes)

    def read(self, name: str, first: int = 0, count: int | None = None) -> NDArray[Any]:
        """Read rows of a dataset."""
        place = self._places[name]
        shape = (place.shape[0] - first if count is None else count, *place.shape[1:])
        size = shape[0] * place.row_bytes
        raw = os.pread(self._descriptor, size, place.offset + first * place.row_bytes)
        if len(raw) != size:
            raise damaged(self._path, f"/{name} is truncated")
        return np.frombuffer(raw, place.dtype).reshape(shape)

    def sync(self) -> None:
        """Wait until everything written is on the disk.

        Raises
        ------
        OSError
            When something did not get there.
        """
        os.fsync(self._descriptor)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
