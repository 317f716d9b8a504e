"""What a Python verb says when it is called with something that it cannot take."""

import builtins
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import wraps
from importlib import import_module
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from reprlib import Repr
from types import NoneType, UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

from p3d_eval.errors import P3DEvalError, UserError, did_you_mean

Given = ParamSpec("Given")
Returned = TypeVar("Returned")

_WORDS = {
    str: "text",
    PathLike: "a path",
    Path: "a path",
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    NoneType: "None",
    Sequence: "a sequence",
    Iterable: "an iterable",
    Mapping: "a mapping",
    Callable: "a function",
}
_NUMBERS = {int: Integral, float: Real}


def explained(verb: Callable[Given, Returned]) -> Callable[Given, Returned]:
    """Let a public verb that fails on arguments of other types than it takes say which, and what it takes.

    The types are looked at only when it fails: whatever works goes on working.
    """
    return _explained(verb, "")


def explained_with(options: str) -> Callable[[Callable[Given, Returned]], Callable[Given, Returned]]:
    """Do the same for a verb with ``**options``: those of ``package.module:name``, a function or dataclass."""

    def decorate(verb: Callable[Given, Returned]) -> Callable[Given, Returned]:
        return _explained(verb, options)

    return decorate


def _explained(verb: Callable[Given, Returned], options: str) -> Callable[Given, Returned]:
    @wraps(verb)
    def call(*args: Given.args, **named: Given.kwargs) -> Returned:
        try:
            return verb(*args, **named)
        except P3DEvalError:
            raise
        except Exception as error:
            problem = _problem(verb, options, args, named)
            if problem is None:
                raise
            message, hint = problem
            more = f"help(pe.{verb.__name__}) says what it takes"
            raise UserError(f"{verb.__name__}: {message}", f"{hint}{more}") from error

    return call


def _problem(
    verb: Callable[..., Any], options: str, args: Sequence[Any], named: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Name the first argument that does not fit, and the nearest names of an unknown one; None where all do."""
    hints = _hints(verb)
    parameters = inspect.signature(verb).parameters.values()
    open_ended = [one.name for one in parameters if one.kind is one.VAR_KEYWORD]
    if options:
        module, _, name = options.partition(":")
        theirs = getattr(import_module(module), name)
        hints = _hints(theirs) | hints
        kinds = {one.kind for one in inspect.signature(theirs).parameters.values()}
        open_ended = open_ended if inspect.Parameter.VAR_KEYWORD in kinds else []
    unknown = [] if open_ended else [name for name in named if name not in hints]
    if unknown:
        return f"unknown argument {unknown[0]!r}", did_you_mean(unknown[0], set(hints) - {"return"})
    try:
        given = inspect.signature(verb).bind(*args, **named).arguments
    except TypeError as error:
        return str(error), ""
    given |= named
    for name, value in given.items():
        if name in hints and name != "options" and not _fits(value, hints[name]):
            return f"{name} = {Repr().repr(value)} is not {_wanted(hints[name])}", ""
    return None


def _hints(called: Any) -> dict[str, Any]:
    own = vars(import_module(called.__module__))
    return get_type_hints(called, localns=_Names(own))


class _Named(type):
    """Stands for a class that is imported for annotations alone; its parts and parameters do, too."""

    def __getattr__(cls, name: str) -> "_Named":
        return _Named(name, (), {})

    def __getitem__(cls, item: Any) -> "_Named":
        return cls


class _Names(dict[str, Any]):
    """Names in annotations: a module's own, this package's aliases, and those that are not imported."""

    def __init__(self, own: Mapping[str, Any]) -> None:
        super().__init__(StrPath=str | PathLike[str])
        self._own = own

    def __missing__(self, name: str) -> Any:
        if name in self._own or hasattr(builtins, name):
            raise KeyError(name)  # found there
        return _Named(name, (), {})


def _parts(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type; items of iterables that can be gone through but once are not looked at."""
    return any(_fits_one(value, part) for part in _parts(hint))


def _fits_one(value: Any, hint: Any) -> bool:
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind is Any:
        return True
    if isinstance(kind, _Named):
        return kind.__name__ in (one.__name__ for one in type(value).__mro__)
    if kind is Literal:
        return isinstance(value, tuple({type(one) for one in inner}))
    if kind in _NUMBERS:
        return isinstance(value, _NUMBERS[kind]) and not isinstance(value, bool)
    if kind is Mapping:
        pairs = value.items() if isinstance(value, Mapping) else ()
        return isinstance(value, Mapping) and all(
            _fits(item, part) for pair in pairs for item, part in zip(pair, inner, strict=False)
        )
    if kind in (Iterable, Sequence, list, tuple):
        if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
            return False
        parts = {one for one in inner if one is not ...}
        looked = value if isinstance(value, Collection) and parts else ()
        return all(any(_fits(item, part) for part in parts) for item in looked)
    return not isinstance(kind, type) or isinstance(value, kind)


def _wanted(hint: Any) -> str:
    """Describe a type: ``a path, a Result or an iterable of these``."""
    parts = [part for part in _parts(hint) if part is not str or not _takes_paths(hint)]
    simple = [_word(part) for part in parts if not _of(part)]
    several = [f"{_word(part)} of {'these' if simple else _wanted(_of(part))}" for part in parts if _of(part)]
    *first, last = simple + several
    return f"{', '.join(first)} or {last}" if first else last


def _takes_paths(hint: Any) -> bool:
    return any((get_origin(part) or part) is PathLike for part in _parts(hint))


def _of(hint: Any) -> Any:
    """Return the type of a sequence's or an iterable's items; None of other types."""
    return get_args(hint)[0] if (get_origin(hint) or hint) in (Iterable, Sequence) and get_args(hint) else None


def _word(hint: Any) -> str:
    kind = get_origin(hint) or hint
    if kind is Literal:
        return " or ".join(map(repr, get_args(hint)))
    name = getattr(kind, "__name__", str(kind))
    return _WORDS.get(kind) or f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"
