"""Errors that a person can act on: each names the file, the id and the value, and what to do next."""

import difflib
import json
from collections.abc import Iterable

# What other people's code may end with; an interrupt is not its fault.
FOREIGN_FAILURES = (Exception, SystemExit)
_HDF5 = b"\x89HDF\r\n\x1a\n"  # how every HDF5 file begins (its format's specification, section II.A)
_CLOSEST_SHOWN = 3
_NAMES_SHOWN = 20


class P3DEvalError(Exception):
    """Base of every error this package raises on purpose; the command line exits with ``exit_code``."""

    exit_code = 1


class UserError(P3DEvalError):
    """The input, an option or a file is wrong, and the user can mend it (exit code 2).

    Parameters
    ----------
    message : str
        One line: what is wrong, with the file, the id and the value.
    hint : str, optional
        One line: what to do next.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message if hint is None else f"{message}\n{hint}")
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type["UserError"], tuple[str, str | None]]:
        return UserError, (self.message, self.hint)


class UnknownNameError(UserError):
    """A name that is not among the known ones; the message offers the closest."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        more = "" if len(names) <= _NAMES_SHOWN else f", … ({len(names)} in all)"
        listing = ", ".join(names[:_NAMES_SHOWN]) + more if names else "none"
        super().__init__(f"unknown {kind} {name!r}", f"{did_you_mean(name, names)}Available: {listing}")


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that a misspelt one comes close to, the nearest first; case does not count."""
    by_folded: dict[str, list[str]] = {}
    for one in known:
        by_folded.setdefault(one.casefold(), []).append(one)
    close = difflib.get_close_matches(name.casefold(), by_folded, n=_CLOSEST_SHOWN)
    return [one for folded in close for one in by_folded[folded]][:_CLOSEST_SHOWN]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Begin a hint with the nearest of the known names; empty where none is near."""
    close = nearest(name, known)
    return f"Did you mean {', '.join(close)}? " if close else ""


class MissingExtraError(UserError):
    """A feature that needs an optional dependency."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs the extra {extra!r}", f"pip install 'p3d-eval[{extra}]'")


def shorten(names: Iterable[str], shown: int = 5) -> str:
    """Join the first names of a long list: ``a, b, c … and 97 more``."""
    listed = list(names)
    if len(listed) <= shown:
        return ", ".join(listed)
    return f"{', '.join(listed[:shown])} … and {len(listed) - shown} more"


def counted(number: int, one: str, several: str | None = None) -> str:
    """Write a number before what it counts: ``1 video``, ``2 videos``, ``1 class is``, ``2 classes are``.

    Parameters
    ----------
    number : int
    one : str
        The words for one.
    several : str, optional
        The words for any other number; by default with an s at the end.
    """
    return f"{number} {one if number == 1 else several or f'{one}s'}"


def unread(error: Exception) -> str:
    """Say in a few words why a file cannot be read as the text, or the JSON, that it should be."""
    if isinstance(error, OSError):
        return "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror or error)
    if isinstance(error, UnicodeDecodeError) and error.object.startswith(_HDF5):
        return "an HDF5 file, as feature files are"
    if isinstance(error, UnicodeDecodeError):
        return f"not text: byte {error.start} is not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} in line {error.lineno}"
    return one_line(error)


def one_line(error: BaseException) -> str:
    """Name an error of other people's code in one line: its type, and its message where it has one."""
    return " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
