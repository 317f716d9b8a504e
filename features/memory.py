"""Feature files from arrays that are already there."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from p3d_eval.errors import UserError
from p3d_eval.features.checks import require_replaceable
from p3d_eval.features.layout import require_plan, require_stored_type, stored_type
from p3d_eval.features.lock import WriterLock
from p3d_eval.features.schema import PROVENANCE_KEYS, LayerPlan, StorePlan, VideoRecord
from p3d_eval.features.writer import StoreWriter, create_store
from p3d_eval.files import atomic_output, followed, require_new, require_writable
from p3d_eval.provenance import command_line, machine, now, package_versions

AXES_BY_RANK = {0: "", 1: "C", 2: "TC", 3: "CHW", 4: "CTHW"}


def default_provenance() -> dict[str, Any]:
    """Every provenance key, with what is known without a network."""
    known = {
        "aslan_layers": [],
        "backbone": "imported",
        "command": command_line(),
        "created": now(),
        "machine": machine(),
        "options": {},
        "reductions": {},
        "trained_on": "",
        "versions": package_versions(),
        "weights": {"source": "", "sha256": "", "random": False},
    }
    return {key: known.get(key) for key in PROVENANCE_KEYS}


def _as_layer(name: str, values: ArrayLike, count: int) -> NDArray[Any]:
    """Check one layer's array."""
    array = np.asarray(values)
    if array.ndim < 1 or len(array) != count:
        raise UserError(f"layer {name!r} has {len(array) if array.ndim else 0} rows for {count} ids")
    if array.dtype.kind not in "fiub":
        raise UserError(f"layer {name!r} holds {array.dtype}, not numbers")
    return array


def _stored(
    plan: StorePlan, rows: Iterable[Mapping[str, NDArray[Any]]], places: Sequence[str] | None
) -> Iterator[dict[str, NDArray[Any]]]:
    """Bring each video's activations to the stored type; refuse NaN and infinity by name."""
    for index, (video, row) in enumerate(zip(plan.videos, rows, strict=False)):
        stored = {}
        for name, values in row.items():
            dtype = plan.layers[name].dtype
            with np.errstate(over="ignore"):
                stored[name] = np.asarray(values).astype(dtype, copy=False)
            if not np.isfinite(stored[name]).all():
                limit = "" if not np.isfinite(values).all() else f" once it is stored as {dtype}"
                place = "" if places is None else f"{places[index]}: "
                raise UserError(
                    f"{place}layer {name!r} of video {video.id!r} has NaN or infinite values{limit}"
                )
        yield stored


def save_rows(
    path: Path,
    plan: StorePlan,
    rows: Iterable[Mapping[str, NDArray[Any]]],
    *,
    failed: Mapping[str, str] | None = None,
    overwrite: bool = False,
    places: Sequence[str] | None = None,
) -> Path:
    """Write a complete feature file, whole or not at all, one video at a time.

    Parameters
    ----------
    path : Path
        The file to make.
    plan : StorePlan
        What it holds; the failed videos come last.
    rows : iterable of mapping
        For each other video, layer → activation.
    failed : mapping of str to str, optional
        Videos without features, and why.
    overwrite : bool
        Whether an existing file may be replaced.
    places : sequence of str, optional
        Where each row was found, for messages.

    Raises
    ------
    UserError
        When a value is not finite, a name is unusable, or the file exists or cannot be made.
    """
    require_plan(plan)
    path = followed(path)
    require_new(path, overwrite)
    require_replaceable(path)
    require_writable(path)
    with WriterLock(path), atomic_output(path, overwrite) as temporary:
        create_store(temporary, plan, shown=path)
        with StoreWriter(temporary, command_line(), shown=path) as writer:
            writer.write_all(_stored(plan, rows, places), failed or {})
    return path


def write_store(
    path: str | PathLike[str],
    ids: Sequence[str],
    layers: Mapping[str, ArrayLike],
    *,
    backbone: str | None = None,
    axes: Mapping[str, str] | None = None,
    classes: Sequence[str] = (),
    provenance: Mapping[str, Any] | None = None,
    annotations: Mapping[str, Mapping[str, bytes]] | None = None,
    failed: Mapping[str, str] | None = None,
    dtype: str = "float32",
    overwrite: bool = False,
) -> Path:
    """Write a complete feature file from arrays.

    Parameters
    ----------
    path : path
        The file to make.
    ids : sequence of str
        Videos, in the order of the arrays' rows.
    layers : mapping of str to array_like
        Layer → array of shape (len(ids), …) of finite numbers.
    backbone : str, optional
        What made the features; default ``"imported"``.
    axes : mapping of str to str, optional
        Layer → names of the axes without the first; by default ``C``, ``TC``, ``CHW`` or ``CTHW`` by rank.
    classes : sequence of str
        Names of the entries of ``prob``.
    provenance : mapping, optional
        Values for the keys of ``PROVENANCE_KEYS`` (JSON values).
    annotations : mapping, optional
        Dataset → file name → raw content, to embed.
    failed : mapping of str to str, optional
        Videos without features, and why; they follow ``ids`` in the file's order.
    dtype : {"float32", "float16", "float64"}
        Stored type.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    UserError
        When a shape does not fit, a value is not finite, an id repeats, or the file exists or cannot be made.
    """
    require_stored_type(dtype)
    failures = dict(failed or {})
    arrays = {name: _as_layer(name, values, len(ids)) for name, values in layers.items()}
    given = dict(provenance or {}) | ({} if backbone is None else {"backbone": backbone})
    named = {name: (axes or {}).get(name, AXES_BY_RANK.get(v.ndim - 1, "")) for name, v in arrays.items()}
    for name, values in arrays.items():
        if len(named[name]) != values.ndim - 1:
            raise UserError(
                f"layer {name!r} has {values.ndim - 1} axes without the videos, named {named[name]!r}"
            )
    plan = StorePlan(
        videos=tuple(VideoRecord(video) for video in (*ids, *failures)),
        layers={
            name: LayerPlan(v.shape[1:], named[name], stored_type(name, dtype)) for name, v in arrays.items()
        },
        identity={
            "backbone": given.get("backbone", "imported"),
            "dtype": dtype,
            "layers": {name: _content_hash(values) for name, values in arrays.items()},
        },
        provenance=default_provenance() | given,
        classes=tuple(classes),
        annotations=annotations or {},
    )
    rows = ({name: values[index] for name, values in arrays.items()} for index in range(len(ids)))
    return save_rows(Path(path), plan, rows, failed=failures, overwrite=overwrite)


def _content_hash(values: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()
