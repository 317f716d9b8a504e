"""Another input than the network's own: what may be changed, and how changes are written down."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from p3d_eval.backbones.spec import ChannelOrder, InputSpec
from p3d_eval.errors import UnknownNameError, UserError

# Fields of the input specification that a user may change; the layout is the module's own.
CHANGEABLE = (
    "clip_length",
    "frame_stride",
    "resize",
    "crop",
    "mean",
    "std",
    "value_range",
    "channel_order",
    "interpolation",
    "antialias",
)
# Those that say how pixels become numbers: weights are trained with one choice of them.
PREPROCESSING = ("resize", "crop", "mean", "std", "value_range", "channel_order", "interpolation", "antialias")
_PER_CHANNEL = ("mean", "std")
_PAIRS = ("crop", "value_range")
_SIZES = ("crop", "resize")


def change_input(spec: InputSpec, changes: Mapping[str, Any]) -> InputSpec:
    """Return an input specification with some of its fields changed.

    Parameters
    ----------
    spec : InputSpec
        The network's own.
    changes : mapping
        Field (`CHANGEABLE`) → value, None for no change. ``mean`` and ``std`` take one number for all
        channels too, ``crop`` one number for a square. Mean and standard deviation stay in the network's
        channel order: changing ``channel_order`` alone exchanges channels, not their means.

    Raises
    ------
    UserError
        When a field is unknown or a value does not fit.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    for name in given:
        if name not in CHANGEABLE:
            raise UnknownNameError("part of the input", name, CHANGEABLE)
    _require_order(given.get("channel_order", spec.channel_order), spec)
    _settle(given, spec.channels)
    low, high = given.get("value_range", (0, 1))
    if low == high:
        raise UserError(f"value range from {low:g} to {high:g}", "Its ends must differ, for example 0,1")
    return replace(spec, **given)


def _settle(given: dict[str, Any], channels: int) -> None:
    """Make numbers, lists and tuples what an `InputSpec` holds."""
    for name in _PER_CHANNEL:
        if name in given:
            given[name] = _numbers(name, given[name], channels, repeat=True)
    for name in _PAIRS:
        if name in given:
            given[name] = _numbers(name, given[name], 2, repeat=name == "crop")
    if "resize" in given and not isinstance(given["resize"], int):
        given["resize"] = _numbers("resize", given["resize"], 2, repeat=False)
    for name in _SIZES:
        if isinstance(given.get(name), tuple):
            given[name] = tuple(int(value) for value in given[name])


def _require_order(order: Any, spec: InputSpec) -> None:
    if order not in get_args(ChannelOrder):
        raise UnknownNameError("channel order", str(order), get_args(ChannelOrder))
    if (order == "flow") != (spec.channel_order == "flow"):
        raise UserError(
            f"channel order {order!r} for a network that takes {spec.channel_order}",
            "Optical flow has two channels and frames have three: the network decides",
        )


def _numbers(name: str, value: Any, count: int, repeat: bool) -> tuple[float, ...]:
    """Return ``count`` finite numbers; one stands for all of them where that makes sense."""
    listed = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    if repeat and len(listed) == 1:
        listed *= count
    if len(listed) != count or not all(
        isinstance(number, int | float) and math.isfinite(number) for number in listed
    ):
        shown = ",".join(map(str, listed))
        words = f"{count} numbers" + (", or one for all" if repeat else "")
        raise UserError(f"{name.replace('_', ' ')} {shown}: not {words}", f"Give {words}")
    return tuple(map(float, listed))


def describe_changes(
    own: InputSpec, used: InputSpec, unstated: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """Field → its value for the network (``own``) and the value that was used, of fields that differ.

    Fields that the network does not state (`Network.unstated`) are the user's to say, and are no change.
    """
    before, after = own.to_json(), used.to_json()
    return {
        name: {"own": before[name], "used": after[name]}
        for name in CHANGEABLE
        if before[name] != after[name] and name not in unstated
    }
