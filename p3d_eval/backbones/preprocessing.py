"""From decoded frames to a network's input: resize, crop, channel order, value range, mean, std.

Two steps: what depends on one frame (`prepare_frames`), done once however many clips share it, and
what makes a clip of frames (`finish_clips`).
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from p3d_eval.backbones.colour import to_rgb
from p3d_eval.backbones.planes import Planes
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.backbones.views import CENTRE, View
from p3d_eval.errors import UserError

_BLOCK_BYTES = 256 << 20  # full-size float frames at a time: those of a long video would need gigabytes


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


def prepare_frames(frames: Tensor | Planes, spec: InputSpec, view: View = CENTRE) -> Tensor:
    """Resize, crop and mirror frames.

    Interpolation as the specification says, bilinear without antialiasing where it says nothing; without
    rounding back to bytes. A frame's values do not depend on the frames beside it.

    Parameters
    ----------
    frames : Tensor or Planes
        uint8, N × H × W × 3 in RGB order (× 2 for flow: x, y), any size, any device; or planes (`Planes`,
        tensors) of N frames.
    spec : InputSpec
        What the network wants.
    view : View
        Which crop, and whether mirrored.

    Returns
    -------
    Tensor
        float32, N × 3 × h × w on the same device, 0 … 255, in the order of the given channels.

    Raises
    ------
    UserError
        When the frames have another dtype, rank or number of channels, or flow is to be mirrored.
    """
    if isinstance(frames, Planes):
        _check_channels((len(frames), *frames.shape, 3), spec, 4)
    else:
        _check_bytes(frames, spec, 4)
    if view.mirror and spec.channel_order == "flow":
        raise UserError(
            "optical flow cannot be mirrored: its horizontal part would change sign", "Leave the mirror out"
        )
    count = len(frames)
    pixels = frames.y if isinstance(frames, Planes) else frames
    if count == 0:
        return torch.empty((0, spec.channels, *spec.crop), device=pixels.device)
    height, width = pixels.shape[1:3]
    block = max(1, _BLOCK_BYTES // (4 * spec.channels * height * width))
    blocks = [_prepare_block(frames[at : at + block], spec, view) for at in range(0, count, block)]
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks)


def _prepare_block(block: Tensor | Planes, spec: InputSpec, view: View) -> Tensor:
    frames = to_rgb(block) if isinstance(block, Planes) else block.permute(0, 3, 1, 2)
    size = resized_size(spec, *frames.shape[-2:])
    top, left = view.corner(size, spec.crop)
    if size != tuple(frames.shape[-2:]):
        frames = functional.interpolate(
            frames.float(), size=size, mode=spec.interpolation, align_corners=False, antialias=spec.antialias
        )
        if spec.interpolation == "bicubic":  # it overshoots beside edges; bytes could not
            frames = frames.clamp(0, 255)
    frames = frames[..., top : top + spec.crop[0], left : left + spec.crop[1]]
    return (frames.flip(-1) if view.mirror else frames).float()


def finish_clips(frames: Tensor, spec: InputSpec) -> Tensor:
    """Turn prepared frames into clips: channel order, value range, mean, standard deviation, layout.

    Parameters
    ----------
    frames : Tensor
        float32, N × T × 3 × h × w as `prepare_frames` returns them.
    spec : InputSpec
        What the network wants.

    Returns
    -------
    Tensor
        float32, N × C × T × h × w on the same device.
    """
    if spec.channel_order == "BGR":
        frames = frames.flip(2)
    low, high = spec.value_range
    gain = (high - low) / 255
    mean, std = _per_channel(tuple(spec.mean), frames.device), _per_channel(tuple(spec.std), frames.device)
    return ((frames * gain + low - mean) / std).transpose(1, 2)


@lru_cache(maxsize=64)
def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Keep constants on the device: bringing them there makes the host wait for all that runs on a GPU."""
    with torch.inference_mode(mode=False):
        return torch.tensor(values, device=device).view(-1, 1, 1)


def preprocess(clips: Tensor, spec: InputSpec, view: View = CENTRE) -> Tensor:
    """Turn uint8 frames into a network's input: `prepare_frames`, then `finish_clips`.

    Parameters
    ----------
    clips : Tensor
        uint8, N × T × H × W × 3 in RGB order (× 2 for flow: x, y), any size, any device.
    spec : InputSpec
        What the network wants.
    view : View
        Which crop, and whether mirrored.

    Returns
    -------
    Tensor
        float32, N × C × T × h × w on the same device.

    Raises
    ------
    UserError
        When the tensor has another dtype, rank or number of channels.
    """
    _check_bytes(clips, spec, 5)
    frames = prepare_frames(clips.flatten(0, 1), spec, view)
    return finish_clips(frames.unflatten(0, clips.shape[:2]), spec)


def _check_bytes(frames: Tensor, spec: InputSpec, rank: int) -> None:
    if frames.dtype != torch.uint8:
        _refuse(f"{frames.dtype} of shape {tuple(frames.shape)}", spec, rank)
    _check_channels(tuple(frames.shape), spec, rank)


def _check_channels(shape: tuple[int, ...], spec: InputSpec, rank: int) -> None:
    if len(shape) != rank or shape[-1] != spec.channels:
        _refuse(f"of shape {shape}", spec, rank)


def _refuse(found: str, spec: InputSpec, rank: int) -> None:
    axes = "N × T × H × W" if rank == 5 else "N × H × W"
    raise UserError(
        f"{'clips' if rank == 5 else 'frames'} are {found}, not uint8 of shape {axes} × {spec.channels}",
        "Give decoded frames as bytes, channels last",
    )
