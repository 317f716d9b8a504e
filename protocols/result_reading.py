"""Plain JSON values to dataclasses: every value of the type that its field says, named where it is not."""

import math
import reprlib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

_SPOKEN = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


def read_value(kind: Any, value: Any, where: str = "") -> Any:
    """Turn a JSON value into ``kind``.

    Parameters
    ----------
    kind : type
        A dataclass, ``tuple[X, ...]``, ``Mapping[str, X]``, ``X | None``, ``str``, ``bool``, ``int``, ``float``
        or ``Any``, and these in each other. What an object says of a dataclass's properties is left out.
    value : any
        As `json.loads` gives it.
    where : str
        What errors call the place.

    Raises
    ------
    ValueError
        When a value is of another type, a number is not finite, or a field is missing or unknown.
    """
    if kind is Any:
        return value
    arguments = get_args(kind)
    if NoneType in arguments:
        (other,) = (one for one in arguments if one is not NoneType)
        return None if value is None else read_value(other, value, where)
    if get_origin(kind) is tuple:
        listed = _require(list, value, where, "a list")
        return tuple(read_value(arguments[0], one, f"{where}[{place}]") for place, one in enumerate(listed))
    if get_origin(kind) is Mapping:
        named = _require(dict, value, where, "an object")
        return {name: read_value(arguments[1], one, _inside(where, name)) for name, one in named.items()}
    if is_dataclass(kind):
        return _read_fields(kind, _require(dict, value, where, "an object"), where)
    if kind is float and type(value) is int:
        value = float(value)
    found = _require(kind, value, where, _SPOKEN[kind])
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError(f"{where} is {found}")
    return found


def _read_fields(kind: Any, values: Mapping[str, Any], where: str) -> Any:
    known = _types(kind)
    derived = {name for name in values if isinstance(getattr(kind, name, None), property)}
    for name in values:
        if name not in known and name not in derived:
            raise ValueError(f"it has an unknown {_inside(where, name)}")
    for field in fields(kind):
        if field.default is MISSING and field.default_factory is MISSING and field.name not in values:
            raise ValueError(f"it has no {_inside(where, field.name)}")
    return kind(
        **{
            name: read_value(known[name], one, _inside(where, name))
            for name, one in values.items()
            if name not in derived
        }
    )


@cache
def _types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _require(kind: Any, value: Any, where: str, spoken: str) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{where} is {reprlib.repr(value)}, not {spoken}")
    return value


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
