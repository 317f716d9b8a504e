"""Decoded frames to arrays: upright RGB, or the planes as the decoder has them."""

import struct
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from p3d_eval.backbones.planes import Matrix, Planes
from p3d_eval.features.decode_error import DecodeError

Image = NDArray[np.uint8] | Planes

_QUARTER_TURN = 90  # degrees
_SKEW = 50  # a display matrix turns by quarters where one entry of a row is so many times the other
_PLANAR = {"yuv420p": False, "yuvj420p": True}  # 4:2:0 with 8 bits → whether its range is full by name
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
# AVColorSpace → matrix: what swscale uses for it. Others (BT.2020, SMPTE 240M, FCC …) are converted by swscale.
_MATRICES: dict[int, Matrix] = {1: "bt709", 2: "bt601", 5: "bt601", 6: "bt601"}


@dataclass(frozen=True)
class Orientation:
    """How to show a stored picture: quarter turns counter-clockwise (``numpy.rot90``), then mirrored or not."""

    turns: int = 0
    mirrored: bool = False


UPRIGHT = Orientation()


def orientation_of(frame: Any) -> Orientation:
    """Read the display matrix of a decoded frame as players do: quarter turns and mirrors.

    Raises
    ------
    DecodeError
        When it asks for anything else, such as a turn by 30 degrees.
    """
    try:
        data = frame.side_data.get(Type.DISPLAYMATRIX)
    except ValueError:  # PyAV 18 stumbles over kinds of side data that it does not know
        turns, rest = divmod(round(frame.rotation), _QUARTER_TURN)
        if rest:
            raise DecodeError(f"its rotation flag asks for {frame.rotation} degrees") from None
        return Orientation(turns % 4)
    return UPRIGHT if data is None else _from_matrix(*struct.unpack("=9i", bytes(data))[:5])


def _from_matrix(a: int, b: int, _u: int, c: int, d: int) -> Orientation:
    """Orientation of FFmpeg's display matrix, which sends (x, y) to (a x + c y, b x + d y), y downwards."""
    if not (a or b or c or d):
        return UPRIGHT
    across = abs(a) > abs(b)
    large, small = (a, b) if across else (b, a)
    other, rest = (d, c) if across else (c, d)
    if abs(small) * _SKEW > abs(large) or abs(rest) * _SKEW > abs(other):
        raise DecodeError("its rotation flag asks for something else than quarter turns and mirrors")
    mirrored = a * d - b * c < 0
    if mirrored:  # without the mirror, which turns x of the result round
        a = -a
    if across:
        return Orientation(0 if a > 0 else 2, mirrored)
    return Orientation(3 if b > 0 else 1, mirrored)


class _Clock(threading.local):
    seconds = 0.0


converting = _Clock()  # what this thread has spent on conversion


class Converter:
    """Turns decoded frames (``av.VideoFrame``) into images; one for each thread.

    Images are views of the decoder's memory where nothing has to be moved; they are not written to.

    Parameters
    ----------
    planes : bool
        Whether to give the planes of 4:2:0 frames of 8 bits and even height whose matrix is BT.601 or BT.709
        and that are not mirrored. Every other frame becomes RGB all the same: swscale knows all formats.
        For odd heights swscale interpolates colours, so that planes converted elsewhere would differ.
    """

    def __init__(self, planes: bool = False) -> None:
        self._planes = planes
        # Kept, and one thread: a new conversion context a frame, with threads, took ten times as long.
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any, orientation: Orientation | None = None) -> Image:
        """Return uint8 upright RGB H × W × 3, or planes; ``orientation`` replaces the frame's own."""
        began = time.perf_counter()
        image = self._convert(frame, orientation_of(frame) if orientation is None else orientation)
        converting.seconds += time.perf_counter() - began
        return image

    def _convert(self, frame: Any, shown: Orientation) -> Image:
        if self._planes and not shown.mirrored and frame.height % 2 == 0:
            full = _PLANAR.get(frame.format.name)
            matrix = _MATRICES.get(int(frame.colorspace))
            if full is not None and matrix is not None:
                y, u, v = (_plane(plane) for plane in frame.planes)
                return Planes(y, u, v, matrix, full or int(frame.color_range) == _FULL_RANGE, shown.turns)
        return self.rgb(frame, shown)

    def rgb(self, frame: Any, shown: Orientation = UPRIGHT) -> NDArray[np.uint8]:
        """Convert to uint8 RGB H × W × 3 and make it upright. Transparent pixels keep the colour they have."""
        converted = self._reformatter.reformat(frame, format="rgb24", threads=1)
        image = _plane(converted.planes[0], 3).reshape(converted.height, converted.width, 3)
        if shown == UPRIGHT:
            return image
        turned = np.rot90(image, shown.turns)
        return np.ascontiguousarray(turned[:, ::-1] if shown.mirrored else turned)


def _plane(plane: Any, channels: int = 1) -> NDArray[np.uint8]:
    """View a plane without the padding of its rows; it lives as long as the view."""
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width * channels]
