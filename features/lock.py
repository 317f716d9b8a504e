"""One writer at a time: an advisory lock on a hidden file beside the feature file; it dies with its process."""

import fcntl
import os
import re
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from p3d_eval.errors import UserError

_OWNER = re.compile(rb"\d+@\S*")  # process id and host; cut short where the disk was full
_OWNER_BYTES = 256


def lock_path(path: Path) -> Path:
    """Name of the lock file of ``path``."""
    return path.with_name(f".{path.name}.lock")


class WriterLock:
    """Hold the right to write ``path``.

    The kernel drops the lock when the process ends, by whatever signal, so that nothing has to be
    cleaned up by hand: a lock file that is left over is locked again by the next writer, who also removes
    the unfinished copies that a killed one left.

    Parameters
    ----------
    path : Path
        The file to be written (it need not exist).

    Raises
    ------
    UserError
        On entry, when another process holds the lock, the folder cannot be written or its file system has no
        locks, or a file of the lock's name is none of ours.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = lock_path(path)
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        while self._descriptor is None:
            self._descriptor = self._take()
        with suppress(OSError):  # on a full disk the lock holds, and only its owner's name is missing
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}@{socket.gethostname()}".encode(), 0)
        self._remove_unfinished()
        return self

    def _take(self) -> int | None:
        """Lock the file; None when its last owner removed it in between."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise UserError(
                f"cannot write {self.path}: {error.strerror}", "Choose a folder that you may write to"
            ) from error
        taken = False
        try:
            owner = os.pread(descriptor, _OWNER_BYTES, 0)
            if owner and not _OWNER.fullmatch(owner):
                raise UserError(
                    f"{self._file} is in the way: it has a lock's name and other contents",
                    "Move it elsewhere, or choose another --out",
                )
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = os.fstat(descriptor).st_ino == self._file.stat().st_ino
        except BlockingIOError:
            shown = owner.decode("utf-8", "replace") or "unknown"
            raise UserError(
                f"{self.path} is being written by another process ({shown})",
                "Wait for it, or choose another --out",
            ) from None
        except FileNotFoundError:
            pass
        except OSError as error:
            raise UserError(
                f"{self._file} cannot be locked: {error.strerror}",
                "Choose a folder on a file system that has locks (flock)",
            ) from error
        finally:
            if not taken:
                os.close(descriptor)
        return descriptor if taken else None

    def _remove_unfinished(self) -> None:
        """Remove copies under temporary names: whoever holds the lock knows that nobody works on them."""
        name = re.escape(self.path.name)
        unfinished = re.compile(rf"\.{name}\.tmp-\d+|\.{name}\.new|\.\.{name}\.tmp-\d+\.new")
        with suppress(OSError):  # a folder may be written to and not listed
            for path in self.path.parent.iterdir():
                if unfinished.fullmatch(path.name):
                    path.unlink(missing_ok=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            self._file.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None
