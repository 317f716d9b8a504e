"""One writer at a time: an advisory lock on a file beside the feature file, which dies with its process."""

import fcntl
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Self

from p3d_eval.errors import UserError


def lock_path(path: Path) -> Path:
    """Name of the lock file of ``path``."""
    return path.with_name(path.name + ".lock")


class WriterLock:
    """Hold the right to write ``path``.

    The kernel drops the lock when the process ends, by whatever signal, so that nothing has to be
    cleaned up by hand: a lock file that is left over is locked again by the next writer.

    Parameters
    ----------
    path : Path
        The file to be written (it need not exist).

    Raises
    ------
    UserError
        On entry, when another process holds the lock or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = lock_path(path)
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        while self._descriptor is None:
            self._descriptor = self._take()
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}@{socket.gethostname()}".encode(), 0)
        return self

    def _take(self) -> int | None:
        """Lock the file; None when its last owner removed it in between."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(
                f"cannot write {self.path}: {error.strerror}", "Choose a folder that you may write to"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == self._file.stat().st_ino:
                return descriptor
        except BlockingIOError:
            owner = os.pread(descriptor, 256, 0).decode("utf-8", "replace") or "unknown"
            os.close(descriptor)
            raise UserError(
                f"{self.path} is being written by another process ({owner})",
                "Wait for it, or choose another --out",
            ) from None
        except FileNotFoundError:
            pass
        os.close(descriptor)
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            self._file.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None
