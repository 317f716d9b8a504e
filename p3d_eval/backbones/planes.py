"""Decoded frames as the decoder has them: luma and halved chroma, for colour conversion on the device."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

Matrix = Literal["bt601", "bt709"]


@dataclass(frozen=True)
class Planes:
    """One 4:2:0 frame of 8 bits, or a batch of them, as stored: not yet turned upright.

    Parameters
    ----------
    y : array of uint8, shape ([N,] H, W)
        Luma: an ndarray or a tensor, as u and v are.
    u, v : array of uint8, shape ([N,] ceil(H / 2), ceil(W / 2))
        Chroma, blue and red difference, 128 is none.
    matrix : {"bt601", "bt709"}
        Which luma coefficients the stream names; ``bt601`` where it names none, as swscale does.
    full_range : bool
        Whether luma spans 0–255 instead of 16–235 (chroma 0–255 instead of 16–240).
    turns : int
        Quarter turns counter-clockwise (as ``numpy.rot90``) that make the picture upright, 0 to 3.
    """

    y: Any
    u: Any
    v: Any
    matrix: Matrix = "bt601"
    full_range: bool = False
    turns: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the upright picture."""
        height, width = self.y.shape[-2:]
        return (width, height) if self.turns % 2 else (height, width)

    @property
    def nbytes(self) -> int:
        """Bytes of the three planes together."""
        return self.y.nbytes + self.u.nbytes + self.v.nbytes

    @property
    def coding(self) -> tuple[Matrix, bool, int]:
        """What frames of one size must have in common to be one batch."""
        return self.matrix, self.full_range, self.turns

    def __len__(self) -> int:
        """Count the frames of a batch."""
        return len(self.y)

    def __getitem__(self, index: Any) -> "Planes":
        """Take frames from a batch."""
        return replace(self, y=self.y[index], u=self.u[index], v=self.v[index])


def stack_planes(frames: Sequence[Planes]) -> Planes:
    """Make a batch of single frames (ndarrays) of one size and coding.

    Raises
    ------
    ValueError
        When sizes or codings differ.
    """
    if len({frame.coding for frame in frames}) != 1:
        raise ValueError(f"{len(frames)} frames of one coding were expected")
    y, u, v = (np.stack([getattr(frame, name) for frame in frames]) for name in "yuv")
    return replace(frames[0], y=y, u=u, v=v)
