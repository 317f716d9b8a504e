"""Errors of other parts, which name options as the command line does, in the words of a study file."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, get_args, get_type_hints

from p3d_eval.errors import UserError
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.protocols.protocol import choices, flag
from p3d_eval.study.settings import DataSettings, ExtractSettings, RowSettings

_COMMAND = "p3d-eval "  # what follows is typed, not written into a study
_FLAG = re.compile(
    r"(?<![\w-])--(?P<no>no-)?(?P<flag>[a-zA-Z][\w-]*)"
    r"(?: (?P<value>[\w./:,|=…-]*[\w…])(?: or (?P<other>[\w-]+))?)?"
)
_NO_VALUES = frozenset(
    ["and", "does", "for", "in", "is", "must", "not", "of", "or", "out", "to", "twice", "which", "with"]
)  # a sentence goes on
_NUMBER = re.compile(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?")


@dataclass(frozen=True)
class _Key:
    """A key of a study file: its name, and what it takes."""

    name: str
    types: tuple[Any, ...]
    choices: frozenset[str]

    def takes(self, word: str) -> bool:
        """Whether a word after the option is its value."""
        if self.choices:
            return set(word.split("|")) <= self.choices or word.isupper()
        if list in self.types and "," in word:
            return True
        if str not in self.types:
            return _NUMBER.fullmatch(word) is not None or word.isupper()
        return word not in _NO_VALUES

    def toml(self, value: str) -> str:
        """Write a value, or several apart by ``|``, as TOML does."""
        if str in self.types or self.choices:
            return _toml(value)
        return f"[{', '.join(value.split(','))}]" if "," in value else value


@cache
def _keys() -> Mapping[str, _Key]:
    """Give the key of every option of ``extract`` and of all protocols, by its flag."""
    found: dict[str, _Key] = {}
    for settings in (ExtractSettings, RowSettings, DataSettings):
        for name, hint in get_type_hints(settings).items():
            found[name.replace("_", "-")] = _key(name, hint)
    for protocol in PROTOCOLS.names():
        with suppress(UserError):  # somebody's package that cannot be loaded
            known = PROTOCOLS.load(protocol)
            hints = get_type_hints(known.options)
            for field in fields(known.options):
                found[flag(field)] = _key(field.name, hints[field.name], found.get(flag(field)))
            if known.annotation_option is not None:
                name = known.annotation_option.name
                found[name] = _key(name, str, found.get(name))
    return found


def _key(name: str, hint: Any, former: _Key | None = None) -> _Key:
    """Describe a key; protocols may share its name, and take different values."""
    types = tuple(getattr(one, "__origin__", one) for one in get_args(hint) or (hint,))
    named = frozenset(map(str, choices(hint)))
    if former is None:
        return _Key(name, types, named)
    free = bool(former.types) and not (former.choices and named)
    return _Key(name, (*former.types, *types), frozenset() if free else former.choices | named)


def in_keys(text: str, fusing: bool = False) -> str:
    """Write the options that a message names as a study file does: ``--folds 5`` is ``folds = 5``.

    Parameters
    ----------
    text : str
        Options that a study file has no key for stay as they are, and whole commands do.
    fusing : bool
        Whether it is about an evaluation, where ``--weights`` are those of a fusion.
    """

    def written(match: re.Match[str]) -> str:
        name = match["flag"]
        value, other = match["value"], match["other"]
        rest = "".join([f" {value}" if value else "", f" or {other}" if other else ""])
        if name == "option" and value and "=" in value:
            option, _, given = value.partition("=")
            return f"options = {{ {option} = {_toml(given)} }}{f' or {other}' if other else ''}"
        key = _keys().get("fusion-weights" if fusing and name == "weights" else name)
        if key is None:
            return match[0]
        if bool in key.types:
            return f"{key.name} = {'false' if match['no'] else 'true'}{rest}"
        if not value or not key.takes(value):
            return f"{key.name}{rest}"
        also = f" or {_toml(other) if other in key.choices else other}" if other else ""
        return f"{key.name} = {key.toml(value)}{also}"

    lines = (line.partition(_COMMAND) for line in text.split("\n"))
    return "\n".join(_FLAG.sub(written, before) + command + after for before, command, after in lines)


def _toml(value: str) -> str:
    """Write words apart by ``|`` as TOML does, and numbers as they are."""
    return " or ".join(one if _NUMBER.fullmatch(one) else f'"{one}"' for one in value.split("|"))


@contextmanager
def told_in_keys() -> Iterator[None]:
    """Let mistakes name keys of a study file instead of options.

    Raises
    ------
    UserError
        Those of the ``with`` block.
    """
    try:
        yield
    except UserError as error:
        message, hint = in_keys(error.message), None if error.hint is None else in_keys(error.hint)
        if (message, hint) == (error.message, error.hint):
            raise
        raise UserError(message, hint) from error
