"""JSON of annotation files, read without trust: one error for everything that is not a plain document."""

import json
from collections import Counter
from typing import Any

from p3d_eval.errors import UserError

_SHOWN = 80


class _RefusedError(ValueError):
    """JSON that says what an annotation file may not say."""


def parse_json(name: str, data: bytes) -> Any:
    """Read one JSON document.

    Parameters
    ----------
    name : str
        The file's name, for messages.
    data : bytes
        UTF-8, with or without a byte-order mark.

    Raises
    ------
    UserError
        When the file is not UTF-8 or not JSON, is nested too deeply, holds NaN or infinity, or one of its
        objects holds a key twice.
    """
    try:
        return json.loads(
            data.decode("utf-8-sig"), object_pairs_hook=_without_repetition, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not a text file (byte {error.start} is not UTF-8)") from None
    except RecursionError:
        raise UserError(f"{name}: not JSON that can be read (nested too deeply)") from None
    except _RefusedError as error:
        raise UserError(f"{name}: {error}") from None
    except ValueError as error:  # also a number of more digits than Python converts
        raise UserError(f"{name}: not JSON ({one_line(error)})") from None


def one_line(value: object) -> str:
    """Shorten a value of a file to a part of an error's one line."""
    text = " ".join(str(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def require_object(name: str, value: Any, what: str) -> dict[str, Any]:
    """Return ``value``, a JSON object.

    Raises
    ------
    UserError
        When it is something else.
    """
    if not isinstance(value, dict):
        raise UserError(f"{name}: {what} is not a JSON object")
    return value


def require_list(name: str, value: Any, what: str) -> list[Any]:
    """Return ``value``, a JSON list.

    Raises
    ------
    UserError
        When it is something else.
    """
    if not isinstance(value, list):
        raise UserError(f"{name}: {what} is not a JSON list")
    return value


def require_text(name: str, value: Any, what: str) -> str:
    """Return ``value``, a JSON text that is not blank and can be stored, without blanks around it.

    Raises
    ------
    UserError
        When it is something else.
    """
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{name}: {what} is {one_line(value)!r}, not a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise UserError(f"{name}: {what} holds half a character (a lone surrogate)") from None
    return value.strip()


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise _RefusedError(f"{one_line(twice)!r} is listed twice")
    return found


def _refuse_constant(text: str) -> Any:
    raise _RefusedError(f"{text} is not a finite number")
