"""Planes of brightness and colour difference to RGB on any device, to the bit as swscale computes it on x86."""

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from p3d_eval.backbones.planes import Matrix, Planes

# Weights of red and blue in the brightness: ITU-R BT.601-7 Section 2.5.1, BT.709-6 Section 3.2.
_WEIGHTS: dict[Matrix, tuple[float, float]] = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
_ONE = 1 << 13  # of the fixed-point factors
_BLACK, _SPAN, _COLOUR_SPAN = 16, 219, 224  # limited range in bytes (BT.601-7 Section 2.5.3)
# swscale takes the high half of 16-bit products, one factor being the byte times eight.
_BYTE_SHIFT, _HIGH_HALF = 3, 16


@cache
def _factors(matrix: Matrix, full_range: bool) -> tuple[int, ...]:
    """Fixed-point factors: brightness; red of v; blue of u; green of u and of v."""
    red, blue = _WEIGHTS[matrix]
    green = 1 - red - blue
    ideal = (2 * (1 - red), 2 * (1 - blue), -2 * blue * (1 - blue) / green, -2 * red * (1 - red) / green)
    # Rounded to 16 bits for the limited range first, cut for the full range, then rounded to 13 bits.
    colour = [round(factor * 65536 * 255 / _COLOUR_SPAN) for factor in ideal]
    brightness = 65536 if full_range else 65536 * 255 // _SPAN
    if full_range:
        colour = [int(factor * _COLOUR_SPAN / 255) for factor in colour]
    return tuple((factor * _ONE + 32768) >> 16 for factor in (brightness, *colour))


def to_rgb(planes: Planes) -> Tensor:
    """Convert a batch of frames.

    Every pixel takes the colour of its 2 × 2 block, as swscale does for frames of even height that it
    does not resize; for odd heights swscale interpolates colours, and the results differ.

    Parameters
    ----------
    planes : Planes
        uint8 tensors of N frames.

    Returns
    -------
    Tensor
        uint8, N × 3 × H × W on the same device, turned upright.
    """
    height, width = planes.y.shape[-2:]
    brightness, red_v, blue_u, green_u, green_v = _factors(planes.matrix, planes.full_range)

    def centred(plane: Tensor, zero: int) -> Tensor:
        return (plane.to(torch.int32) - zero) << _BYTE_SHIFT

    def spread(colour: Tensor) -> Tensor:
        return colour.repeat_interleave(2, -2).repeat_interleave(2, -1)[..., :height, :width]

    y = (centred(planes.y, 0 if planes.full_range else _BLACK) * brightness) >> _HIGH_HALF
    u, v = centred(planes.u, 128), centred(planes.v, 128)
    colours = (
        (v * red_v) >> _HIGH_HALF,
        ((u * green_u) >> _HIGH_HALF) + ((v * green_v) >> _HIGH_HALF),
        (u * blue_u) >> _HIGH_HALF,
    )
    rgb = torch.stack([(y + spread(colour)).clamp_(0, 255).to(torch.uint8) for colour in colours], 1)
    return torch.rot90(rgb, planes.turns, (-2, -1)) if planes.turns else rgb


def to_device(frames: Tensor | Planes, device: torch.device) -> Tensor | Planes:
    """Bring frames, or the arrays or tensors of planes, to a device."""
    if not isinstance(frames, Planes):
        return frames.to(device)
    y, u, v = (torch.as_tensor(plane).to(device, non_blocking=True) for plane in (frames.y, frames.u, frames.v))
    return replace(frames, y=y, u=u, v=v)
