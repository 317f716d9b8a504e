"""The first way through a video file: how many frames decode, when, and those that memory has room for."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

from p3d_eval.features.bitstreams import UnprovenError
from p3d_eval.features.decode_error import DecodeError
from p3d_eval.features.packets import PacketIndex, index_packets
from p3d_eval.features.requests import ClipRequest, Timeline
from p3d_eval.features.sequential import claimed_frames, decode

RETAINED_BYTES = 128 << 20  # decoded frames of a video that are kept while their number is unknown

Choose = Callable[[Timeline], tuple[ClipRequest, ...]]


@dataclass(frozen=True)
class Survey:
    """What the first way through a file tells.

    Parameters
    ----------
    timeline : Timeline
        How many frames, and when they are shown.
    kept : dict of int to av.VideoFrame
        Decoded frames by number, as many as there was room for.
    index : PacketIndex, optional
        Where the number of frames was proven without decoding them.
    """

    timeline: Timeline
    kept: dict[int, Any] = field(default_factory=dict)
    index: PacketIndex | None = None


class _LongError(Exception):
    """The container promises more frames than there is room for."""


class _Facts:
    """What a container says of its stream; hints, none of which decides what frames are."""

    def __init__(self, refuse_long: bool) -> None:
        self._refuse_long = refuse_long
        self.frames = 0
        self.interval: Fraction | None = None
        self.unit: Fraction | None = None
        self.avi = False

    def __call__(self, stream: Any) -> None:
        context = stream.codec_context
        self.frames = claimed_frames(stream)
        self.interval = 1 / Fraction(stream.average_rate) if stream.average_rate else None
        self.unit = Fraction(stream.time_base) if stream.time_base else None
        self.avi = stream.container.format.name == "avi"
        if self._refuse_long and self.frames * context.width * context.height * 3 // 2 > RETAINED_BYTES:
            raise _LongError

    def timeline(self, times: list[int | None]) -> Timeline:
        """Timeline of decoded frames; AVI numbers its frames and has no times of its own."""
        known = [time for time in times if time is not None]
        ordered = all(one < other for one, other in itertools.pairwise(known))
        if len(known) < len(times) or self.unit is None or (self.avi and not ordered):
            return Timeline(len(times), None, self.interval)
        return Timeline(len(times), known, self.unit)


class _Kept:
    """Frames kept within `RETAINED_BYTES`: all; when that is too much, those of ``guess``; then none."""

    def __init__(self, guess: Callable[[], frozenset[int]]) -> None:
        self._guess = guess
        self._selected: frozenset[int] | None = None
        self._used = 0
        self._full = False
        self.frames: dict[int, Any] = {}

    def add(self, number: int, frame: Any) -> None:
        if self._full or (self._selected is not None and number not in self._selected):
            return
        self.frames[number] = frame
        self._used += _nbytes(frame)
        if self._used > RETAINED_BYTES and self._selected is None:
            self._selected = self._guess()
            self.frames = {kept: frame for kept, frame in self.frames.items() if kept in self._selected}
            self._used = sum(map(_nbytes, self.frames.values()))
        if self._used > RETAINED_BYTES:
            self._full = True
            self.frames.clear()


def _nbytes(frame: Any) -> int:
    return sum(plane.buffer_size for plane in frame.planes)


def survey(path: Path, choose: Choose, stopped: Event | None = None) -> Survey:
    """Count the frames of a video: by decoding them, or from its packets where they are many and prove it.

    Parameters
    ----------
    path : Path
        The video file.
    choose : callable
        Timeline → clips; tells which frames are worth keeping.
    stopped : Event, optional
        Ends it early with a DecodeError when it is set.

    Raises
    ------
    DecodeError
        When the file cannot be decoded.
    """
    try:
        return _decode_all(path, choose, stopped, _Facts(refuse_long=True))
    except _LongError:
        pass
    try:
        index = index_packets(path, stopped)
    except UnprovenError:
        return _decode_all(path, choose, stopped, _Facts(refuse_long=False))
    return Survey(Timeline(len(index.times), index.times, index.unit), index=index)


def _decode_all(path: Path, choose: Choose, stopped: Event | None, facts: _Facts) -> Survey:
    def guess() -> frozenset[int]:
        try:
            clips = choose(Timeline(max(1, facts.frames), None, facts.interval))
        except DecodeError:  # no rate to resample with
            return frozenset()
        return frozenset(number for clip in clips for number in clip.numbers)

    kept = _Kept(guess)
    times: list[int | None] = []
    for number, frame in enumerate(decode(path, stopped, facts)):
        times.append(frame.pts)
        kept.add(number, frame)
    return Survey(facts.timeline(times), kept.frames)
