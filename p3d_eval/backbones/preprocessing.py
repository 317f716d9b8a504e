"""From decoded frames to a network's input: resize, centre crop, channel order, value range, mean, std."""

import torch
from torch import Tensor
from torch.nn import functional

from p3d_eval.backbones.spec import InputSpec
from p3d_eval.errors import UserError


def resized_size(spec: InputSpec, height: int, width: int) -> tuple[int, int]:
    """Height and width in pixels that a frame is resized to before the crop.

    A shorter side given as one number keeps the aspect ratio; the longer side is rounded to the
    nearest pixel.
    """
    if not isinstance(spec.resize, int):
        return spec.resize
    short = spec.resize
    if height <= width:
        return short, max(short, round(width * short / height))
    return max(short, round(height * short / width)), short


def preprocess(clips: Tensor, spec: InputSpec) -> Tensor:
    """Turn uint8 frames into a network's input.

    Bilinear interpolation with half-pixel centres and no antialiasing, without rounding back to
    bytes; the crop starts at ``(size − crop) // 2``.

    Parameters
    ----------
    clips : Tensor
        uint8, N × T × H × W × 3 in RGB order (× 2 for flow: x, y), any size, any device.
    spec : InputSpec
        What the network wants.

    Returns
    -------
    Tensor
        float32, N × C × T × h × w on the same device.

    Raises
    ------
    UserError
        When the tensor has another dtype, rank or number of channels.
    """
    if clips.dtype != torch.uint8 or clips.ndim != 5 or clips.shape[-1] != spec.channels:
        raise UserError(
            f"clips are {clips.dtype} of shape {tuple(clips.shape)}, "
            f"not uint8 of shape N × T × H × W × {spec.channels}",
            "Give decoded frames as bytes, channels last",
        )
    if clips.shape[0] == 0:
        return torch.empty((0, spec.channels, clips.shape[1], *spec.crop), device=clips.device)
    # One clip at a time: full-size float frames of a whole batch would need gigabytes.
    return torch.stack([_preprocess_clip(clip, spec) for clip in clips])


def _preprocess_clip(clip: Tensor, spec: InputSpec) -> Tensor:
    frames = clip.permute(0, 3, 1, 2)
    height, width = frames.shape[-2:]
    size = resized_size(spec, height, width)
    if size == (height, width):
        frames = _centre_crop(frames, spec.crop).float()
    else:
        resized = functional.interpolate(
            frames.float(), size=size, mode="bilinear", align_corners=False, antialias=False
        )
        frames = _centre_crop(resized, spec.crop)
    if spec.channel_order == "BGR":
        frames = frames.flip(1)
    low, high = spec.value_range
    gain = (high - low) / 255
    std = torch.tensor(spec.std, device=clip.device).view(-1, 1, 1)
    mean = torch.tensor(spec.mean, device=clip.device).view(-1, 1, 1)
    return ((frames * gain + low - mean) / std).transpose(0, 1)


def _centre_crop(frames: Tensor, crop: tuple[int, int]) -> Tensor:
    top, left = (frames.shape[-2] - crop[0]) // 2, (frames.shape[-1] - crop[1]) // 2
    return frames[..., top : top + crop[0], left : left + crop[1]]
