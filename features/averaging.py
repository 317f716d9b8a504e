"""From the clips of many videos to the mean activation of each: shared batches, float64 sums."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.features.prefetch import DecodedVideo, PreparedClip

Activations = Mapping[str, NDArray[Any]]
# Takes a clip: the video's row, the clip's index among the video's, how often it counts, its activations.
ClipSink = Callable[[int, int, int, Activations], None]


@dataclass
class VideoResult:
    """One video's outcome: means (layer → float64, native shape), or the reason why there are none.

    ``starts`` is in time order, repetitions included.
    """

    row: int
    id: str
    reason: str | None = None
    frames: int = 0
    starts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    means: dict[str, NDArray[np.float64]] = field(default_factory=dict)


class _Pending:
    """A video some of whose clips are still to come back from the network."""

    def __init__(self, decoded: DecodedVideo, on_clip: ClipSink | None) -> None:
        self.decoded = decoded
        self.on_clip = on_clip
        self.outstanding = 0
        self.ended = False
        self.starts: list[int] = []
        self.repeats: list[int] = []
        self.total = 0
        self.sums: dict[str, NDArray[np.float64]] = {}

    def add(self, clip: PreparedClip, activations: Activations) -> None:
        if self.on_clip is not None:
            self.on_clip(self.decoded.row, self.total, clip.repeats, activations)
        self.outstanding -= 1
        self.starts.append(clip.start)
        self.repeats.append(clip.repeats)
        self.total += clip.repeats
        for name, values in activations.items():
            weighted = values.astype(np.float64) * clip.repeats
            if name in self.sums:
                self.sums[name] += weighted
            else:
                self.sums[name] = weighted

    def result(self) -> VideoResult:
        decoded = self.decoded
        if decoded.reason is not None:
            return VideoResult(decoded.row, decoded.video.id, reason=decoded.reason)
        return VideoResult(
            decoded.row,
            decoded.video.id,
            frames=decoded.frames,
            starts=np.repeat(np.array(self.starts, np.int64), self.repeats),
            means={name: sums / self.total for name, sums in self.sums.items()},
        )


def group_of(row: int, batch_size: int) -> int:
    """Group of a video: ``batch_size`` neighbours in the file's order share batches.

    With n clips a video that is n full batches, so that nearly nothing is lost to padding.
    """
    return row // batch_size


def average_videos(
    videos: Iterator[DecodedVideo],
    forward: Callable[[list[Any]], Activations],
    batch_size: int,
    on_clip: ClipSink | None = None,
) -> Iterator[VideoResult]:
    """Run the network over the clips of ``videos`` and yield each video's mean, in order.

    Clips of different videos share batches, and every batch has exactly ``batch_size`` clips, padded by
    repetition. The last bit of an activation can depend on the clip's place in its batch, so batches never
    cross groups of neighbouring videos (`group_of`): a group that is run again gives the same bits.

    Parameters
    ----------
    videos : iterator of DecodedVideo
        In the order to process.
    forward : callable
        List of ``batch_size`` prepared clips → layer → array (batch_size, *native shape).
    batch_size : int
        Clips in a batch.
    on_clip : callable, optional
        Given each clip's activations as they come: (row of the video, index among its clips, repetitions,
        layer → array of the native shape), each video's in time order.
    """
    batch: list[tuple[_Pending, PreparedClip]] = []
    pending: list[_Pending] = []
    group = None
    for decoded in videos:
        if group != group_of(decoded.row, batch_size) and batch:
            _run(batch, forward, batch_size)
            batch = []
        group = group_of(decoded.row, batch_size)
        video = _Pending(decoded, on_clip)
        pending.append(video)
        for clip in decoded:
            video.outstanding += 1
            batch.append((video, clip))
            if len(batch) == batch_size:
                _run(batch, forward, batch_size)
                batch = []
        video.ended = True
        yield from _settled(pending)
    if batch:
        _run(batch, forward, batch_size)
    yield from _settled(pending)


def _run(
    batch: list[tuple[_Pending, PreparedClip]], forward: Callable[[list[Any]], Activations], batch_size: int
) -> None:
    inputs = [clip.input for _, clip in batch]
    inputs += [inputs[-1]] * (batch_size - len(inputs))
    activations = forward(inputs)
    for index, (video, clip) in enumerate(batch):
        video.add(clip, {name: values[index] for name, values in activations.items()})


def _settled(pending: list[_Pending]) -> Iterator[VideoResult]:
    """Yield, and forget, the videos at the front that have everything."""
    while pending and pending[0].ended and pending[0].outstanding == 0:
        yield pending.pop(0).result()
