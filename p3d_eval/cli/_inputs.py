"""Options of all commands that load a network: its own options, its device, and another input than its own."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Annotated, Any

import typer

from p3d_eval.errors import UserError

Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:1, ….")]
NetworkOption = Annotated[
    list[str] | None, typer.Option("--option", help="The network's own option, KEY=VALUE; may be repeated.")
]
Compile = Annotated[str, typer.Option("--compile", help="torch.compile: on, off; auto: on GPUs.")]

_SIZE_FORMS = "HEIGHTxWIDTH, such as 182x242"

# Parameters of `_read_input`, in the order of the help page.
_OPTIONS: Mapping[str, Any] = {
    "clip_length": Annotated[
        int | None, typer.Option("--clip-length", help="Frames of a clip; default: the network's.")
    ],
    "frame_stride": Annotated[
        int | None, typer.Option("--frame-stride", help="Video frames between a clip's frames.")
    ],
    "resize": Annotated[
        str | None,
        typer.Option(
            "--resize", "--size", help=f"Resize to {_SIZE_FORMS}, or the shorter side alone, such as 256."
        ),
    ],
    "crop_size": Annotated[
        str | None,
        typer.Option("--crop-size", help=f"Pixels that the network sees: {_SIZE_FORMS}, or one side."),
    ],
    "mean": Annotated[
        str | None, typer.Option("--mean", help="Mean to subtract, by channel: 104,117,123, or one number.")
    ],
    "std": Annotated[
        str | None,
        typer.Option("--std", help="Standard deviation to divide by: 0.229,0.224,0.225, or one number."),
    ],
    "value_range": Annotated[
        str | None,
        typer.Option("--value-range", help="What 0 and 255 become before that: 0,1, or -1,1, or 0,255."),
    ],
    "channel_order": Annotated[
        str | None, typer.Option("--channel-order", help="RGB or BGR; mean and std keep the network's order.")
    ],
    "interpolation": Annotated[
        str | None, typer.Option("--interpolation", help="How frames are resized: bilinear or bicubic.")
    ],
    "antialias": Annotated[
        bool | None,
        typer.Option("--antialias/--no-antialias", help="Smooth frames before they are made smaller."),
    ],
}
InputChanges = Mapping[str, Any]  # arguments of `load_backbone`
UNCHANGED: InputChanges = MappingProxyType({})


def takes_input(run: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that change a network's input, in the place of its parameter ``changed``."""
    options = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=hint)
        for name, hint in _OPTIONS.items()
    ]
    own = inspect.signature(run).parameters.values()
    parameters = [one for given in own for one in (options if given.name == "changed" else [given])]

    @wraps(run)
    def command(**values: Any) -> None:
        run(changed=_read_input(**{name: values.pop(name) for name in _OPTIONS}), **values)

    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _read_input(
    resize: str | None = None,
    crop_size: str | None = None,
    mean: str | None = None,
    std: str | None = None,
    value_range: str | None = None,
    channel_order: str | None = None,
    **others: Any,
) -> dict[str, Any]:
    """Turn the options' words into arguments of `load_backbone`; those that were not given are left out.

    Raises
    ------
    UserError
        When a word is no size or no list of numbers.
    """
    found = dict(others)
    if resize is not None:
        found["resize"] = _size("--resize", resize)
    if crop_size is not None:
        found["crop"] = _size("--crop-size", crop_size)
    for name, text in (("mean", mean), ("std", std), ("value_range", value_range)):
        if text is not None:
            found[name] = _numbers(f"--{name.replace('_', '-')}", text)
    if channel_order is not None:
        found["channel_order"] = channel_order if channel_order == "flow" else channel_order.upper()
    return {name: value for name, value in found.items() if value is not None}


def _size(option: str, text: str) -> tuple[int, int] | int:
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise UserError(f"{option} {text!r} is no size in pixels", f"Write {_SIZE_FORMS}, or one number")
    sides = [int(part) for part in parts]
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"{option} {text!r} is no list of numbers", f"Write for example {option} 0.5,0.5,0.5"
        ) from None
