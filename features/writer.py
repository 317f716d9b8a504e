"""Writing a feature file so that it is sound after a SIGKILL, or a full disk, at any moment."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from p3d_eval.features.checks import damaged
from p3d_eval.features.direct import RowWriter, reserve, unwritable
from p3d_eval.features.layout import create_file
from p3d_eval.features.schema import (
    DONE,
    FAILED,
    PENDING,
    REASON_BYTES,
    UNKNOWN_FRAMES,
    StorePlan,
    encode_text,
    run_rows,
)
from p3d_eval.provenance import now

_COMPLETE = np.ones(1, "u1")


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_store(path: Path, plan: StorePlan, shown: Path | None = None) -> None:
    """Make an empty feature file at ``path``, whole or not at all, replacing what is there.

    The disk sets all its space aside, so that a run does not find the disk full half-way.

    Parameters
    ----------
    path : Path
        The file to make.
    plan : StorePlan
        What it will hold.
    shown : Path, optional
        Name for messages, where ``path`` is a temporary one.

    Raises
    ------
    UserError
        When the plan has unusable names, or the disk does not take the file.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        create_file(temporary, plan, shown or path)
        reserve(temporary)
        temporary.replace(path)
        sync_folder(path.resolve().parent)
    except OSError as error:
        raise unwritable(shown or path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


class StoreWriter:
    """Add videos to an existing feature file; whoever writes must hold its lock.

    A video's values are written and synced first, then its status byte, so that a status never promises
    what is not there: not after a SIGKILL, and not on a disk that is full. No structure of HDF5 itself
    changes after the file was made. Every method raises UserError when the disk does not take the data.

    Parameters
    ----------
    path : Path
        A file that :func:`create_store` made.
    command : str
        The command line of this run, for /runs.
    settings : mapping
        What may differ between runs of one file: batch size, workers, device.
    shown : Path, optional
        Name for messages, where ``path`` is a temporary one.
    """

    def __init__(
        self,
        path: Path,
        command: str = "",
        settings: Mapping[str, Any] | None = None,
        shown: Path | None = None,
    ) -> None:
        self.path = shown or path
        self._command = command
        self._settings = dict(settings or {})
        self._file = RowWriter(path)
        self._run = 0

    def __enter__(self) -> Self:
        try:
            with self._checked():
                self._file.__enter__()
                self._run = self._begin_run()
        except BaseException as error:
            self._file.__exit__(None, None, None)
            if isinstance(error, KeyError | ValueError | TypeError | RuntimeError):
                raise damaged(self.path, f"cannot be continued ({error})") from error
            raise
        return self

    @contextmanager
    def _checked(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _begin_run(self) -> int:
        """Note this run in /runs; after the last row, runs share it."""
        used = int(np.count_nonzero(self._file.read("runs")["started"]))
        row = min(used, self._file.length("runs") - 1)
        settings = json.dumps(self._settings, sort_keys=True)
        begun = {"started": now(), "command": self._command, "settings": settings}
        self._file.write("runs", row, run_rows([begun]))
        self._file.sync()
        return row

    def _set(self, row: int, status: int, **columns: Any) -> None:
        """Write a video's columns, and its status after they reached the disk."""
        for name, value in columns.items():
            self._file.write(f"videos/{name}", row, value)
        self._file.write("videos/run", row, self._run)
        self._file.sync()
        self._file.write("videos/status", row, status)

    def write_clips(self, row: int, position: int, clips: Mapping[str, NDArray[Any]]) -> None:
        """Store neighbouring clips of a video, before `write_video` declares it done.

        Parameters
        ----------
        row : int
            Index of the video in the file's order.
        position : int
            Index of the first one among the video's clips.
        clips : mapping of str to ndarray
            Layer → activations, shape (clips, *native shape).
        """
        with self._checked():
            first = int(self._file.read("clips/offset", row, 1)[0]) + position
            for name, values in clips.items():
                self._file.write(f"layers/{name}/clips", first, values)

    def write_video(
        self,
        row: int,
        means: Mapping[str, NDArray[Any]],
        *,
        frames: int = UNKNOWN_FRAMES,
        clips: int = 1,
        starts: NDArray[np.int64] | None = None,
    ) -> None:
        """Store one video's activations and declare it done.

        Parameters
        ----------
        row : int
            Index of the video in the file's order.
        means : mapping of str to ndarray
            Layer → mean over the clips, in native shape.
        frames, clips : int
            Decoded frames, and clips averaged.
        starts : ndarray of int64, shape (clips,), optional
            First frame of each clip, where clips are stored (`write_clips`).
        """
        with self._checked():
            for name, values in means.items():
                self._file.write(f"layers/{name}/mean", row, values)
            if starts is not None:
                self._file.write("clips/start", int(self._file.read("clips/offset", row, 1)[0]), starts)
            self._set(row, DONE, frames=frames, clips=clips, reason=b"")

    def write_all(self, rows: Iterable[Mapping[str, NDArray[Any]]], failed: Mapping[str, str]) -> None:
        """Store all videos of a new file, synced once: the first have features, the others failed."""
        count = self._file.length("videos/id") - len(failed)
        # What reading the rows raises is not this file's error.
        for row, means in zip(range(count), rows, strict=True):
            with self._checked():
                for name, values in means.items():
                    self._file.write(f"layers/{name}/mean", row, values)
        with self._checked():
            self._file.write("videos/clips", 0, np.ones(count, "<i4"))
            self._file.write("videos/run", 0, np.full(count, self._run, "<i4"))
            self._file.sync()
            self._file.write("videos/status", 0, np.full(count, DONE, "u1"))
        for row, reason in enumerate(failed.values(), start=count):
            self.fail_video(row, reason)
        self.finish()

    def clip_capacity(self, row: int) -> int | None:
        """Clips reserved for a video, or None where clips are not stored."""
        if "clips/offset" not in self._file:
            return None
        first, last = self._file.read("clips/offset", row, 2)
        return int(last - first)

    def fail_video(self, row: int, reason: str) -> None:
        """Note that a video gave no features, and why."""
        with self._checked():
            self._set(row, FAILED, reason=encode_text(" ".join(reason.split()), REASON_BYTES))

    def finish(self) -> None:
        """Declare the run ended: every video is done or failed."""
        if (self._file.read("videos/status") == PENDING).any():
            raise RuntimeError(f"{self.path} has videos that are neither done nor failed")
        with self._checked():
            self._file.sync()
            self._file.write("complete", 0, _COMPLETE)
            self._file.sync()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)
