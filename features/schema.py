"""The feature file's schema: names, types and limits of what is in it (docs/schema/features.md says why)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "p3d-eval features"
SCHEMA_VERSION = 1

PENDING, DONE, FAILED = 0, 1, 2

STORED_TYPES = ("float32", "float16", "float64")
REASON_BYTES = 512
RUN_CAPACITY = 256
RUN_DTYPE = np.dtype([("started", "S32"), ("command", "S1024"), ("settings", "S512")])
_STRUCTURES = 16 << 10  # bytes of attributes and of HDF5's own structures, about
NO_RUN = -1
UNKNOWN_FRAMES = -1
UNUSED_CLIP = -1

# One row for each video under /videos: name → (type, what a video starts with); the id has its own width.
VIDEO_COLUMNS: dict[str, tuple[str, int | bytes]] = {
    "status": ("u1", PENDING),
    "reason": (f"S{REASON_BYTES}", b""),
    "size": ("<i8", 0),
    "mtime_ns": ("<i8", 0),
    "frames": ("<i8", UNKNOWN_FRAMES),
    "clips": ("<i4", 0),
    "run": ("<i4", NO_RUN),
}

# What every file says about where its numbers come from: JSON attributes of /provenance.
PROVENANCE_KEYS = (
    "aslan_layers",
    "backbone",
    "command",
    "created",
    "decoder",
    "device",
    "input_spec",
    "machine",
    "options",
    "precision",
    "reductions",
    "sampling",
    "trained_on",
    "versions",
    "weights",
)


@dataclass(frozen=True)
class VideoRecord:
    """One video as the store knows it: id, and size (bytes) and modification time (ns) of its file."""

    id: str
    size: int = 0
    mtime_ns: int = 0


@dataclass(frozen=True)
class LayerPlan:
    """One layer as it is stored: shape and axes without the batch, the stored type."""

    shape: tuple[int, ...]
    axes: str
    dtype: str = "float32"

    @property
    def itemsize(self) -> int:
        """Bytes of one video's (or clip's) activation."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class StorePlan:
    """Everything that is fixed when a feature file is made.

    Parameters
    ----------
    videos : tuple of VideoRecord
        In the file's order.
    layers : mapping of str to LayerPlan
        Stored name → shape, axes, type.
    identity : mapping
        What a resumed run must agree with (JSON values), without the videos.
    provenance : mapping
        Values for ``PROVENANCE_KEYS`` (JSON values).
    classes : tuple of str
        Names of the entries of ``prob``.
    clip_counts : ndarray of int64, optional
        Clips reserved for each video when every clip is stored.
    annotations : mapping of str to mapping of str to bytes
        Dataset → file name → raw content.
    run_capacity : int
        Rows of the table of runs.
    """

    videos: tuple[VideoRecord, ...]
    layers: Mapping[str, LayerPlan]
    identity: Mapping[str, Any]
    provenance: Mapping[str, Any]
    classes: tuple[str, ...] = ()
    clip_counts: NDArray[np.int64] | None = None
    annotations: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)
    run_capacity: int = RUN_CAPACITY

    @property
    def nbytes(self) -> int:
        """Predicted size of the file: activations, tables, embedded annotations."""
        clips = 0 if self.clip_counts is None else int(self.clip_counts.sum())
        activations = (len(self.videos) + clips) * sum(layer.itemsize for layer in self.layers.values())
        video = max(len(video.id.encode()) for video in self.videos) if self.videos else 0
        video += sum(np.dtype(dtype).itemsize for dtype, _ in VIDEO_COLUMNS.values())
        embedded = sum(len(content) for files in self.annotations.values() for content in files.values())
        names = len(self.classes) * max([0, *(len(name.encode()) for name in self.classes)])
        tables = self.run_capacity * RUN_DTYPE.itemsize + len(self.videos) * video + 8 * clips
        return activations + tables + embedded + names + _STRUCTURES


def encode_text(text: str, limit: int) -> bytes:
    """UTF-8 of ``text`` in at most ``limit`` bytes, cut between characters, without NULs."""
    return text.replace("\0", " ").encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").encode()


def run_rows(runs: Sequence[Mapping[str, str]]) -> NDArray[np.void]:
    """Rows of /runs, each text cut to its column's width."""
    names = RUN_DTYPE.names or ()
    rows = [tuple(encode_text(run[name], RUN_DTYPE[name].itemsize) for name in names) for run in runs]
    return np.array(rows, RUN_DTYPE)


def read_runs(rows: NDArray[np.void]) -> tuple[dict[str, str], ...]:
    """Return the runs in the rows of /runs that are in use."""
    names = RUN_DTYPE.names or ()
    return tuple(
        {name: bytes(row[name]).decode("utf-8", "replace") for name in names} for row in rows if row["started"]
    )
