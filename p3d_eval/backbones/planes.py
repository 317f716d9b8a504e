"""A decoded frame as the decoder has it: luma and halved chroma, for colour conversion on the device."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Matrix = Literal["bt601", "bt709"]


@dataclass(frozen=True)
class Planes:
    """One 4:2:0 frame of 8 bits, as stored: not yet turned upright.

    Parameters
    ----------
    y : ndarray of uint8, shape (H, W)
        Luma.
    u, v : ndarray of uint8, shape (ceil(H / 2), ceil(W / 2))
        Chroma, blue and red difference, 128 is none.
    matrix : {"bt601", "bt709"}
        Which luma coefficients the stream names; ``bt601`` where it names none, as swscale does.
    full_range : bool
        Whether luma spans 0–255 instead of 16–235 (chroma 0–255 instead of 16–240).
    turns : int
        Quarter turns counter-clockwise (as ``numpy.rot90``) that make the picture upright, 0 to 3.
    """

    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]
    matrix: Matrix = "bt601"
    full_range: bool = False
    turns: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the upright picture."""
        height, width = self.y.shape
        return (width, height) if self.turns % 2 else (height, width)

    @property
    def nbytes(self) -> int:
        """Bytes of the three planes together."""
        return self.y.nbytes + self.u.nbytes + self.v.nbytes
