"""Making a feature file: all space allocated at once, so that no later write touches HDF5's own structures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.features.direct import change_structure
from p3d_eval.features.identity import identity_hash
from p3d_eval.features.ids import is_utf8
from p3d_eval.features.schema import (
    FORMAT,
    RUN_DTYPE,
    SCHEMA_VERSION,
    STORED_TYPES,
    UNUSED_CLIP,
    VIDEO_COLUMNS,
    StorePlan,
    VideoRecord,
)

_PROBABILITIES = "prob"


def _allocate(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
    """Make a contiguous dataset whose space is in the file from the start, without writing its values."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_layout(h5py.h5d.CONTIGUOUS)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    properties.set_obj_track_times(False)
    type_id = h5py.h5t.py_create(np.dtype(dtype), logical=True)
    space = h5py.h5s.create_simple(shape)
    return h5py.Dataset(h5py.h5d.create(group.id, name.encode(), type_id, space, properties))


def _set_json(holder: h5py.Group, values: Mapping[str, Any]) -> None:
    """Write one attribute of fixed length for each value."""
    for name, value in values.items():
        holder.attrs[name] = np.bytes_(json.dumps(value, allow_nan=False).encode())


def text_array(texts: tuple[str, ...]) -> NDArray[np.bytes_]:
    """Fixed-length UTF-8 strings, as wide as the longest."""
    encoded = [text.encode() for text in texts]
    return np.array(encoded, dtype=f"S{max([1, *map(len, encoded)])}")


def _create_videos(file: h5py.File, videos: tuple[VideoRecord, ...]) -> None:
    group = file.create_group("videos")
    group.create_dataset("id", data=text_array(tuple(video.id for video in videos)))
    for name, (dtype, initial) in VIDEO_COLUMNS.items():
        if name in ("size", "mtime_ns"):
            values = np.array([getattr(video, name) for video in videos], dtype)
        else:
            values = np.full(len(videos), initial, dtype)
        group.create_dataset(name, data=values)


def _create_layers(file: h5py.File, plan: StorePlan) -> None:
    layers = file.create_group("layers")
    if plan.clip_counts is not None:
        offsets = np.concatenate([[0], np.cumsum(plan.clip_counts)]).astype("<i8")
        clips = file.create_group("clips")
        clips.create_dataset("offset", data=offsets)
        clips.create_dataset("start", data=np.full(int(offsets[-1]), UNUSED_CLIP, "<i8"))
    for name, layer in plan.layers.items():
        group = layers.create_group(name)
        group.attrs["axes"] = np.bytes_(layer.axes.encode())
        _allocate(group, "mean", (len(plan.videos), *layer.shape), layer.dtype)
        if plan.clip_counts is not None:
            _allocate(group, "clips", (int(plan.clip_counts.sum()), *layer.shape), layer.dtype)


def write_annotations(file: h5py.File, annotations: Mapping[str, Mapping[str, bytes]]) -> None:
    """Put the raw content of annotation files under /annotations/<dataset>/<file>, replacing what is there."""
    for dataset, files in annotations.items():
        group = file.require_group("annotations")
        if dataset in group:
            del group[dataset]
        inner = group.create_group(dataset)
        for name, content in files.items():
            inner.create_dataset(name, data=np.frombuffer(content, np.uint8))


def require_stored_type(dtype: str) -> None:
    """Check that activations may be stored in this type.

    Raises
    ------
    UserError
        When it is not one of ``STORED_TYPES``.
    """
    if dtype not in STORED_TYPES:
        raise UnknownNameError("stored type", str(dtype), STORED_TYPES)


def stored_type(layer: str, wanted: str) -> str:
    """Type that a layer is stored in: ``prob`` never in float16, whose range cuts its tail off to zero."""
    return "float32" if layer == _PROBABILITIES and wanted == "float16" else wanted


def require_plan(plan: StorePlan) -> None:
    """Check what HDF5 and the reader ask of names.

    Raises
    ------
    UserError
        When there is no video or layer, an id repeats or is unusable, or a layer's name or type is.
    """
    if not plan.videos:
        raise UserError("no videos: a feature file needs at least one")
    if not plan.layers:
        raise UserError("no layers: a feature file needs at least one", "Name them with --layers")
    seen: set[str] = set()
    for video in plan.videos:
        if not video.id or "\0" in video.id:
            raise UserError(f"unusable video id {video.id!r}: it is empty or has a NUL")
        if not is_utf8(video.id):
            raise UserError(f"unusable video id {video.id!r}: it is not UTF-8", "Rename the file")
        if video.id in seen:
            raise UserError(f"duplicate video id {video.id!r}", "Every id must be there once")
        seen.add(video.id)
    for name, layer in plan.layers.items():
        require_stored_type(layer.dtype)
        if not name or name == "." or "/" in name or "\0" in name:
            raise UserError(f"unusable layer name {name!r}: it is empty, '.', or has a '/'")
        if not is_utf8(name):
            raise UserError(f"unusable layer name {name!r}: it is not UTF-8")


def create_file(path: Path, plan: StorePlan, shown: Path | None = None) -> None:
    """Write a new feature file without features: all ids, all space, nothing done.

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
        When the plan has unusable names, or the file cannot be written.
    """
    require_plan(plan)
    with change_structure(path, "w", shown) as file:
        file.attrs["format"] = np.bytes_(FORMAT.encode())
        file.attrs["schema_version"] = SCHEMA_VERSION
        file.attrs["identity"] = np.bytes_(identity_hash(plan.identity, plan.videos).encode())
        _set_json(file.create_group("identity"), plan.identity)
        _set_json(file.create_group("provenance"), plan.provenance)
        file.create_dataset("complete", data=np.zeros(1, "u1"))
        file.create_dataset("runs", data=np.zeros(plan.run_capacity, RUN_DTYPE))
        file.create_dataset("classes", data=text_array(plan.classes), shape=(len(plan.classes),))
        _create_videos(file, plan.videos)
        write_annotations(file, plan.annotations)
        _create_layers(file, plan)
