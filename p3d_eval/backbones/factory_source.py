"""What the source of a user's factory says of it: its name, its parameters. Nothing of it is run."""

import ast
import warnings
from collections.abc import Iterator, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from p3d_eval.errors import UserError, did_you_mean, nearest, shorten

# Type in an annotation → what it takes, and how messages call it. A whole number is a number; True is none.
_SCALARS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "str": ((str,), "text"),
    "bool": ((bool,), "true or false"),
}
_SEES_MORE = ("globals", "locals", "vars", "exec", "setattr", "__getattr__", "modules")  # or sets names unseen


def check_factory(name: str, path: Path, attribute: str, options: Mapping[str, Any]) -> None:
    """Check a factory's name and options against its file, as far as that can be told without running it.

    Parameters
    ----------
    name : str
        What messages call the network.
    path : Path
        The file with the factory.
    attribute : str
        The factory's name there.
    options : mapping
        Arguments that it will be given.

    Raises
    ------
    UserError
        When the file is no Python or makes no such name, or the factory takes no such options, or says by an
        annotation that it takes them of another type.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise UserError(f"{name}: {path}: line {error.lineno}: {error.msg}", "Mend the file") from None
    except ValueError as error:
        raise UserError(f"{name}: {path}: {error}", "Mend the file") from None
    bound = list(_bindings(tree.body))
    factories = [node for one, node in bound if one == attribute]
    if not factories and not _sees_more(tree):
        known = [one for one, node in bound if isinstance(node, ast.FunctionDef) and one[:1] != "_"]
        raise unknown_factory(name, str(path), attribute, known)
    if len(factories) == 1 and isinstance(factories[0], ast.FunctionDef) and factories[0] in tree.body:
        function = factories[0]
        if not function.decorator_list:
            bind_options(name, _signature(function.args), options)
            _check_types(name, path, function.args, options)


def unknown_factory(name: str, where: str, attribute: str, known: list[str]) -> UserError:
    """Say that a module has no such factory, and which functions it has, the one that was meant first."""
    guess = did_you_mean(attribute, known) or "Name a factory function. "
    return UserError(f"{name}: {where} has no {attribute!r}", f"{guess}It has {shorten(known) or 'none'}")


def bind_options(name: str, signature: Signature, options: Mapping[str, Any]) -> None:
    """Check that a factory takes these arguments.

    Raises
    ------
    UserError
        When it does not; the hint has the parameter that was meant.
    """
    takes = signature.parameters
    try:
        signature.bind(**options)
    except TypeError as error:
        close = [one for key in options if key not in takes for one in nearest(key, takes)]
        guess = f"Did you mean {', '.join(close)}? " if close else ""
        raise UserError(f"{name}: {error}", f"{guess}It takes {', '.join(takes) or 'no options'}") from error


def _bindings(body: list[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """Give every name that a module binds, and what binds it; names inside functions and classes are theirs."""
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        match node:
            case (
                ast.FunctionDef(name=str(one))
                | ast.AsyncFunctionDef(name=str(one))
                | ast.ClassDef(name=str(one))
            ):
                yield one, node
                inside = (one for one in ast.walk(node) if isinstance(one, ast.Global))
                yield from ((one, outer) for outer in inside for one in outer.names)
                continue
            case ast.Name(id=one, ctx=ast.Store()):
                yield one, node
            case ast.alias(name=one, asname=other):
                yield other or one.partition(".")[0], node
            case ast.ExceptHandler(name=str(one)) | ast.MatchAs(name=str(one)) | ast.MatchStar(name=str(one)):
                yield one, node
        waiting += reversed(list(ast.iter_child_nodes(node)))


def _sees_more(tree: ast.Module) -> bool:
    """Whether a module may have names that it does not show."""
    words = {"*"} | set(_SEES_MORE)
    return any(getattr(node, key, None) in words for node in ast.walk(tree) for key in ("id", "attr", "name"))


def _signature(arguments: ast.arguments) -> Signature:
    """Make the signature that the function will have, without its defaults' values."""
    positional = [
        *((one, Parameter.POSITIONAL_ONLY) for one in arguments.posonlyargs),
        *((one, Parameter.POSITIONAL_OR_KEYWORD) for one in arguments.args),
    ]
    required = len(positional) - len(arguments.defaults)
    found = [
        Parameter(one.arg, kind, default=Parameter.empty if place < required else None)
        for place, (one, kind) in enumerate(positional)
    ]
    if arguments.vararg:
        found.append(Parameter(arguments.vararg.arg, Parameter.VAR_POSITIONAL))
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        given = Parameter.empty if default is None else None
        found.append(Parameter(one.arg, Parameter.KEYWORD_ONLY, default=given))
    if arguments.kwarg:
        found.append(Parameter(arguments.kwarg.arg, Parameter.VAR_KEYWORD))
    return Signature(found)


def _check_types(name: str, path: Path, arguments: ast.arguments, options: Mapping[str, Any]) -> None:
    for one in (*arguments.args, *arguments.kwonlyargs):
        if one.annotation is None or one.arg not in options:
            continue
        said = ast.unparse(one.annotation).strip("'\"")
        parts = [part.strip() for part in said.removeprefix("Optional[").removesuffix("]").split("|")]
        kinds = [_SCALARS[part] for part in parts if part in _SCALARS]
        if len(kinds) < len([part for part in parts if part != "None"]):
            continue
        value = options[one.arg]
        if not any(_fits(value, types) for types, _ in kinds):
            wanted = " or ".join(word for _, word in kinds)
            raise UserError(
                f"{name}: {one.arg} = {value!r} is not {wanted}", f"{path.name} says {one.arg}: {said}"
            )


def _fits(value: Any, types: tuple[type, ...]) -> bool:
    return bool in types if isinstance(value, bool) else isinstance(value, types)
