"""What is read of a video: its frames in time, the clips that sampling cuts from them, and what is given."""

import itertools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from p3d_eval.features.decode_error import DecodeError
from p3d_eval.features.images import Image
from p3d_eval.features.sampling import Sampling

_MOST_TICKS = 10_000_000  # four days at 30 frames per second: more is a timestamp that is wrong


@dataclass(frozen=True)
class ClipRequest:
    """A clip to cut: its first frame, how often the sampling repeats it, and the frames it needs."""

    start: int
    repeats: int
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class VideoHeader:
    """What is known of a video before its frames are given.

    Parameters
    ----------
    frames : int
        Frames that decode, never the container's count.
    clips : tuple of ClipRequest
        In time order, repeated starts once.
    notice : str, optional
        What the user should hear, such as why another decoder read the video.
    """

    frames: int
    clips: tuple[ClipRequest, ...]
    notice: str | None = None

    @property
    def needed(self) -> frozenset[int]:
        """Numbers of the frames that some clip holds."""
        return frozenset(number for clip in self.clips for number in clip.numbers)


@dataclass(frozen=True)
class Frame:
    """A decoded frame: its number in the video, and its image: uint8 upright RGB H × W × 3, or planes."""

    number: int
    image: Image


Opened = tuple[VideoHeader, Iterator[Frame]]  # a video, and its needed frames in ascending order


@dataclass(frozen=True)
class Timeline:
    """When the frames of a video are shown.

    Parameters
    ----------
    frames : int
        Decoded frames, 1 at least.
    times : sequence of int, optional
        Presentation time of every frame, in units of ``unit``; None where the video holds none.
    unit : Fraction, optional
        Seconds; without ``times`` from one frame to the next, None where not even that is known.
    """

    frames: int
    times: Sequence[int] | None = None
    unit: Fraction | None = None

    def resampled(self, fps: float) -> list[int]:
        """Find the frame nearest in time to each tick of a constant rate, the earlier one where two are.

        Ticks are k / fps seconds after the first frame, k = 0 … round(D fps) − 1. D is the video's duration:
        from the first frame to the last, and once more the mean interval of two frames.

        Raises
        ------
        DecodeError
            When times are unknown or out of order.
        """
        if self.frames == 1:
            return [0]
        if self.unit is None:
            raise DecodeError("has no timestamps and no frame rate, which a constant rate needs")
        times = range(self.frames) if self.times is None else self.times
        for number in range(1, self.frames):
            if times[number] < times[number - 1]:
                raise DecodeError(f"timestamps are out of order at frame {number}, which a constant rate needs")
        # In whole numbers: one tick is p / q units; frames n and n + 1 meet at (t[n] + t[n + 1]) / 2.
        tick = 1 / (Fraction(str(fps)) * self.unit)
        halfway = [(one + other - 2 * times[0]) * tick.denominator for one, other in itertools.pairwise(times)]
        duration = Fraction((times[-1] - times[0]) * self.frames, self.frames - 1)
        ticks = max(1, int(duration / tick + Fraction(1, 2)))
        if ticks > _MOST_TICKS:
            raise DecodeError(f"its timestamps span {float(duration * self.unit / 3600):.0f} hours")
        return [bisect_left(halfway, 2 * k * tick.numerator) for k in range(ticks)]


def clip_requests(sampling: Sampling, video: str, timeline: Timeline) -> tuple[ClipRequest, ...]:
    """Choose the clips of a video.

    With ``sampling.fps``, clips are chosen among the ticks of that rate as otherwise among frames, and
    every tick stands for the frame nearest to it (`Timeline.resampled`).

    Raises
    ------
    DecodeError
        When a rate is asked for and the video's times are unknown or out of order.
    """
    frames = range(timeline.frames) if sampling.fps is None else timeline.resampled(sampling.fps)
    starts, repeats = np.unique(sampling.starts(len(frames), video), return_counts=True)
    found = []
    for start, times in zip(starts.tolist(), repeats.tolist(), strict=True):
        numbers = tuple(frames[tick] for tick in sampling.frames_of(start, len(frames)).tolist())
        found.append(ClipRequest(frames[start], times, numbers))
    return tuple(found)
