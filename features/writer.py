"""Writing a feature file so that it is sound after a SIGKILL at any moment."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.features.checks import damaged
from p3d_eval.features.layout import create_file
from p3d_eval.features.schema import (
    DONE,
    FAILED,
    PENDING,
    REASON_BYTES,
    RUN_CAPACITY,
    RUN_DTYPE,
    UNKNOWN_FRAMES,
    StorePlan,
    encode_text,
)
from p3d_eval.provenance import now


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_store(path: Path, plan: StorePlan) -> None:
    """Make an empty feature file at ``path``, whole or not at all, replacing what is there.

    Raises
    ------
    UserError
        When the plan has unusable names, or the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        create_file(temporary, plan)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.resolve().parent)
    finally:
        temporary.unlink(missing_ok=True)


class StoreWriter:
    """Add videos to an existing feature file; whoever writes must hold its lock.

    A video's values are written and synced first, then its status byte, so that a status never promises
    what is not there. No structure of HDF5 itself changes after the file was made.

    Parameters
    ----------
    path : Path
        A file that :func:`create_store` made.
    command : str
        The command line of this run, for /runs.
    settings : mapping
        What may differ between runs of one file: batch size, workers, device.
    """

    def __init__(self, path: Path, command: str = "", settings: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self._command = command
        self._settings = dict(settings or {})
        self._file: Any = None
        self._run = 0

    def __enter__(self) -> Self:
        try:
            self._file = h5py.File(self.path, "r+", locking=False)
            self._run = self._begin_run()
        except OSError as error:
            raise UserError(f"cannot write {self.path}: {error}") from error
        except (KeyError, ValueError, TypeError) as error:
            raise damaged(self.path, f"cannot be continued ({error})") from error
        return self

    def _begin_run(self) -> int:
        """Note this run in /runs; after the last row, runs share it."""
        runs = self._file["runs"]
        used = int(np.count_nonzero(runs["started"]))
        row = min(used, RUN_CAPACITY - 1)
        settings = json.dumps(self._settings, sort_keys=True)
        widths = {name: RUN_DTYPE[name].itemsize for name in RUN_DTYPE.names or ()}
        runs[row] = np.array(
            (
                now().encode(),
                encode_text(self._command, widths["command"]),
                encode_text(settings, widths["settings"]),
            ),
            RUN_DTYPE,
        )
        self._sync()
        return row

    def _sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.id.get_vfd_handle())

    def _set(self, row: int, status: int, **columns: Any) -> None:
        """Write a video's columns, and its status after they reached the disk."""
        videos = self._file["videos"]
        for name, value in columns.items():
            videos[name][row] = value
        videos["run"][row] = self._run
        self._sync()
        videos["status"][row] = status
        self._file.flush()

    def write_video(
        self,
        row: int,
        means: Mapping[str, NDArray[Any]],
        *,
        frames: int = UNKNOWN_FRAMES,
        clips: int = 1,
        starts: NDArray[np.int64] | None = None,
        per_clip: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        """Store one video's activations.

        Parameters
        ----------
        row : int
            Index of the video in the file's order.
        means : mapping of str to ndarray
            Layer → mean over the clips, in native shape.
        frames, clips : int
            Decoded frames, and clips averaged.
        starts : ndarray of int64, shape (clips,), optional
            First frame of each clip, where clips are stored.
        per_clip : mapping of str to ndarray, optional
            Layer → activations of every clip, shape (clips, *native shape).
        """
        for name, values in means.items():
            self._file["layers"][name]["mean"][row] = values
        if per_clip is not None and starts is not None:
            first = int(self._file["clips/offset"][row])
            self._file["clips/start"][first : first + clips] = starts
            for name, values in per_clip.items():
                self._file["layers"][name]["clips"][first : first + clips] = values
        self._set(row, DONE, frames=frames, clips=clips, reason=b"")

    def write_all(self, rows: Iterable[Mapping[str, NDArray[Any]]], failed: Mapping[str, str]) -> None:
        """Store all videos of a new file, synced once: the first have features, the others failed."""
        count = len(self._file["videos/id"]) - len(failed)
        layers = {name: group["mean"] for name, group in self._file["layers"].items()}
        for row, means in zip(range(count), rows, strict=True):
            for name, values in means.items():
                layers[name][row] = values
        videos = self._file["videos"]
        videos["clips"][:count] = 1
        videos["run"][:] = self._run
        self._sync()
        videos["status"][:count] = DONE
        for row, reason in enumerate(failed.values(), start=count):
            self.fail_video(row, reason)
        self.finish()

    def clip_capacity(self, row: int) -> int | None:
        """Clips reserved for a video, or None where clips are not stored."""
        if "clips" not in self._file:
            return None
        first, last = self._file["clips/offset"][row : row + 2]
        return int(last - first)

    def fail_video(self, row: int, reason: str) -> None:
        """Note that a video gave no features, and why."""
        self._set(row, FAILED, reason=encode_text(" ".join(reason.split()), REASON_BYTES))

    def finish(self) -> None:
        """Declare the run ended: every video is done or failed."""
        if (self._file["videos/status"][()] == PENDING).any():
            raise RuntimeError(f"{self.path} has videos that are neither done nor failed")
        self._sync()
        self._file["complete"][0] = 1
        self._sync()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
