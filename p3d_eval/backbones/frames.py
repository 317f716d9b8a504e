"""Clips for networks of single images: which frames they see, and the mean over a clip's frames."""

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


def average_frames(output: Tensor, clips: int, path: str) -> Tensor:
    """Average a layer's output over the frames of each clip.

    Parameters
    ----------
    output : Tensor
        (clips · frames) × the layer's shape, as `fold_frames` orders them.
    clips : int
        Clips in the batch.
    path : str
        Name of the layer for the error.

    Returns
    -------
    Tensor
        clips × the layer's shape.

    Raises
    ------
    UserError
        When the output has not the same number of rows for every clip.
    """
    rows = output.shape[0] if output.ndim else 0
    if rows == clips:
        return output
    if rows == 0 or rows % clips:
        raise UserError(f"layer {path!r} gives {rows} rows for {clips} clips", "Choose a module inside it")
    return output.unflatten(0, (clips, rows // clips)).mean(1)
