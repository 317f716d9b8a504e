"""A video's activations in the stored type, into the file; or the reason why they cannot be there."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.features.averaging import Activations, VideoResult
from p3d_eval.features.schema import LayerPlan
from p3d_eval.features.writer import StoreWriter


class ClipRows:
    """Write every clip's activations as they come, so that memory does not grow with a video's length.

    Parameters
    ----------
    writer : StoreWriter
        The file.
    layers : mapping of str to LayerPlan
        What it stores.
    rows : collection of int
        The videos that are still to be stored.
    """

    def __init__(self, writer: StoreWriter, layers: Mapping[str, LayerPlan], rows: Collection[int]) -> None:
        self._writer = writer
        self._layers = layers
        self._rows = rows
        self.reasons: dict[int, str] = {}

    def __call__(self, row: int, position: int, repeats: int, activations: Activations) -> None:
        """Write one clip, as often as it counts; a clip too many is left to `store_result`."""
        capacity = self._writer.clip_capacity(row)
        if row not in self._rows or row in self.reasons or capacity is None or position + repeats > capacity:
            return
        stored = _as_stored(self._layers, activations)
        reason = _unusable(self._layers, stored)
        if reason is not None:
            self.reasons[row] = reason
            return
        clips = {name: np.repeat(values[None], repeats, axis=0) for name, values in stored.items()}
        self._writer.write_clips(row, position, clips)


def store_result(
    writer: StoreWriter, layers: Mapping[str, LayerPlan], result: VideoResult, reason: str | None = None
) -> str | None:
    """Store one video's outcome.

    Parameters
    ----------
    writer : StoreWriter
        The file.
    layers : mapping of str to LayerPlan
        What it stores.
    result : VideoResult
        Means, or a reason.
    reason : str, optional
        Why the video's clips cannot be stored.

    Returns
    -------
    str or None
        The reason when the video has no features.
    """
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
