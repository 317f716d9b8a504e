"""Decoding only the parts of a video that are needed, with the proof that the frames are the right ones."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from p3d_eval.features.packets import Anchor, PacketIndex
from p3d_eval.features.sequential import opened, require_running

_JUMP_PACKETS = 8  # a jump costs as much as decoding 2 to 15 packets (benchmarks/decoding.py, several runs)


class SeekError(Exception):
    """A jump did not lead to the expected packets or frames."""


@dataclass(frozen=True)
class Segment:
    """Frames that are decoded in one go: where to begin, and which are needed, ascending."""

    anchor: Anchor
    numbers: tuple[int, ...]


def plan_segments(index: PacketIndex, needed: Iterable[int]) -> tuple[Segment, ...]:
    """Group frames so that what lies between two groups is longer than a jump is worth."""
    groups: list[tuple[Anchor, list[int]]] = []
    for number in sorted(needed):
        anchor = index.anchor_for(number)
        if groups:
            reached = index.shown_at[groups[-1][1][-1]]
            if anchor.position <= reached + _JUMP_PACKETS:
                groups[-1][1].append(number)
                continue
        groups.append((anchor, [number]))
    return tuple(Segment(anchor, tuple(numbers)) for anchor, numbers in groups)


def worth_seeking(index: PacketIndex, segments: tuple[Segment, ...]) -> bool:
    """Whether jumping decodes fewer packets than going through, jumps counted."""
    decoded = sum(
        index.shown_at[segment.numbers[-1]] - segment.anchor.position + _JUMP_PACKETS for segment in segments
    )
    return decoded < index.shown_at[segments[-1].numbers[-1]]


def decode_segments(
    path: Path, index: PacketIndex, segments: tuple[Segment, ...], stopped: Event | None = None
) -> Iterator[tuple[int, Any]]:
    """Yield number and ``av.VideoFrame`` of every needed frame, in order.

    Every packet that is decoded must be the one that the index has in its place, and every frame that comes
    out must have the next time; then the frames are those of decoding from the beginning. A damaged
    picture is mended with what was decoded before, which is not the same here: the decoder stops at damage,
    and a frame is given when all that it may depend on have come out whole.

    Raises
    ------
    SeekError
        When a packet or frame is not the expected one.
    DecodeError
        When a packet cannot be decoded, or decoding was stopped.
    """
    with opened(path, strict=True) as (container, stream):
        if segments[0].anchor.position:
            # The first packet tells some decoders how its encoder worked; they keep that over jumps.
            next(container.demux(stream)).decode()
        for segment in segments:
            if segment.anchor.position:
                container.seek(segment.anchor.seek_time, stream=stream)
            yield from _decode_segment(container.demux(stream), index, segment, stopped)


def _decode_segment(
    packets: Iterator[Any], index: PacketIndex, segment: Segment, stopped: Event | None
) -> Iterator[tuple[int, Any]]:
    expected, wanted, end = segment.anchor.number, set(segment.numbers), index.reach[segment.numbers[-1]]
    held: deque[tuple[int, Any]] = deque()
    for packet in _from_anchor(packets, index, segment.anchor):
        require_running(stopped)
        for frame in packet.decode():
            if frame.pts is not None and frame.pts < index.times[segment.anchor.number]:
                continue  # shown before the anchor though stored behind it
            if frame.is_corrupt or expected >= len(index.times) or frame.pts != index.times[expected]:
                raise SeekError
            if expected in wanted:
                held.append((expected, frame))
            while held and index.reach[held[0][0]] <= expected:
                yield held.popleft()
            if expected == end:
                return
            expected += 1
    raise SeekError


def _from_anchor(packets: Iterator[Any], index: PacketIndex, anchor: Anchor) -> Iterator[Any]:
    """Skip to the anchor, then give packets for as long as they are the index's."""
    position = anchor.position
    for packet in packets:
        if not packet.size:
            yield packet  # flushes the decoder
            return
        expected = index.marks[position] if position < len(index.marks) else None
        if (packet.pts, packet.size) != expected:
            if position == anchor.position:
                continue
            raise SeekError
        position += 1
        yield packet
