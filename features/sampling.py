"""Which frames make the clips of a video."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UnknownNameError, UserError

Kind = Literal["uniform", "random", "sliding"]

DEFAULT_CLIPS = 20  # P3D: "20 clips per video" (the authors, pseudo-3d-residual-networks#5)
DEFAULT_CLIP_STRIDE = 8  # C3D: 16 frames, every 8
MAXIMUM_FPS = 1000  # more is a mistake, and would make clips of one frame many times


@dataclass(frozen=True)
class Sampling:
    """How clips are chosen from a video's decoded frames.

    Parameters
    ----------
    clip_length : int
        Frames in a clip.
    kind : {"uniform", "random", "sliding"}
        Evenly spread starts, random starts (seeded by ``seed`` and the video's id), or every
        ``clip_stride``-th start.
    clips : int
        Clips of a video, for ``uniform`` and ``random``.
    frame_stride : int
        Video frames from one frame of a clip to the next.
    clip_stride : int
        Video frames from one start to the next, for ``sliding``.
    seed : int
        Of ``random``.
    fps : float, optional
        Constant rate in frames per second to bring videos to first: all of the above then counts its ticks
        instead of video frames, and a tick shows the frame nearest in time. By default frames as they come.
    centre : bool
        Whether the network looks at the middle frame of a clip alone, so that no other is needed of it.
    """

    clip_length: int
    kind: Kind = "uniform"
    clips: int = DEFAULT_CLIPS
    frame_stride: int = 1
    clip_stride: int = DEFAULT_CLIP_STRIDE
    seed: int = 0
    fps: float | None = None
    centre: bool = False

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise UnknownNameError("sampling", str(self.kind), get_args(Kind))
        for name in ("clip_length", "clips", "frame_stride", "clip_stride"):
            if getattr(self, name) < 1:
                raise UserError(f"sampling: {name} is {getattr(self, name)}", "It must be 1 at least")
        if self.fps is not None and not 0 < self.fps <= MAXIMUM_FPS:
            raise UserError(
                f"sampling: fps is {self.fps}",
                f"It must be above 0, and {MAXIMUM_FPS} at most: frames per second",
            )

    @property
    def span(self) -> int:
        """Video frames from the first frame of a clip to its last, both counted."""
        return (self.clip_length - 1) * self.frame_stride + 1

    def count(self, frames: int) -> int:
        """Clips of a video with ``frames`` decoded frames."""
        if self.kind == "sliding":
            return max(0, frames - self.span) // self.clip_stride + 1
        return self.clips

    def starts(self, frames: int, video: str) -> NDArray[np.int64]:
        """First frames of the clips, ascending, repetitions kept.

        With P = max(1, frames − span + 1) possible starts, ``uniform`` takes floor((2i + 1) P / (2n)) for
        i = 0 … n − 1 (n = 1 is the centre), ``random`` n independent draws from 0 … P − 1.

        Parameters
        ----------
        frames : int
            Decoded frames of the video, T ≥ 1.
        video : str
            Its id.

        Returns
        -------
        ndarray of int64, shape (clips,)
        """
        possible = max(1, frames - self.span + 1)
        if self.kind == "sliding":
            return np.arange(0, possible, self.clip_stride, dtype=np.int64)
        if self.kind == "uniform":
            return (2 * np.arange(self.clips, dtype=np.int64) + 1) * possible // (2 * self.clips)
        draws = [_draw(self.seed, video, index) % possible for index in range(self.clips)]
        return np.array(sorted(draws), np.int64)

    def frames_of(self, start: int, frames: int) -> NDArray[np.int64]:
        """Frame numbers that are needed of the clip at ``start``; a video shorter than the clip is looped."""
        places = np.arange(self.clip_length, dtype=np.int64)
        middle = self.clip_length // 2
        needed = places[middle : middle + 1] if self.centre else places
        return (start + needed * self.frame_stride) % frames

    def to_json(self) -> dict[str, Any]:
        """Return the values that determine the clips, and no others, for the file's identity."""
        common: dict[str, Any] = {
            "kind": self.kind,
            "clip_length": self.clip_length,
            "frame_stride": self.frame_stride,
        }
        if self.fps is not None:
            common |= {"fps": self.fps}
        if self.kind == "sliding":
            return common | {"clip_stride": self.clip_stride}
        seed = {"seed": self.seed} if self.kind == "random" else {}
        return common | {"clips": self.clips} | seed


def choose_sampling(
    clip_length: int,
    frame_stride: int,
    kind: str = "uniform",
    clips: int | None = None,
    clip_stride: int | None = None,
    **others: Any,
) -> Sampling:
    """Make a sampling from what a user gave, and refuse what would be ignored.

    Parameters
    ----------
    clip_length, frame_stride : int
        The network's.
    kind : {"uniform", "random", "sliding"}
        How clips are chosen.
    clips : int, optional
        Clips of a video, for ``uniform`` and ``random`` (20).
    clip_stride : int, optional
        Frames from start to start, for ``sliding`` (8).
    **others
        ``seed``, ``fps``.

    Raises
    ------
    UserError
        When an option does not belong to this kind, or is out of range.
    """
    if kind == "sliding" and clips is not None:
        raise UserError(
            f"--clips {clips} does not go with --sampling sliding, which takes as many clips as fit",
            "Leave it out, or choose --clip-stride, or --sampling uniform",
        )
    if kind in ("uniform", "random") and clip_stride is not None:
        raise UserError(
            f"--clip-stride {clip_stride} does not go with --sampling {kind}, whose number of clips is --clips",
            "Leave it out, or choose --sampling sliding",
        )
    return Sampling(
        clip_length,
        kind=kind,  # type: ignore[arg-type]  # Sampling refuses other words
        clips=DEFAULT_CLIPS if clips is None else clips,
        frame_stride=frame_stride,
        clip_stride=DEFAULT_CLIP_STRIDE if clip_stride is None else clip_stride,
        **others,
    )


def _draw(seed: int, video: str, index: int) -> int:
    """Return 64 random bits that depend on nothing but their arguments: no platform, no library version."""
    digest = hashlib.sha256(f"{seed}\0{video}\0{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big")
