"""Reading feature files: ids, layers, provenance and annotations, checked before anything relies on them."""

import os
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.features import checks
from p3d_eval.features.identity import identity_hash
from p3d_eval.features.layer import Extent, Floats, Layer, read_rows
from p3d_eval.features.row_names import honest_name, without_folder
from p3d_eval.features.schema import DONE, FAILED, PROVENANCE_KEYS, VIDEO_COLUMNS, VideoRecord, read_runs
from p3d_eval.markup import shown_by


class FeatureStore:
    """A feature file, opened for reading; no handle stays open, so it can be pickled and shared by processes.

    Use :func:`open_features` to make one.

    Attributes
    ----------
    path : Path
        The file.
    ids : tuple of str
        Videos that have features, in file order.
    expected_ids : tuple of str
        All videos of the run.
    failed : dict of str to str
        Videos without features, and why.
    complete : bool
        Whether the run came to its end: every video is done or failed.
    layers : tuple of str
        Names of the stored layers.
    provenance : dict
        Where the numbers come from: backbone, weights, input spec, sampling, versions, machine and more.
    identity : str
        SHA-256 over everything that determines the numbers.
    runs : tuple of dict
        Every run that wrote the file: ``started``, ``command``, ``settings``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with checks.open_hdf5(path) as (file, size):
            checks.require_schema(path, file)
            self._size = size
            self._inode = os.fstat(file.id.get_vfd_handle()).st_ino
            self._read_videos(file)
            self._read_provenance(file)
            self._read_layers(file)
            self._read_extras(file)

    def __reduce__(self) -> tuple[type["FeatureStore"], tuple[Path]]:
        return FeatureStore, (self.path,)

    def __repr__(self) -> str:
        state = "" if self.complete else ", incomplete"
        return f"<FeatureStore {self.path}: {len(self.ids)} videos, {', '.join(self.layers)}{state}>"

    _repr_html_ = shown_by("p3d_eval.features.notebook:store_html")

    def _read_videos(self, file: h5py.File) -> None:
        path = self.path
        group = checks.get_group(path, file, "videos")
        raw = checks.read_values(path, group, "id", "S", None, self._size)
        self.expected_ids = checks.decode_texts(path, "/videos/id", raw)
        if not self.expected_ids or not all(self.expected_ids):
            raise checks.damaged(path, "/videos/id is empty or holds an empty id")
        if len(set(self.expected_ids)) < len(self.expected_ids):
            twice = next(video for video in self.expected_ids if self.expected_ids.count(video) > 1)
            raise checks.damaged(path, f"/videos/id holds {twice!r} more than once")
        kinds = {name: np.dtype(dtype).kind for name, (dtype, _) in VIDEO_COLUMNS.items()}
        self._videos: dict[str, NDArray[Any]] = {
            name: checks.read_values(path, group, name, kind, len(self.expected_ids), self._size)
            for name, kind in kinds.items()
        }
        status = self._videos["status"]
        if status.max() > FAILED:
            video = self.expected_ids[int(np.argmax(status))]
            raise checks.damaged(path, f"/videos/status of video {video!r} is {status.max()}")
        reasons = checks.decode_texts(path, "/videos/reason", self._videos["reason"])
        self.file_rows: NDArray[np.int64] = np.flatnonzero(status == DONE)
        self.ids = tuple(self.expected_ids[row] for row in self.file_rows)
        self.positions: Mapping[str, int] = {video: position for position, video in enumerate(self.ids)}
        self.failed = {self.expected_ids[row]: reasons[row] for row in np.flatnonzero(status == FAILED)}
        self.complete = bool(checks.read_values(path, file, "complete", "u", 1, self._size)[0])

    def _read_provenance(self, file: h5py.File) -> None:
        path = self.path
        self.provenance = checks.read_json(path, file, "provenance")
        missing = [key for key in PROVENANCE_KEYS if key not in self.provenance]
        if missing:
            raise checks.damaged(path, f"the attribute {missing[0]!r} of /provenance is missing")
        if not isinstance(self.provenance["backbone"], str) or not isinstance(self.provenance["weights"], dict):
            raise checks.damaged(
                path, "the attributes backbone and weights of /provenance are not a name and a table"
            )
        named = self.provenance["aslan_layers"]
        if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
            raise checks.damaged(path, "the attribute 'aslan_layers' of /provenance is not a list of names")
        self.identity_fields = checks.read_json(path, file, "identity")
        stored = file.attrs.get("identity")
        self.identity = identity_hash(self.identity_fields, self.videos)
        if not isinstance(stored, bytes) or stored != self.identity.encode():
            raise checks.damaged(path, "the attribute 'identity' does not belong to its fields and videos")
        raw = checks.read_values(path, file, "classes", "S", None, self._size)
        self.classes = checks.decode_texts(path, "/classes", raw)

    def _extent(self, group: h5py.Group, name: str, axes: str, rows: int) -> Extent:
        dataset = checks.get_dataset(self.path, group, name, len(axes) + 1, "f")
        if dataset.shape[0] != rows:
            raise checks.damaged(self.path, f"{dataset.name} has {dataset.shape[0]} rows where {rows} are due")
        offset = dataset.id.get_offset()
        if dataset.size and (dataset.chunks is not None or offset is None):
            raise UserError(
                f"{self.path}: {dataset.name} is not stored contiguously",
                "h5repack -l CONTI puts a repacked file back in order",
            )
        if (offset or 0) + dataset.nbytes > self._size:
            raise checks.damaged(self.path, f"{dataset.name} is truncated")
        return Extent(dataset.name, offset or 0, rows, dataset.shape[1:], dataset.dtype, self._inode)

    def _read_layers(self, file: h5py.File) -> None:
        path = self.path
        self._clip_offsets: NDArray[np.int64] | None = None
        if "clips" in file:
            clips = checks.get_group(path, file, "clips")
            offsets = checks.read_values(path, clips, "offset", "i", len(self.expected_ids) + 1, self._size)
            if offsets[0] != 0 or (np.diff(offsets) < self._videos["clips"]).any():
                raise checks.damaged(path, "/clips/offset does not fit /videos/clips")
            self._clip_offsets = offsets
            self._starts = checks.read_values(path, clips, "start", "i", int(offsets[-1]), self._size)
        self._extents: dict[str, Extent] = {}
        self._clip_extents: dict[str, Extent] = {}
        self._axes: dict[str, str] = {}
        group = checks.get_group(path, file, "layers")
        for name in group:
            layer = checks.get_group(path, group, name)
            axes = layer.attrs.get("axes")
            if not isinstance(axes, bytes):
                raise checks.damaged(path, f"the attribute 'axes' of /layers/{name} is missing")
            self._axes[name] = axes.decode("ascii", "replace")
            self._extents[name] = self._extent(layer, "mean", self._axes[name], len(self.expected_ids))
            if self._clip_offsets is not None:
                rows = int(self._clip_offsets[-1])
                self._clip_extents[name] = self._extent(layer, "clips", self._axes[name], rows)
        if not self._extents:
            raise checks.damaged(path, "/layers is empty")
        order = [name for name in self.identity_fields.get("layers", {}) if name in self._extents]
        self.layers = tuple(dict.fromkeys([*order, *sorted(self._extents)]))

    def _read_extras(self, file: h5py.File) -> None:
        path = self.path
        self.embedded: tuple[str, ...] = ()
        if "annotations" in file:
            self.embedded = tuple(checks.get_group(path, file, "annotations"))
        runs = checks.read_values(path, file, "runs", "V", None, self._size)
        if set(runs.dtype.names or ()) != {"started", "command", "settings"}:
            raise checks.damaged(path, f"/runs has the columns {runs.dtype.names}")
        self.runs = read_runs(runs)

    @property
    def videos(self) -> tuple[VideoRecord, ...]:
        """Every expected video with the size and modification time its file had."""
        columns = zip(
            self.expected_ids, self._videos["size"].tolist(), self._videos["mtime_ns"].tolist(), strict=True
        )
        return tuple(VideoRecord(*row) for row in columns)

    @property
    def video_table(self) -> Mapping[str, NDArray[Any]]:
        """Columns of /videos for every expected video: status, frames (decoded), clips, run and more."""
        return self._videos

    @property
    def label(self) -> str:
        """What a table calls these features, e.g. ``"i3d"`` or ``"p3d199 (random weights)"``."""
        return honest_name(without_folder(self.provenance["backbone"]), self.provenance)

    @property
    def aslan_layers(self) -> tuple[str, ...]:
        """Layers that the backbone registers for ASLAN."""
        return tuple(self.provenance["aslan_layers"])

    def _known(self, layer: str) -> str:
        checks.require_layer(self.path, layer, self.layers)
        return layer

    def axes(self, layer: str) -> str:
        """Axes of one video's activation, e.g. ``"CTHW"``."""
        return self._axes[self._known(layer)]

    def shape(self, layer: str) -> tuple[int, ...]:
        """Native shape of one video's activation."""
        return self._extents[self._known(layer)].shape

    def stored_dtype(self, layer: str) -> str:
        """Type in the file, e.g. ``"float16"`` (reading gives float32 then)."""
        return str(self._extents[self._known(layer)].dtype)

    @property
    def has_clips(self) -> bool:
        """Whether every clip's activations are stored beside the means."""
        return self._clip_offsets is not None

    def __contains__(self, layer: object) -> bool:
        return layer in self._extents

    @property
    def shard(self) -> Mapping[str, Any] | None:
        """What a part of an extraction says of its place (`Shard.identity`); None for a whole one."""
        found = self.identity_fields.get("shard")
        return found if isinstance(found, dict) else None

    @property
    def clip_counts(self) -> NDArray[np.int64] | None:
        """Clips reserved for every expected video, or None where clips are not stored."""
        return None if self._clip_offsets is None else np.diff(self._clip_offsets)

    def extent(self, layer: str, clips: bool = False) -> Extent:
        """Where the means, or the clips, of a layer lie in the file."""
        self._known(layer)
        return self._clip_extents[layer] if clips else self._extents[layer]

    def __getitem__(self, layer: str) -> Layer:
        return Layer(self, self._extents[self._known(layer)])

    def clip_starts(self, video: str) -> NDArray[np.int64]:
        """First frame of each stored clip of ``video`` (only with ``--per-clip``)."""
        first, last = self._clip_range(video)
        return self._starts[first:last]

    def clip_features(self, video: str, layer: str) -> Floats:
        """Activations of each clip of ``video``, shape (clips, *native shape) (only with ``--per-clip``).

        Raises
        ------
        UserError
            When clips were not stored, the video has no features, or a value is not finite.
        """
        self._known(layer)
        first, last = self._clip_range(video)
        extent = self._clip_extents[layer]
        values = read_rows(self.path, extent, np.arange(first, last), 0, extent.width)
        if not np.isfinite(values).all():
            raise UserError(f"{self.path}: {extent.dataset} of video {video!r} has NaN or infinite values")
        return values.reshape(last - first, *extent.shape)

    def _clip_range(self, video: str) -> tuple[int, int]:
        if self._clip_offsets is None:
            raise UserError(f"{self.path} holds no features of single clips", "Extract with --per-clip")
        if video not in self.positions:
            raise UserError(f"{self.path} has no features of video {video!r}")
        row = int(self.file_rows[self.positions[video]])
        first = int(self._clip_offsets[row])
        return first, first + int(self._videos["clips"][row])

    def annotations(self, dataset: str) -> dict[str, bytes] | None:
        """Embedded annotation files of ``dataset`` (name → raw content), or None."""
        if dataset not in self.embedded:
            return None
        with checks.open_hdf5(self.path) as (file, size):
            group = checks.get_group(self.path, file["annotations"], dataset)
            return {
                name: checks.read_values(self.path, group, name, "u", None, size).tobytes() for name in group
            }


def open_features(path: str | PathLike[str], *, allow_incomplete: bool = False) -> FeatureStore:
    """Open a feature file for reading.

    Parameters
    ----------
    path : path
        An HDF5 file that ``p3d-eval extract`` or ``p3d-eval import`` wrote.
    allow_incomplete : bool
        Whether a file whose extraction has not ended, or a shard, may be read (its ``ids`` are the videos
        done so far).

    Returns
    -------
    FeatureStore

    Raises
    ------
    UserError
        When the file is missing, foreign, truncated, damaged, of another schema version, incomplete, or one
        of several shards.
    """
    store = FeatureStore(Path(path))
    if not store.complete and not allow_incomplete:
        settled = len(store.ids) + len(store.failed)
        raise UserError(
            f"{store.path} is incomplete: {settled} of {len(store.expected_ids)} videos",
            "Run the same extract command again: it goes on where it stopped",
        )
    if store.shard is not None and not allow_incomplete:
        raise UserError(
            f"{store.path} is only shard {store.shard.get('index')} of {store.shard.get('of')}",
            "Put the shards together: p3d-eval merge SHARD… --out feats.h5",
        )
    return store
