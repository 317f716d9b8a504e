"""Video files to clips of RGB frames, through PyAV; frames are counted by decoding, never by the container."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import P3DEvalError
from p3d_eval.features.sampling import Sampling

RETAINED_BYTES = 256 << 20  # decoded (YUV) frames kept while counting; longer videos are decoded twice
_QUARTER_TURN = 90  # degrees


class DecodeError(P3DEvalError):
    """A video that cannot be decoded; the message is the reason that the feature file lists."""


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


def to_rgb(frame: Any) -> NDArray[np.uint8]:
    """Convert a decoded frame to uint8 H × W × 3, turned upright by its rotation flag (quarter turns)."""
    image = frame.to_ndarray(format="rgb24")
    # The display matrix turns counter-clockwise, as rot90 does. Releases of PyAV without the attribute
    # give frames as they are stored; PyAV's version is part of a feature file's identity.
    turns, rest = divmod(round(getattr(frame, "rotation", 0)), _QUARTER_TURN)
    if rest == 0 and turns % 4:
        image = np.ascontiguousarray(np.rot90(image, turns))
    return image


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
