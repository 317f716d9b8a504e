"""What a decoder is asked and what it answers; frames travel in blocks that share one form."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.backbones.planes import Matrix, Planes
from p3d_eval.errors import P3DEvalError
from p3d_eval.features.images import Image
from p3d_eval.features.requests import VideoHeader
from p3d_eval.features.sampling import Sampling


@dataclass(frozen=True)
class Job:
    """A video to decode.

    Parameters
    ----------
    path, id : str
        Its file and id.
    sampling : Sampling
        Which frames.
    decoder : str
        What decodes.
    planes : bool
        Whether frames may come as planes.
    count_only : bool
        Whether only the header is wanted.
    after : int
        Frames up to this number are there already, from a decoder that ended.
    reader : str
        ``package.module:function`` with the parameters of `read_video`.
    """

    path: str
    id: str
    sampling: Sampling
    decoder: str = "pyav"
    planes: bool = False
    count_only: bool = False
    after: int = -1
    reader: str = "p3d_eval.features.decode:read_video"


@dataclass(frozen=True)
class Form:
    """How the bytes of a frame are to be read: RGB of a height and width, or planes with their coding."""

    height: int
    width: int
    coding: tuple[Matrix, bool, int] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of one frame."""
        luma = self.height * self.width
        return 3 * luma if self.coding is None else luma + 2 * self._chroma

    @property
    def _chroma(self) -> int:
        return ((self.height + 1) // 2) * ((self.width + 1) // 2)

    def write(self, image: Image, out: NDArray[np.uint8]) -> None:
        """Copy a frame to ``out``, which has `nbytes` bytes."""
        if not isinstance(image, Planes):
            out.reshape(image.shape)[...] = image
            return
        at = 0
        for plane in (image.y, image.u, image.v):
            out[at : at + plane.size].reshape(plane.shape)[...] = plane
            at += plane.size

    def read(self, flat: Any) -> Any:
        """Turn the bytes of a batch, shape (N, nbytes), into RGB N × H × W × 3, or planes: a view."""
        if self.coding is None:
            return flat.reshape(len(flat), self.height, self.width, 3)
        luma, chroma = self.height * self.width, self._chroma
        half = ((self.height + 1) // 2, (self.width + 1) // 2)
        y = flat[:, :luma].reshape(len(flat), self.height, self.width)
        u = flat[:, luma : luma + chroma].reshape(len(flat), *half)
        v = flat[:, luma + chroma :].reshape(len(flat), *half)
        return Planes(y, u, v, *self.coding)


def form_of(image: Image) -> Form:
    """Return the form of a decoded frame."""
    if isinstance(image, Planes):
        height, width = image.y.shape
        return Form(height, width, image.coding)
    return Form(*image.shape[:2])


@dataclass(frozen=True)
class Ready:
    """The decoder has started."""


@dataclass(frozen=True)
class Block:
    """Frames in a slab, one behind the other: their numbers, ascending, and their form."""

    slab: int
    slab_bytes: int
    numbers: tuple[int, ...]
    form: Form


@dataclass(frozen=True)
class End:
    """The video is through, or has a reason why it gives no features; seconds spent by stage."""

    reason: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bug:
    """An error that is no video's fault."""

    error: str
    trace: str


@dataclass(frozen=True)
class Refusal:
    """What was asked for cannot be done, whatever the video: a decoder that is not installed."""

    error: P3DEvalError


Message = Ready | VideoHeader | Block | End | Refusal | Bug
