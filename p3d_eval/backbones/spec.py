"""What a network wants to see: the input specification that travels with its weights and its features."""

from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import Any, Literal, get_args

from p3d_eval.errors import UnknownNameError, UserError

ChannelOrder = Literal["RGB", "BGR", "flow"]
Interpolation = Literal["bilinear", "bicubic"]
_CHANNELS: dict[ChannelOrder, int] = {"RGB": 3, "BGR": 3, "flow": 2}


def _is_numbers(value: Any, count: int, kind: type) -> bool:
    """Whether a value is so many numbers in a tuple or list, or one by itself where ``count`` is 0."""
    listed = value if count else (value,)
    return (
        isinstance(listed, tuple | list)
        and len(listed) == (count or 1)
        and all(isinstance(number, kind) for number in listed)
    )


@dataclass(frozen=True)
class InputSpec:
    """How raw frames become the network's input.

    A value v of a uint8 frame becomes ``(v / 255 * (high - low) + low - mean) / std``, channel by
    channel, after resizing and cropping.

    Parameters
    ----------
    clip_length : int
        Frames in a clip.
    resize : tuple of int or int
        (height, width) in pixels, or the length of the shorter side, aspect ratio kept.
    crop : tuple of int
        Centre crop (height, width) in pixels.
    mean, std : tuple of float
        Per channel, in the network's channel order and value range.
    value_range : tuple of float
        What 0 and 255 are mapped to before mean and standard deviation.
    channel_order : {"RGB", "BGR", "flow"}
        Order of the channels that the network takes.
    frame_stride : int
        Video frames from one frame of a clip to the next.
    layout : str
        Axes of the input tensor.
    interpolation : {"bilinear", "bicubic"}
        How frames are resized, with half-pixel centres. Bicubic values are clipped to 0 … 255.
    antialias : bool
        Whether frames are smoothed before they are made smaller, as PIL and torchvision's image presets do.
    """

    clip_length: int
    resize: tuple[int, int] | int
    crop: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    value_range: tuple[float, float] = (0.0, 255.0)
    channel_order: ChannelOrder = "RGB"
    frame_stride: int = 1
    layout: str = "NCTHW"
    interpolation: Interpolation = "bilinear"
    antialias: bool = False

    def __post_init__(self) -> None:
        if self.interpolation not in get_args(Interpolation):
            raise UnknownNameError("interpolation", self.interpolation, get_args(Interpolation))
        if self.channel_order not in _CHANNELS:
            raise UnknownNameError("channel order", str(self.channel_order), _CHANNELS)
        self._require_numbers()
        positive = {
            "clip length": (self.clip_length,),
            "frame stride": (self.frame_stride,),
            "crop": self.crop,
            "std": self.std,
        }
        for name, values in positive.items():
            if not min(values) > 0:
                shown = ", ".join(map(str, values))
                raise UserError(f"input spec: {name} {shown} is not positive", "Give numbers larger than 0")
        short = (self.resize, self.resize) if isinstance(self.resize, int) else self.resize
        if short[0] < self.crop[0] or short[1] < self.crop[1]:
            raise UserError(
                f"input spec: a crop of {self.crop[0]} × {self.crop[1]} does not fit into frames "
                f"resized to {' × '.join(map(str, short))}",
                "Choose a larger resize with it",
            )

    def _require_numbers(self) -> None:
        """Refuse what a factory may write by mistake: a text, one number for two, two for three."""
        channels = f"{self.channels} numbers, one for each channel of {self.channel_order}"
        for name, counts, kind, words in (
            ("clip_length", (0,), Integral, "a whole number"),
            ("frame_stride", (0,), Integral, "a whole number"),
            ("resize", (0, 2), Integral, "the shorter side, or height and width, in pixels"),
            ("crop", (2,), Integral, "height and width in pixels"),
            ("value_range", (2,), Real, "two numbers"),
            ("mean", (self.channels,), Real, channels),
            ("std", (self.channels,), Real, channels),
        ):
            value = getattr(self, name)
            if not any(_is_numbers(value, count, kind) for count in counts):
                raise UserError(f"input spec: {name}={value!r} is not {words}", f"Give {words}")

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return _CHANNELS[self.channel_order]

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """Shape of one clip as the network takes it: C × T × H × W."""
        return (self.channels, self.clip_length, *self.crop)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the feature file and for comparison on resume (tuples become lists)."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
