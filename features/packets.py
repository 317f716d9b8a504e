"""A video's packets read without decoding: how many frames they make, when, and where decoding may begin."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from p3d_eval.features import h264, h265, vpx
from p3d_eval.features.bitstreams import Reader, UnprovenError
from p3d_eval.features.sequential import opened, require_running

_READERS: dict[str, Callable[[bytes], Reader]] = {
    "h264": h264.reader,
    "hevc": h265.reader,
    "vp8": vpx.vp8_reader,
    "vp9": vpx.vp9_reader,
}

Mark = tuple[int, int]  # presentation time and bytes: what tells a packet from the others


@dataclass(frozen=True)
class Anchor:
    """A packet that decoding may begin with.

    Parameters
    ----------
    position : int
        Its place in the stream.
    number : int
        The frame it shows; this frame and those after it depend on nothing before.
    seek_time : int
        What to ask the container for.
    """

    position: int
    number: int
    seek_time: int


@dataclass(frozen=True)
class PacketIndex:
    """Packets whose decoded frames are known without decoding.

    Parameters
    ----------
    marks : tuple of Mark
        Of every packet, in the stream's order.
    times : tuple of int
        Presentation time of every frame, ascending, in units of ``unit``.
    unit : Fraction
        Seconds.
    anchors : tuple of Anchor
        In order; the first is the first packet.
    shown_at : tuple of int
        Place in the stream of the packet that shows frame n.
    reach : tuple of int
        The last frame of those that frame n may depend on, itself or a later one: what is shown last of all
        that is stored up to it.
    """

    marks: tuple[Mark, ...]
    times: tuple[int, ...]
    unit: Fraction
    anchors: tuple[Anchor, ...]
    shown_at: tuple[int, ...]
    reach: tuple[int, ...]

    def anchor_for(self, number: int) -> Anchor:
        """Return the last anchor from which frame ``number`` can be decoded."""
        return self.anchors[bisect_right(self.anchors, number, key=lambda anchor: anchor.number) - 1]


def index_packets(path: Path, stopped: Event | None = None) -> PacketIndex:
    """Read all packets of a video and prove how many frames they make.

    The proof holds where a decoder has no choice: every packet shows at most one picture (by its headers),
    has a timestamp of its own, is neither damaged nor to be discarded, the first one needs no other, and
    the decoder waits for as many pictures as their order asks for, so that it drops none that come late.
    Damage inside the data is not seen.

    Raises
    ------
    UnprovenError
        When it cannot be proven.
    DecodeError
        When the file cannot be read, or reading was stopped.
    """
    with opened(path) as (container, stream):
        context = stream.codec_context
        read = _reader_for(context.name, context.extradata or b"")
        marks: list[Mark] = []
        places: list[int] = []
        keys: list[tuple[int, int]] = []
        for packet in container.demux(stream):
            require_running(stopped)
            if not packet.size:  # what PyAV adds to flush the decoder
                continue
            marks.append(_mark(packet))
            found = read(bytes(packet))
            if found.shown > 1:
                raise UnprovenError("a packet shows several pictures")
            if found.shown:
                if found.anchor:
                    # MP4 finds samples by decoding time; Matroska, by presentation time, an earlier one.
                    keys.append((len(places), packet.pts if packet.dts is None else packet.dts))
                places.append(len(marks) - 1)
        return _build(marks, places, keys, Fraction(stream.time_base), context.reorder_depth)


def _reader_for(codec: str, extradata: bytes) -> Reader:
    if codec not in _READERS:
        raise UnprovenError(f"{codec} is not understood")
    try:
        return _READERS[codec](extradata)
    except IndexError:
        raise UnprovenError("broken global headers") from None


def _mark(packet: Any) -> Mark:
    if packet.pts is None:
        raise UnprovenError("a packet has no timestamp")
    if packet.is_corrupt or packet.is_discard:
        raise UnprovenError("a packet is damaged or to be discarded")
    return packet.pts, packet.size


def _build(
    marks: list[Mark], places: list[int], keys: list[tuple[int, int]], unit: Fraction, reorder_depth: int
) -> PacketIndex:
    """Order frames by time and check; ``keys`` hold indices of ``places`` and times to seek."""
    if not places or not keys or keys[0][0] != 0 or places[0] != 0:
        raise UnprovenError("it does not begin with a picture that stands alone")
    times = np.array([marks[place][0] for place in places], np.int64)
    order = np.argsort(times, kind="stable")
    numbers = np.empty_like(order)
    numbers[order] = np.arange(len(order))
    if (np.diff(times[order]) <= 0).any():
        raise UnprovenError("two packets have one timestamp")
    # A picture that is n places late in the stream makes the decoder wait for n others.
    if int((np.arange(len(order)) - numbers).max()) > reorder_depth:
        raise UnprovenError("the decoder expects less reordering than there is")
    latest = np.maximum.accumulate(times)
    anchors = [
        Anchor(places[key], int(numbers[key]), seek_time)
        for key, seek_time in keys
        if key == 0 or latest[key - 1] < times[key]
    ]
    if anchors[0].number != 0:
        raise UnprovenError("pictures are shown before the first")
    return PacketIndex(
        tuple(marks),
        tuple(times[order].tolist()),
        unit,
        tuple(anchors),
        tuple(places[shown] for shown in order.tolist()),
        tuple(np.maximum.accumulate(numbers)[order].tolist()),
    )
