"""The shards of one extraction put together to the file that an undivided run would have made."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from p3d_eval.errors import UserError
from p3d_eval.features.checks import require_replaceable
from p3d_eval.features.direct import RowWriter, unwritable
from p3d_eval.features.layer import read_rows
from p3d_eval.features.lock import WriterLock
from p3d_eval.features.parts import Part, read_parts
from p3d_eval.features.schema import (
    DONE,
    NO_RUN,
    RUN_CAPACITY,
    VIDEO_COLUMNS,
    LayerPlan,
    StorePlan,
    run_rows,
)
from p3d_eval.features.store import FeatureStore
from p3d_eval.features.writer import create_store
from p3d_eval.files import atomic_output, followed, require_new, require_writable
from p3d_eval.progress import Progress
from p3d_eval.provenance import command_line, now

_BLOCK_BYTES = 16 << 20  # what is copied at once
_VALUES_NOTED = 16  # of a field of provenance in which shards differ: an attribute holds 64 kB
# Provenance that may differ between the shards of one run.
_OWN = ("device", "machine", "versions")


@dataclass(frozen=True)
class MergeSummary:
    """What a merged file holds: videos with features, videos without and why, and how many shards it had."""

    path: Path
    shards: int
    expected: int
    done: int
    failed: Mapping[str, str] = field(default_factory=dict)


def merge_shards(
    paths: Sequence[Path],
    out: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], Progress] | None = None,
) -> MergeSummary:
    """Put all shards of an extraction together, in whatever order they are named.

    The result is written under a temporary name and renamed, and is copied in blocks, so that memory does
    not grow with its size. Its features, failed videos and identity are those of an undivided run.

    Parameters
    ----------
    paths : sequence of Path
        The files of all shards, each complete.
    out : Path
        The feature file to make.
    overwrite : bool
        Whether an existing feature file may be replaced.
    progress : callable, optional
        (all videos, 0) → `Progress`.

    Returns
    -------
    MergeSummary

    Raises
    ------
    UserError
        When a file is no shard, incomplete, damaged, of another run or there twice; a shard is missing; or
        the file cannot be made.
    """
    parts = read_parts(paths)
    out = followed(out)
    require_new(out, overwrite)
    for part in parts:
        if out.exists() and out.samefile(part.path):
            raise UserError(f"{out} is one of the shards", "Choose another name for --out")
    require_replaceable(out)
    require_writable(out)
    plan = _plan(parts)
    with WriterLock(out), atomic_output(out, overwrite) as temporary:
        free = shutil.disk_usage(temporary.parent).free
        if plan.nbytes > free:
            raise UserError(
                f"{out} needs {plan.nbytes / 1e9:.1f} GB, {free / 1e9:.1f} GB are free",
                "Choose another disk: the shards stay as they are",
            )
        create_store(temporary, plan, shown=out)
        with progress(len(plan.videos), 0) if progress else nullcontext() as bar:
            try:
                _copy(parts, temporary, bar)
            except OSError as error:
                raise unwritable(out, error) from error
    failed = {video: reason for part in parts for video, reason in part.store.failed.items()}
    return MergeSummary(out, len(parts), len(plan.videos), len(plan.videos) - len(failed), failed)


def _plan(parts: Sequence[Part]) -> StorePlan:
    store = parts[0].store
    counts = [part.store.clip_counts for part in parts]
    runs = sum(len(part.store.runs) for part in parts)
    return StorePlan(
        videos=tuple(video for part in parts for video in part.store.videos),
        layers={
            name: LayerPlan(store.shape(name), store.axes(name), store.stored_dtype(name))
            for name in store.layers
        },
        identity=parts[0].shared_fields,
        provenance=_provenance(parts),
        classes=store.classes,
        clip_counts=np.concatenate([one for one in counts if one is not None]) if store.has_clips else None,
        annotations=_annotations(parts),
        run_capacity=max(RUN_CAPACITY, 2 * runs),  # room for runs that try the failed videos again
    )


def _provenance(parts: Sequence[Part]) -> dict[str, Any]:
    """Take the first shard's; where shards differ in device, machine or versions, note all of these."""
    merged: dict[str, Any] = {"shards": len(parts)}
    for name in _OWN:
        values: list[Any] = []
        for part in parts:
            value = part.store.provenance[name]
            if value not in values and len(values) < _VALUES_NOTED:
                values.append(value)
        if len(values) > 1:
            merged[name] = values
    return dict(parts[0].store.provenance) | {"command": command_line(), "created": now(), "merged": merged}


def _annotations(parts: Sequence[Part]) -> dict[str, dict[str, bytes]]:
    """Everything that is embedded in any shard."""
    found: dict[str, dict[str, bytes]] = {}
    holder: dict[str, Path] = {}
    for part in parts:
        for dataset in part.store.embedded:
            files = part.store.annotations(dataset) or {}
            if found.setdefault(dataset, files) != files:
                raise UserError(
                    f"{holder[dataset]} and {part.path} hold different annotations of {dataset!r}",
                    f"p3d-eval annotate {part.path} {dataset} FILE --overwrite replaces them",
                )
            holder.setdefault(dataset, part.path)
    return found


def _copy(parts: Sequence[Part], path: Path, bar: Progress | None) -> None:
    """Fill the merged file, part by part; it is complete then."""
    runs: list[Mapping[str, str]] = []
    video, clip = 0, 0
    with RowWriter(path) as file:
        for part in parts:
            store = part.store
            count = len(store.expected_ids)
            _copy_tables(store, file, video, len(runs))
            _copy_rows(store, file, video, clip)
            runs += store.runs
            video += count
            clip += 0 if store.clip_counts is None else int(store.clip_counts.sum())
            if bar is not None:
                bar.advance(count)
        file.write("runs", 0, run_rows(runs))
        file.write("complete", 0, np.ones(1, "u1"))
        file.sync()


def _copy_tables(store: FeatureStore, file: RowWriter, video: int, run: int) -> None:
    for name in VIDEO_COLUMNS:
        values = store.video_table[name]
        if name == "run":
            values = np.where(values == NO_RUN, NO_RUN, values + run)
        file.write(f"videos/{name}", video, values)


def _copy_rows(store: FeatureStore, file: RowWriter, video: int, clip: int) -> None:
    """Copy means, and clips where they are stored, block by block."""
    kinds = [("mean", False, video), *([("clips", True, clip)] if store.has_clips else [])]
    for layer in store.layers:
        for dataset, clips, place in kinds:
            extent = store.extent(layer, clips)
            step = max(1, _BLOCK_BYTES // max(1, extent.width * extent.dtype.itemsize))
            for first in range(0, extent.rows, step):
                rows = np.arange(first, min(first + step, extent.rows))
                values = read_rows(store.path, extent, rows, 0, extent.width)
                file.write(f"layers/{layer}/{dataset}", place + first, values)
    if store.clip_counts is not None:
        places = clip + np.concatenate([[0], np.cumsum(store.clip_counts)])
        for row in np.flatnonzero(store.video_table["status"] == DONE):
            file.write("clips/start", int(places[row]), store.clip_starts(store.expected_ids[row]))
