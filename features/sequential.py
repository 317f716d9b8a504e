"""Decoding a file through PyAV from its first frame to its last."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

import av
from av.stream import Disposition

from p3d_eval.features.decode_error import DecodeError

_PICTURE = Disposition.attached_pic  # the cover of a sound file
# An image's name may hold "%", which FFmpeg's reader of numbered images would take for a counter.
_LITERAL_NAME = {"pattern_type": "none"}


def require_running(stopped: Event | None) -> None:
    """End the decoding with a DecodeError when ``stopped`` is set."""
    if stopped is not None and stopped.is_set():
        raise DecodeError("stopped")


@contextmanager
def opened(path: Path, strict: bool = False) -> Iterator[tuple[Any, Any]]:
    """Open a file and give its container and its first video stream (no cover picture), set to one thread.

    Metadata that is not UTF-8 (HMDB51 has such files) is read with replacement characters. Errors of
    FFmpeg inside the block become DecodeErrors. A decoder mends damaged pictures with others that it has
    at hand; a ``strict`` one raises instead.

    Raises
    ------
    DecodeError
        When the file cannot be opened or read, or has no video.
    """
    try:
        with av.open(str(path), metadata_errors="replace", options=_LITERAL_NAME) as container:
            moving = [found for found in container.streams.video if not found.disposition & _PICTURE]
            if not moving:
                raise DecodeError("no video stream")
            stream = moving[0]
            if stream.codec_context is None:
                raise DecodeError("its video has a codec that FFmpeg does not know")
            # One thread a video: videos are decoded side by side, and errors come in order.
            stream.codec_context.thread_count = 1
            if strict:
                stream.codec_context.options = {"err_detect": "explode"}
            yield container, stream
    except (av.error.FFmpegError, OSError, ValueError, RuntimeError) as error:
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DecodeError(f"cannot be decoded: {text}") from error


def decode(
    path: Path, stopped: Event | None = None, on_open: Callable[[Any], None] | None = None
) -> Iterator[Any]:
    """Yield every frame of the first video stream (``av.VideoFrame``) in the decoder's order.

    Parameters
    ----------
    path : Path
        The video file.
    stopped : Event, optional
        Ends the decoding early when it is set.
    on_open : callable, optional
        Called with the stream before anything is decoded.

    Raises
    ------
    DecodeError
        When the file cannot be opened, has no video, a packet cannot be decoded, or decoding was stopped.
    """
    count = 0
    try:
        with opened(path) as (container, stream):
            if on_open is not None:
                on_open(stream)
            for frame in container.decode(stream):
                require_running(stopped)
                yield frame
                count += 1
    except DecodeError as error:
        if error.__cause__ is None or not count:
            raise
        raise DecodeError(str(error).replace(":", f" after frame {count}:", 1)) from error.__cause__
    if not count:
        raise DecodeError("no frames")


def claimed_frames(stream: Any) -> int:
    """How many frames a container promises, 0 when it promises none: a hint, never an answer."""
    if stream.frames:
        return int(stream.frames)
    rate = stream.average_rate
    seconds = claimed_seconds(stream)
    return round(seconds * rate) if rate and seconds else 0


def claimed_seconds(stream: Any) -> Fraction:
    """Duration that a container promises, 0 when it promises none."""
    if stream.duration and stream.time_base:
        return Fraction(stream.duration * stream.time_base)
    whole = stream.container.duration
    return Fraction(whole, av.time_base) if whole and whole > 0 else Fraction(0)
