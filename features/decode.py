"""Video files to clips of RGB frames, through PyAV; frames are counted by decoding, never by the container."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import P3DEvalError, UnknownNameError
from p3d_eval.features.images import Image, to_planes, to_rgb
from p3d_eval.features.sampling import Sampling

DECODERS = ("pyav",)

RETAINED_BYTES = 256 << 20  # decoded (YUV) frames kept while counting; longer videos are decoded twice


class DecodeError(P3DEvalError):
    """A video that cannot be decoded; the message is the reason that the feature file lists."""


@dataclass(frozen=True)
class ClipRequest:
    """A clip to cut: its first frame, how often the sampling repeats it, and the numbers of its frames."""

    start: int
    repeats: int
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class VideoHeader:
    """What is known of a video before its frames are given: how many decode, and its clips in time order."""

    frames: int
    clips: tuple[ClipRequest, ...]


@dataclass(frozen=True)
class Frame:
    """A decoded frame: its number in the video, and its image: uint8 upright RGB H × W × 3, or planes."""

    number: int
    image: Image


@dataclass(frozen=True)
class Clip:
    """One clip: its first frame, how often the sampling repeats it, and uint8 RGB frames T × H × W × 3."""

    start: int
    repeats: int
    frames: NDArray[np.uint8]


def decoder_versions() -> dict[str, str]:
    """PyAV's version and those of the FFmpeg libraries it carries."""
    libraries = {name: ".".join(map(str, found)) for name, found in sorted(av.library_versions.items())}
    relevant = ("libavcodec", "libavformat", "libavutil", "libswscale")
    return {"name": "pyav", "av": av.__version__} | {
        name: libraries[name] for name in relevant if name in libraries
    }


def decode(path: Path, stopped: Event | None = None) -> Iterator[Any]:
    """Yield every frame of the first video stream, undecorated (``av.VideoFrame``), in presentation order.

    Metadata that is not UTF-8 (HMDB51 has such files) is read with replacement characters.

    Parameters
    ----------
    path : Path
        The video file.
    stopped : Event, optional
        Ends the decoding early when it is set.

    Raises
    ------
    DecodeError
        When the file cannot be opened, has no video, a packet cannot be decoded, or decoding was stopped.
    """
    count = 0
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            if not container.streams.video:
                raise DecodeError("no video stream")
            stream = container.streams.video[0]
            # One thread a video: videos are decoded side by side, and errors come in order.
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                if stopped is not None and stopped.is_set():
                    raise DecodeError("stopped")
                yield frame
                count += 1
    except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
        where = f" after frame {count}" if count else ""
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DecodeError(f"cannot be decoded{where}: {text}") from error
    if not count:
        raise DecodeError("no frames")


def count_frames(path: Path, stopped: Event | None = None) -> int:
    """Count the frames that decode; ``stopped`` ends it early with a DecodeError."""
    return sum(1 for _ in decode(path, stopped))


def _frame_bytes(frame: Any) -> int:
    return sum(plane.buffer_size for plane in frame.planes)


def _count_and_keep(path: Path, stopped: Event | None) -> tuple[int, list[Any] | None]:
    """Decode once to count; keep the frames unless they are too many."""
    kept: list[Any] | None = []
    count = used = 0
    for frame in decode(path, stopped):
        count += 1
        if kept is not None:
            kept.append(frame)
            used += _frame_bytes(frame)
            if used > RETAINED_BYTES:
                kept = None
    return count, kept


def _assemble(
    starts: NDArray[np.int64], sampling: Sampling, count: int, frames: Iterator[Any]
) -> Iterator[Clip]:
    """Yield clips in order of their starts from frames in order, holding no more than open clips need."""
    unique, repeats = np.unique(starts, return_counts=True)
    wanted = [sampling.frames_of(int(start), count) for start in unique]
    needed = {int(number) for numbers in wanted for number in numbers}
    images: dict[int, NDArray[np.uint8]] = {}
    ready = 0
    for number, frame in enumerate(frames):
        if number in needed:
            images[number] = to_rgb(frame)
            if images[number].shape != next(iter(images.values())).shape:
                raise DecodeError(f"the size of its frames changes at frame {number}")
        while ready < len(wanted) and number >= int(wanted[ready].max()):
            clip = np.stack([images[int(index)] for index in wanted[ready]])
            yield Clip(int(unique[ready]), int(repeats[ready]), clip)
            ready += 1
            floor = int(unique[ready]) if ready < len(wanted) else count
            images = {index: image for index, image in images.items() if index >= floor}
        if ready == len(wanted):
            return
    raise DecodeError(f"gave {count} frames at first and fewer when decoded again")


def read_clips(
    path: Path,
    video: str,
    sampling: Sampling,
    on_count: Callable[[int], None] | None = None,
    stopped: Event | None = None,
) -> Iterator[Clip]:
    """Yield the clips that ``sampling`` chooses, each start once, in time order.

    Parameters
    ----------
    path : Path
        The video file.
    video : str
        Its id (seeds random clips).
    sampling : Sampling
        Which frames.
    on_count : callable, optional
        Called with the number of decoded frames before the first clip.
    stopped : Event, optional
        Ends the decoding early when it is set.

    Raises
    ------
    DecodeError
        When the video is broken.
    """
    count, kept = _count_and_keep(path, stopped)
    if on_count is not None:
        on_count(count)
    starts = sampling.starts(count, video)
    frames = decode(path, stopped) if kept is None else iter(kept)
    yield from _assemble(starts, sampling, count, frames)


def requests(sampling: Sampling, frames: int, video: str) -> tuple[ClipRequest, ...]:
    """Return the clips of a video with ``frames`` decoded frames, each once, in time order."""
    starts, repeats = np.unique(sampling.starts(frames, video), return_counts=True)
    return tuple(
        ClipRequest(int(start), int(times), tuple(map(int, sampling.frames_of(int(start), frames))))
        for start, times in zip(starts, repeats, strict=True)
    )


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
        Whether images may be `Planes`; frames that are not 4:2:0 with 8 bits are RGB all the same.
    stopped : Event, optional
        Ends the decoding early when it is set, with a DecodeError.

    Yields
    ------
    VideoHeader, then Frame

    Raises
    ------
    DecodeError
        When the video is broken; the message is the reason.
    UnknownNameError
        When there is no such decoder.
    """
    if decoder not in DECODERS:
        raise UnknownNameError("decoder", decoder, DECODERS)
    count, kept = _count_and_keep(path, stopped)
    header = VideoHeader(count, requests(sampling, count, video_id))
    yield header
    convert = to_planes if planes else to_rgb
    needed = {number for clip in header.clips for number in clip.numbers}
    shape = None
    for number, frame in enumerate(decode(path, stopped) if kept is None else kept):
        if number not in needed:
            continue
        if shape is not None and (frame.height, frame.width) != shape:
            raise DecodeError(f"the size of its frames changes at frame {number}")
        shape = (frame.height, frame.width)
        yield Frame(number, convert(frame))
