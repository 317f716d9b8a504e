"""Decoded frames to arrays: upright RGB, or the planes as the decoder has them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.backbones.planes import Matrix, Planes

Image = NDArray[np.uint8] | Planes

_QUARTER_TURN = 90  # degrees
_PLANAR = {"yuv420p": False, "yuvj420p": True}  # 4:2:0 with 8 bits → whether its range is full by name
_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
# AVColorSpace → matrix: what swscale uses for it. Others (BT.2020, SMPTE 240M, FCC …) are converted by swscale.
_MATRICES: dict[int, Matrix] = {1: "bt709", 2: "bt601", 5: "bt601", 6: "bt601"}


def quarter_turns(frame: Any) -> int:
    """Quarter turns counter-clockwise (as ``numpy.rot90``) that a frame's rotation flag asks for, 0 to 3."""
    # The display matrix turns counter-clockwise, as rot90 does. Releases of PyAV without the attribute
    # give frames as they are stored; PyAV's version is part of a feature file's identity.
    turns, rest = divmod(round(getattr(frame, "rotation", 0)), _QUARTER_TURN)
    return 0 if rest else turns % 4


def to_rgb(frame: Any) -> NDArray[np.uint8]:
    """Convert a decoded frame to uint8 H × W × 3, turned upright by its rotation flag (quarter turns)."""
    image: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    turns = quarter_turns(frame)
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def to_planes(frame: Any) -> Image:
    """Copy the planes of a 4:2:0 frame of 8 bits with a common matrix; convert any other to upright RGB.

    Frames of odd height are converted too: swscale interpolates their colours, which no device repeats.
    """
    full = _PLANAR.get(frame.format.name)
    matrix = _MATRICES.get(int(frame.colorspace))
    if full is None or matrix is None or frame.height % 2:
        return to_rgb(frame)
    y, u, v = (_plane(plane) for plane in frame.planes)
    return Planes(y, u, v, matrix, full or int(frame.color_range) == _FULL_RANGE, quarter_turns(frame))


def _plane(plane: Any) -> NDArray[np.uint8]:
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width].copy()
