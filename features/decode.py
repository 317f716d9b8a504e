"""Videos to the frames that their clips need; frames are counted as they decode, never by the container."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import av

from p3d_eval.errors import UnknownNameError
from p3d_eval.features.counting import Choose, survey
from p3d_eval.features.decode_error import DecodeError
from p3d_eval.features.image_folder import open_folder
from p3d_eval.features.images import Converter
from p3d_eval.features.packets import PacketIndex
from p3d_eval.features.requests import ClipRequest, Frame, Opened, VideoHeader, clip_requests
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.seeking import SeekError, decode_segments, plan_segments, worth_seeking
from p3d_eval.features.sequential import decode
from p3d_eval.features.torchcodec_reader import (
    DEVICES,
    UnreadableError,
    load_torchcodec,
    open_torchcodec,
    torchcodec_version,
)

__all__ = [
    "DECODERS",
    "ClipRequest",
    "DecodeError",
    "Frame",
    "VideoHeader",
    "decoder_versions",
    "read_video",
    "require_decoder",
]

DECODERS = ("pyav", *DEVICES)  # how videos are decoded; image folders always through PyAV


def require_decoder(decoder: str) -> None:
    """Check that a decoder is known and installed.

    Raises
    ------
    UnknownNameError, MissingExtraError, UserError
        When it is not.
    """
    if decoder not in DECODERS:
        raise UnknownNameError("decoder", decoder, DECODERS)
    if decoder in DEVICES:
        load_torchcodec()


def decoder_versions(decoder: str = "pyav") -> dict[str, str]:
    """Name the decoder, PyAV's version and those of the FFmpeg libraries it carries."""
    other = {"torchcodec": torchcodec_version()} if decoder in DEVICES else {}
    libraries = {name: ".".join(map(str, found)) for name, found in sorted(av.library_versions.items())}
    relevant = ("libavcodec", "libavformat", "libavutil", "libswscale")
    return {"name": decoder, "av": av.__version__, **other} | {
        name: libraries[name] for name in relevant if name in libraries
    }


def read_video(
    path: Path,
    video_id: str,
    sampling: Sampling,
    *,
    decoder: str = "pyav",
    planes: bool = False,
    stopped: Event | None = None,
) -> Iterator[VideoHeader | Frame]:
    """Yield what is known of a video, then every frame that one of its clips needs, once, in time order.

    Memory is bounded whatever the length: up to `counting.RETAINED_BYTES` of decoded frames are kept while
    the video is counted. Where that does not hold what the clips need, and the packets do not prove the
    count, a video is decoded twice; where they prove it, decoding jumps to the clips when that is shorter.

    Parameters
    ----------
    path : Path
        The video: a file, or a folder of numbered images.
    video_id : str
        Its id (seeds random clips).
    sampling : Sampling
        Which frames.
    decoder : {"pyav", "torchcodec", "torchcodec:cuda"}
        What decodes. What torchcodec cannot read, PyAV does, and the header's notice says so.
    planes : bool
        Whether images may be `Planes`; frames for which they do not serve are RGB all the same (`Converter`).
    stopped : Event, optional
        Ends the decoding early when it is set, with a DecodeError.

    Yields
    ------
    VideoHeader, then Frame

    Raises
    ------
    DecodeError
        When the video is broken, or a frame has another size; the message is the reason.
    UnknownNameError, MissingExtraError, UserError
        When there is no such decoder.
    """
    require_decoder(decoder)
    choose = partial(clip_requests, sampling, video_id)
    header, frames = _open(path, decoder, choose, Converter(planes), stopped)
    yield header
    shape = None
    for frame in frames:
        if shape is not None and frame.image.shape[:2] != shape:
            raise DecodeError(f"the size of its frames changes at frame {frame.number}")
        shape = frame.image.shape[:2]
        yield frame


def _open(path: Path, decoder: str, choose: Choose, convert: Converter, stopped: Event | None) -> Opened:
    if path.is_dir():
        return open_folder(path, choose, convert, stopped)
    if decoder not in DEVICES:
        return _open_file(path, choose, convert, stopped)
    try:
        return open_torchcodec(path, decoder, choose, stopped)
    except UnreadableError as error:
        header, frames = _open_file(path, choose, convert, stopped)
        return replace(header, notice=f"read with pyav instead of {decoder}: {error}"), frames


def _open_file(path: Path, choose: Choose, convert: Converter, stopped: Event | None) -> Opened:
    found = survey(path, choose, stopped)
    header = VideoHeader(found.timeline.frames, choose(found.timeline))
    needed = sorted(header.needed)
    frames: Iterator[tuple[int, Any]]
    if found.index is not None:
        frames = _decode_indexed(path, found.index, needed, stopped)
    elif header.needed <= found.kept.keys():
        frames = ((number, found.kept.pop(number)) for number in needed)
    else:
        found.kept.clear()
        frames = _decode_again(path, needed, stopped)
    return header, (Frame(number, convert(frame)) for number, frame in frames)


def _decode_again(path: Path, needed: list[int], stopped: Event | None) -> Iterator[tuple[int, Any]]:
    wanted, last = frozenset(needed), needed[-1]
    for number, frame in enumerate(decode(path, stopped)):
        if number in wanted:
            yield number, frame
        if number == last:
            return
    raise DecodeError("gave fewer frames when it was decoded again")


def _decode_indexed(
    path: Path, index: PacketIndex, needed: list[int], stopped: Event | None
) -> Iterator[tuple[int, Any]]:
    """Jump to the needed frames where that is shorter; go through the file otherwise, or when jumps fail."""
    segments = plan_segments(index, needed)
    given = -1
    if worth_seeking(index, segments):
        try:
            for given, frame in decode_segments(path, index, segments, stopped):
                yield given, frame
        except (SeekError, DecodeError):  # the way through the file tells what is wrong, if anything is
            pass
        else:
            return
    wanted, last = frozenset(needed), needed[-1]
    for number, frame in enumerate(decode(path, stopped)):
        if number >= len(index.times) or frame.pts != index.times[number]:
            raise DecodeError(f"frame {number} is not the one that its packets promise")
        if number > given and number in wanted:
            yield number, frame
        if number == last:
            return
    raise DecodeError(f"gave fewer frames than the {len(index.times)} that its packets promise")
