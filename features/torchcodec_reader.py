"""Reading through torchcodec (an extra), on CPU or GPU, where frame numbers are certain."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import MissingExtraError, UserError
from p3d_eval.features.bitstreams import UnprovenError
from p3d_eval.features.counting import Choose
from p3d_eval.features.decode_error import DecodeError
from p3d_eval.features.images import UPRIGHT, orientation_of
from p3d_eval.features.packets import PacketIndex, index_packets
from p3d_eval.features.requests import Frame, Opened, Timeline, VideoHeader
from p3d_eval.features.sequential import decode, require_running

DEVICES = {"torchcodec": "cpu", "torchcodec:cuda": "cuda"}  # decoder → where torchcodec decodes

_CHUNK = 16  # frames asked for at a time
# What torchcodec raises for files, codecs and devices that it cannot use.
_REFUSALS = (RuntimeError, ValueError, IndexError, OSError)


class UnreadableError(Exception):
    """Torchcodec cannot read a video, or not with certain frame numbers; the message says why."""


def load_torchcodec() -> Any:
    """Import torchcodec's decoders.

    Raises
    ------
    MissingExtraError
        When torchcodec is not installed.
    UserError
        When it does not load beside this torch and FFmpeg.
    """
    try:
        from torchcodec import decoders
    except ImportError as error:
        raise MissingExtraError("--decoder torchcodec", "torchcodec") from error
    except (RuntimeError, OSError) as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UserError(
            f"torchcodec does not load: {reason}",
            "It needs FFmpeg's shared libraries and the release that fits torch; or use --decoder pyav",
        ) from error
    return decoders


def torchcodec_version() -> str:
    """Return the installed release."""
    try:
        return version("torchcodec")
    except PackageNotFoundError:
        return "unknown"


def open_torchcodec(path: Path, decoder: str, choose: Choose, stopped: Event | None = None) -> Opened:
    """Open a video whose packets prove its frame numbers.

    torchcodec counts frames by packets. It is used where that is certain (`index_packets`): not for AVI, and
    not for codecs that are not understood. Videos with a rotation flag are left out, too, because releases
    of torchcodec differ in applying it.

    Parameters
    ----------
    path : Path
        The video file.
    decoder : str
        A key of `DEVICES`.
    choose : callable
        Timeline → clips.
    stopped : Event, optional
        Ends the decoding early when it is set.

    Raises
    ------
    UnreadableError
        When the video is to be read in another way.
    DecodeError
        When it cannot be decoded, or decoding was stopped.
    """
    try:
        index = index_packets(path, stopped)
    except UnprovenError as error:
        raise UnreadableError(str(error)) from error
    if orientation_of(next(decode(path))) != UPRIGHT:
        raise UnreadableError("it has a rotation flag")
    header = VideoHeader(len(index.times), choose(Timeline(len(index.times), index.times, index.unit)))
    needed = sorted(header.needed)
    chunks = [needed[first : first + _CHUNK] for first in range(0, len(needed), _CHUNK)]
    try:
        video = load_torchcodec().VideoDecoder(
            str(path),
            dimension_order="NHWC",
            num_ffmpeg_threads=1,
            device=DEVICES[decoder],
            seek_mode="exact",
        )
        first_images = _images(video, index, chunks[0])
    except _REFUSALS as error:
        raise UnreadableError(_first_line(error)) from error
    if len(video) != len(index.times):
        raise UnreadableError(f"it counts {len(video)} frames where packets show {len(index.times)}")

    def frames() -> Iterator[Frame]:
        images = first_images
        for chunk in chunks:
            require_running(stopped)
            if chunk is not chunks[0]:
                images = _go_on(video, index, chunk)
            for number, image in zip(chunk, images, strict=True):
                yield Frame(number, image)

    return header, frames()


def _go_on(video: Any, index: PacketIndex, numbers: list[int]) -> NDArray[np.uint8]:
    try:
        return _images(video, index, numbers)
    except (UnreadableError, *_REFUSALS) as error:
        raise DecodeError(f"torchcodec stopped at frame {numbers[0]}: {_first_line(error)}") from error


def _images(video: Any, index: PacketIndex, numbers: list[int]) -> NDArray[np.uint8]:
    """Decode frames and check that they have the times of their packets."""
    batch = video.get_frames_at(indices=numbers)
    expected = np.array([float(index.times[number] * index.unit) for number in numbers])
    if np.abs(np.asarray(batch.pts_seconds.cpu()) - expected).max() > index.unit:
        raise UnreadableError("its frames have other times than their packets")
    images: NDArray[np.uint8] = batch.data.cpu().numpy()
    return images


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
