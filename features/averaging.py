"""From the clips of many videos to the mean activation of each: shared batches, float64 sums."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.features.prefetch import DecodedVideo, PreparedClip
from p3d_eval.features.results import Activations, ClipResult, Outcome, VideoResult


class _Pending:
    """A video some of whose clips are still to come back from the network."""

    def __init__(self, decoded: DecodedVideo) -> None:
        self.decoded = decoded
        self.outstanding = 0
        self.ended = False
        self.starts: list[int] = []
        self.repeats: list[int] = []
        self.total = 0
        self.sums: dict[str, NDArray[np.float64]] = {}

    def add(self, clip: PreparedClip, activations: Activations) -> ClipResult:
        self.outstanding -= 1
        position = self.total
        self.starts.append(clip.start)
        self.repeats.append(clip.repeats)
        self.total += clip.repeats
        for name, values in activations.items():
            weighted = values.astype(np.float64) * clip.repeats
            if name in self.sums:
                self.sums[name] += weighted
            else:
                self.sums[name] = weighted
        return ClipResult(self.decoded.row, position, clip.repeats, activations)

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


def average_videos(
    videos: Iterator[DecodedVideo],
    forward: Callable[[list[Any]], Activations],
    batch_size: int,
    per_clip: bool = False,
) -> Iterator[Outcome]:
    """Run the network over the clips of ``videos`` and yield each video's mean, in order.

    Clips of different videos share batches, and every batch has exactly ``batch_size`` clips, padded by
    repetition. The last bit of an activation can depend on the clip's place in its batch, so batches never
    cross groups of neighbouring videos (`groups_of`): a group that is run again gives the same bits.

    Parameters
    ----------
    videos : iterator of DecodedVideo
        In the order to process.
    forward : callable
        List of ``batch_size`` prepared clips → layer → array (batch_size, *native shape).
    batch_size : int
        Clips in a batch.
    per_clip : bool
        Whether to yield each clip's activations too, as they come, each video's in time order.
    """
    batch: list[tuple[_Pending, PreparedClip]] = []
    pending: list[_Pending] = []
    group = None
    for decoded in videos:
        if group != decoded.group and batch:
            clips = _run(batch, forward, batch_size)
            yield from clips if per_clip else ()
            batch = []
        group = decoded.group
        video = _Pending(decoded)
        pending.append(video)
        for clip in decoded:
            video.outstanding += 1
            batch.append((video, clip))
            if len(batch) == batch_size:
                clips = _run(batch, forward, batch_size)
                yield from clips if per_clip else ()
                batch = []
        video.ended = True
        yield from _settled(pending)
    if batch:
        clips = _run(batch, forward, batch_size)
        yield from clips if per_clip else ()
    yield from _settled(pending)


def _run(
    batch: list[tuple[_Pending, PreparedClip]], forward: Callable[[list[Any]], Activations], batch_size: int
) -> list[ClipResult]:
    inputs = [clip.input for _, clip in batch]
    inputs += [inputs[-1]] * (batch_size - len(inputs))
    activations = forward(inputs)
    return [
        video.add(clip, {name: values[index] for name, values in activations.items()})
        for index, (video, clip) in enumerate(batch)
    ]


def _settled(pending: list[_Pending]) -> Iterator[VideoResult]:
    """Yield, and forget, the videos at the front that have everything."""
    while pending and pending[0].ended and pending[0].outstanding == 0:
        yield pending.pop(0).result()
