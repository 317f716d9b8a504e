"""What a processor of transformers does to a frame, as an input specification."""

from collections.abc import Mapping
from typing import Any

import torch

from p3d_eval.backbones.preprocessing import finish_clips, prepare_frames
from p3d_eval.backbones.spec import ChannelOrder, InputSpec, Interpolation
from p3d_eval.backbones.zoos.adapting import BYTES, CLIP_LENGTH, Wanted
from p3d_eval.errors import UserError

_RESAMPLING: dict[int, Interpolation] = {2: "bilinear", 3: "bicubic"}  # PIL's numbers
_SQUASHED_FROM = 384  # pixels: from this size on ConvNeXt's processor crops nothing
_UNSTATED = ("resize", "crop", "mean", "std", "value_range")
# The frame that tells whether processor and specification do the same: a slope of bytes along both axes.
_TRIAL_SIZE = (300, 400)
# Steps of 255 that they may differ by: rounding to bytes, and where a centre lies by one pixel of the slope.
_TRIAL_STEPS = 4.0


def read_processor(
    transformers: Any, wanted: Wanted, config: Any, clip_length: int | None
) -> tuple[InputSpec, tuple[str, ...]]:
    """Read a checkpoint's processor.

    Parameters
    ----------
    transformers : module
        The library.
    wanted : Wanted
        What the user asked for.
    config : PretrainedConfig
        The network's own.
    clip_length : int or None
        Frames that the network takes; None for networks of images.

    Returns
    -------
    tuple
        The specification, and which of its fields are only guesses: all, where there is no processor.

    Raises
    ------
    UserError
        When the processor does what a specification cannot say.
    """
    side = getattr(config, "image_size", None) or getattr(config, "crop_size", None) or 224
    size = (side, side) if isinstance(side, int) else (side[0], side[1])
    length = clip_length or CLIP_LENGTH
    processor = _find_processor(transformers, wanted, video=clip_length is not None)
    if processor is None:
        return InputSpec(length, size, size, (0.0,) * 3, (1.0,) * 3), _UNSTATED
    resize, crop = _sizes(processor, wanted, size)
    spec = InputSpec(
        clip_length=length,
        resize=resize,
        crop=crop,
        mean=_per_channel(processor.image_mean) if processor.do_normalize else (0.0,) * 3,
        std=_per_channel(processor.image_std) if processor.do_normalize else (1.0,) * 3,
        value_range=_value_range(processor),
        channel_order=_order(processor),
        interpolation=_interpolation(processor, wanted),
        antialias=True,
    )
    _require_same(processor, spec, wanted)
    return spec, ()


def hub_words(wanted: Wanted) -> dict[str, Any]:
    """How anything is read from the hub or a folder: no code of it; a commit or branch where one is named."""
    return {"trust_remote_code": False, **({"revision": wanted.weights} if wanted.weights else {})}


def _find_processor(transformers: Any, wanted: Wanted, video: bool) -> Any:
    kinds = ("AutoVideoProcessor", "AutoImageProcessor") if video else ("AutoImageProcessor",)
    for kind in kinds:
        try:
            return getattr(transformers, kind).from_pretrained(wanted.model, **hub_words(wanted))
        except (OSError, ValueError):  # none of this kind beside the checkpoint
            continue
    return None


def _plain(size: Any) -> dict[str, int]:
    """Return a processor's size as a dictionary without the words that it does not use."""
    found = dict(size) if isinstance(size, Mapping) else vars(size)
    return {key: value for key, value in found.items() if value is not None}


def _sizes(
    processor: Any, wanted: Wanted, network: tuple[int, int]
) -> tuple[tuple[int, int] | int, tuple[int, int]]:
    """Size that frames are resized to, and the centre crop."""
    size = _plain(processor.size) if processor.do_resize else {}
    if set(size) == {"height", "width"}:
        whole = (size["height"], size["width"])
        return whole, _crop(processor) or whole
    if set(size) != {"shortest_edge"}:
        raise _cannot_say(wanted, f"resizes by {size or 'nothing'}")
    edge = size["shortest_edge"]
    part = getattr(processor, "crop_pct", None)  # ConvNeXt's: larger first, then the centre
    if part is None:
        return edge, _crop(processor) or network
    return (edge, edge) if edge >= _SQUASHED_FROM else int(edge / part), (edge, edge)


def _crop(processor: Any) -> tuple[int, int] | None:
    if not getattr(processor, "do_center_crop", False):
        return None
    crop = _plain(processor.crop_size)
    return (crop["height"], crop["width"])


def _per_channel(values: Any) -> tuple[float, ...]:
    listed = [values] * 3 if isinstance(values, int | float) else values
    return tuple(map(float, listed))


def _value_range(processor: Any) -> tuple[float, float]:
    if not processor.do_rescale:
        return (0.0, BYTES)
    offset = getattr(processor, "offset", type(processor).__name__ == "VivitVideoProcessor")
    low = -1.0 if offset else 0.0
    return (low, low + round(processor.rescale_factor * BYTES, 6))


def _order(processor: Any) -> ChannelOrder:
    return "BGR" if getattr(processor, "do_flip_channel_order", False) else "RGB"


def _interpolation(processor: Any, wanted: Wanted) -> Interpolation:
    resample = int(processor.resample)
    if resample not in _RESAMPLING:
        raise _cannot_say(wanted, f"resamples with method {resample} of PIL")
    return _RESAMPLING[resample]


def _require_same(processor: Any, spec: InputSpec, wanted: Wanted) -> None:
    """Run the processor on one frame and compare."""
    height, width = _TRIAL_SIZE
    down = torch.linspace(0, BYTES, height)[:, None].expand(height, width)
    right = torch.linspace(0, BYTES, width).expand(height, width)
    frame = torch.stack([down, right, (down + right) / 2], -1).to(torch.uint8)
    expected = finish_clips(prepare_frames(frame[None], spec)[None], spec)[0, :, 0]
    found = _processed(processor, frame)
    if found.shape != expected.shape:
        raise _cannot_say(wanted, f"gives frames of {tuple(found.shape)}, not of {tuple(expected.shape)}")
    low, high = spec.value_range
    steps = torch.tensor(spec.std)[:, None, None] * BYTES / (high - low)
    worst = ((found - expected) * steps).abs().max().item()
    if not worst <= _TRIAL_STEPS:  # nor when it is not a number
        raise _cannot_say(wanted, f"differs by {worst:.0f} steps of 255 from what was read from it")


def _processed(processor: Any, frame: torch.Tensor) -> torch.Tensor:
    """One frame H × W × 3 through a processor: 3 × h × w."""
    picture = frame.permute(2, 0, 1)
    given = [picture[None]] if "Video" in type(processor).__name__ else [picture]
    if type(processor).__name__ == "VivitImageProcessor":
        given = [[frame.numpy()]]  # type: ignore[list-item]  # it takes lists of pictures alone
    values = next(iter(processor(given, return_tensors="pt").values()))
    return values.reshape(-1, *values.shape[-3:])[0]


def _cannot_say(wanted: Wanted, what: str) -> UserError:
    return UserError(
        f"backbone {wanted.name!r}: its processor {what}: an input specification cannot say that",
        "Write a factory that returns a Network with the specification that you want",
    )
