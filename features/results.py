"""What computing hands to writing: a video's means or the reason why there are none, and single clips."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Activations = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class ClipResult:
    """Activations of one clip, for files that store every clip; a video's clips come in time order.

    Parameters
    ----------
    row : int
        The video, by its place in the file's order.
    position : int
        Index of the clip among the video's, repetitions counted.
    repeats : int
        How often sampling takes this clip.
    values : mapping of str to ndarray
        Layer → float32 of the native shape.
    """

    row: int
    position: int
    repeats: int
    values: Activations


@dataclass(frozen=True)
class VideoResult:
    """One video's outcome; it comes after the last of its `ClipResult`.

    Parameters
    ----------
    row : int
        The video, by its place in the file's order.
    id : str
        Its id.
    reason : str, optional
        Why it has no features.
    frames : int
        Decoded frames.
    starts : ndarray of int64
        First frames of its clips in time order, repetitions included.
    means : mapping of str to ndarray
        Layer → float64 mean over the clips, native shape.
    notice : str, optional
        What the user should hear of it, such as why another decoder read it.
    """

    row: int
    id: str
    reason: str | None = None
    frames: int = 0
    starts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    means: Activations = field(default_factory=dict)
    notice: str | None = None


@dataclass(frozen=True)
class Usage:
    """Seconds by stage, counts of clips and frames since the last one of the same process, and all notices."""

    seconds: Mapping[str, float]
    counts: Mapping[str, int]
    notices: tuple[str, ...] = ()


Outcome = ClipResult | VideoResult | Usage
