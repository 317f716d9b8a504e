"""Videos to the frames that their clips need; frames are counted as they decode, never by the container."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UnknownNameError
from p3d_eval.features.counting import Choose, survey
from p3d_eval.features.decode_error import DecodeError
from p3d_eval.features.images import Converter
from p3d_eval.features.packets import PacketIndex
from p3d_eval.features.requests import ClipRequest, Frame, VideoHeader, clip_requests
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.seeking import SeekError, decode_segments, plan_segments, worth_seeking
from p3d_eval.features.sequential import decode

__all__ = [
    "DECODERS",
    "ClipRequest",
    "DecodeError",
    "Frame",
    "VideoHeader",
    "count_frames",
    "decoder_versions",
    "read_video",
]

DECODERS = ("pyav",)


def decoder_versions() -> dict[str, str]:
    """PyAV's version and those of the FFmpeg libraries it carries."""
    libraries = {name: ".".join(map(str, found)) for name, found in sorted(av.library_versions.items())}
    relevant = ("libavcodec", "libavformat", "libavutil", "libswscale")
    return {"name": "pyav", "av": av.__version__} | {
        name: libraries[name] for name in relevant if name in libraries
    }


def count_frames(path: Path, stopped: Event | None = None) -> int:
    """Count the frames that decode; ``stopped`` ends it early with a DecodeError."""
    return sum(1 for _ in decode(path, stopped))


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
        The video.
    video_id : str
        Its id (seeds random clips).
    sampling : Sampling
        Which frames.
    decoder : {"pyav"}
        What decodes.
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
    UnknownNameError
        When there is no such decoder.
    """
    if decoder not in DECODERS:
        raise UnknownNameError("decoder", decoder, DECODERS)
    choose = partial(clip_requests, sampling, video_id)
    shape = None
    for item in _read_file(path, choose, Converter(planes), stopped):
        if isinstance(item, Frame):
            if shape is not None and item.image.shape[:2] != shape:
                raise DecodeError(f"the size of its frames changes at frame {item.number}")
            shape = item.image.shape[:2]
        yield item


def _read_file(
    path: Path, choose: Choose, convert: Converter, stopped: Event | None
) -> Iterator[VideoHeader | Frame]:
    found = survey(path, choose, stopped)
    header = VideoHeader(found.timeline.frames, choose(found.timeline))
    yield header
    needed = sorted(header.needed)
    if found.index is not None:
        frames = _decode_indexed(path, found.index, needed, stopped)
    elif header.needed <= found.kept.keys():
        frames = ((number, found.kept.pop(number)) for number in needed)
    else:
        found.kept.clear()
        frames = _decode_again(path, needed, stopped)
    for number, frame in frames:
        yield Frame(number, convert(frame))


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
        except SeekError:
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


@dataclass(frozen=True)
class Clip:
    """One clip: its first frame, how often the sampling repeats it, and uint8 RGB frames T × H × W × 3."""

    start: int
    repeats: int
    frames: NDArray[np.uint8]


def read_clips(
    path: Path,
    video: str,
    sampling: Sampling,
    on_count: Callable[[int], None] | None = None,
    stopped: Event | None = None,
) -> Iterator[Clip]:
    """Yield the clips that ``sampling`` chooses, each start once, in time order (see `read_video`)."""
    frames = read_video(path, video, sampling, stopped=stopped)
    header = next(frames)
    if on_count is not None:
        on_count(header.frames)
    images: dict[int, Any] = {}
    for clip in header.clips:
        while not images or max(images) < max(clip.numbers):
            frame = next(frames)
            images[frame.number] = frame.image
        yield Clip(clip.start, clip.repeats, np.stack([images[number] for number in clip.numbers]))
        images = {number: image for number, image in images.items() if number >= clip.start}
