"""Results into the feature file: in the stored type, or with the reason why they cannot be there."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.features.meter import Totals
from p3d_eval.features.results import Activations, ClipResult, Outcome, Usage, VideoResult
from p3d_eval.features.schema import LayerPlan
from p3d_eval.features.writer import StoreWriter

# Told of each video that was stored: its result, and the reason when it has no features.
OnStored = Callable[[VideoResult, str | None], None]


def store_results(
    writer: StoreWriter,
    layers: Mapping[str, LayerPlan],
    results: Iterable[Outcome],
    on_stored: OnStored | None = None,
    totals: Totals | None = None,
) -> None:
    """Write results as they come, from whatever computes them; clips at once, so that none pile up.

    Parameters
    ----------
    writer : StoreWriter
        The file.
    layers : mapping of str to LayerPlan
        What it stores.
    results : iterable of ClipResult or VideoResult
        Each video's clips in time order, then the video; the order of videos does not matter.
    on_stored : callable, optional
        Called after each video with its result and the reason when it has no features.
    totals : Totals, optional
        Where the usage that comes with the results is added up.

    Raises
    ------
    UserError
        When the disk does not take the data.
    """
    totals = totals or Totals()
    unusable: dict[int, str] = {}
    for result in results:
        if isinstance(result, Usage):
            totals.add(result)
            continue
        with totals.stage("write"):
            if isinstance(result, ClipResult):
                if result.row not in unusable:
                    reason = _store_clip(writer, layers, result)
                    if reason is not None:
                        unusable[result.row] = reason
                continue
            reason = _store_video(writer, layers, result, unusable.pop(result.row, None))
        if on_stored is not None:
            on_stored(result, reason)


def _store_clip(writer: StoreWriter, layers: Mapping[str, LayerPlan], clip: ClipResult) -> str | None:
    """Write one clip, as often as it counts; a clip too many is left to `_store_video`."""
    capacity = writer.clip_capacity(clip.row)
    if capacity is None or clip.position + clip.repeats > capacity:
        return None
    stored = _as_stored(layers, clip.values)
    reason = _unusable(layers, stored)
    if reason is None:
        repeated = {name: np.repeat(values[None], clip.repeats, axis=0) for name, values in stored.items()}
        writer.write_clips(clip.row, clip.position, repeated)
    return reason


def _store_video(
    writer: StoreWriter, layers: Mapping[str, LayerPlan], result: VideoResult, reason: str | None
) -> str | None:
    """Store one video's outcome; return the reason when it has no features."""
    reason = result.reason or reason
    means = _as_stored(layers, result.means)
    if reason is None:
        reason = _unusable(layers, means)
    capacity = writer.clip_capacity(result.row)
    if reason is None and capacity is not None and capacity != len(result.starts):
        reason = f"{len(result.starts)} clips, {capacity} when this file was begun (--overwrite makes it anew)"
    if reason is not None:
        writer.fail_video(result.row, reason)
        return reason
    writer.write_video(
        result.row,
        means,
        frames=result.frames,
        clips=len(result.starts),
        starts=result.starts if capacity is not None else None,
    )
    return None


def _as_stored(layers: Mapping[str, LayerPlan], values: Activations) -> dict[str, NDArray[Any]]:
    with np.errstate(over="ignore"):
        return {name: array.astype(layers[name].dtype) for name, array in values.items()}


def _unusable(layers: Mapping[str, LayerPlan], values: Activations) -> str | None:
    for name, array in values.items():
        if not np.isfinite(array).all():
            limit = " (too large for float16?)" if layers[name].dtype == "float16" else ""
            return f"layer {name!r} is not finite{limit}"
    return None
