"""Clips for networks of single images: which frames they see, and the mean over a clip's frames."""

from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor

from p3d_eval.errors import UserError

Frames = Literal["centre", "all"]
FRAMES: tuple[Frames, ...] = get_args(Frames)


def fold_frames(x: Tensor, frames: str) -> Tensor:
    """Turn clips into images.

    Parameters
    ----------
    x : Tensor
        N × C × T × H × W.
    frames : {"centre", "all"}
        The frame T // 2 of every clip, which lies where a video network's clip has its middle, or all.

    Returns
    -------
    Tensor
        N × C × H × W, or (N·T) × C × H × W with a clip's frames one after the other.
    """
    if frames == "centre":
        return x[:, :, x.shape[2] // 2]
    return x.transpose(1, 2).flatten(0, 1)


@dataclass(frozen=True)
class Batch:
    """What one run of a network is on.

    Parameters
    ----------
    clips : int
        How many clips.
    frames : int
        Frames of a clip, where the network may see them one by one; else 1.
    labelled : bool
        Whether the axes of its layers can be told by their rank.
    """

    clips: int
    frames: int = 1
    labelled: bool = True


def average_frames(output: Tensor, batch: Batch, path: str) -> Tensor:
    """Average a layer's output over the frames of each clip.

    Parameters
    ----------
    output : Tensor
        clips × the layer's shape, or (clips · frames) × the layer's shape as `fold_frames` orders them.
    batch : Batch
        What the network ran on.
    path : str
        Name of the layer for the error.

    Returns
    -------
    Tensor
        clips × the layer's shape.

    Raises
    ------
    UserError
        When the first axis of the output is not the batch.
    """
    rows = output.shape[0] if output.ndim else 0
    if rows == batch.clips:
        return output
    if rows != batch.clips * batch.frames:
        shape = " × ".join(map(str, output.shape)) or "one number"
        raise UserError(
            f"layer {path!r} gives {shape} for {batch.clips} clips: its first axis is not the batch",
            "Choose another layer, for example the block that it is in",
        )
    return output.unflatten(0, (batch.clips, batch.frames)).mean(1)
