"""A row's network, found before anything is extracted: its code, its weights, and the names in its options."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from p3d_eval.backbones import BACKBONES, Architecture, load_backbone
from p3d_eval.backbones.download import cached
from p3d_eval.backbones.exported.loading import OPTIONS, is_exported
from p3d_eval.backbones.factory_source import bind_options, check_factory
from p3d_eval.backbones.zoos.loading import ZOOS, is_from_zoo, require_listed
from p3d_eval.errors import FOREIGN_FAILURES, UnknownNameError, UserError, nearest
from p3d_eval.provenance import sha256_file
from p3d_eval.study.grid import Study
from p3d_eval.study.settings import RowSettings

RANDOM, FETCHED = "random", "fetched"
_CLASSES = "classes"  # the one argument of `load_backbone` that is written among the options


@dataclass(frozen=True)
class Network:
    """Where a row's network comes from, found and hashed.

    Parameters
    ----------
    backbone : str
        As ``load_backbone`` takes it, a file's path absolute.
    weights : str or None
        As ``load_backbone`` takes them.
    content : mapping
        Everything that its numbers depend on.
    """

    backbone: str
    weights: str | None
    content: Mapping[str, Any]


def find_network(study: Study, row: str, settings: RowSettings) -> Network:
    """Find a row's code and weights.

    Raises
    ------
    UserError
        When the name is unknown, a file is absent, or a network of this package has no weights named.
    """
    where = f"[backbones.{row}] in {study.name}"
    name = settings.backbone or row
    module, _, attribute = name.rpartition(":")
    source: Path | None = None  # the file of its code
    _check_keys(where, settings.options)
    if module.endswith(".py"):
        source = there(study.base, module, f"{where}: backbone")
        name = f"{source}:{attribute}"
    elif is_exported(name):
        source = there(study.base, name, f"{where}: backbone")
        name, attribute = str(source), source.name
        _check_exported(where, settings.options)
    elif module:
        source = _module_file(where, name)
    else:
        _check_registered(where, name, settings)
    weights, digest = _find_weights(study, where, name, settings)
    if source is not None and source.suffix == ".py" and not is_from_zoo(name):
        check_factory(where, source, attribute, _arguments(settings))
    code = None if source is None else sha256_file(source)
    label = f"{module.rpartition('/')[2]}:{attribute}".lstrip(":") if code else name
    content = {"backbone": label, "code": code, "weights": digest, "options": settings.options}
    return Network(name, weights, content)


def _find_weights(study: Study, where: str, name: str, settings: RowSettings) -> tuple[str | None, str | None]:
    """Return the weights as ``load_backbone`` takes them, and what stands for their content."""
    weights = settings.weights
    if weights == FETCHED:
        found = cached(name)
        if found is None:
            raise UserError(f"{where}: no fetched weights of {name}", f"Run p3d-eval weights fetch {name}")
        weights = str(found)
    named = is_from_zoo(name) and not (study.base / str(weights)).is_file()  # by a name of the collection's
    if is_from_zoo(name):
        _check_listed(where, name, weights if named else None)
    if weights in (None, RANDOM) or named:
        return weights, settings.weights
    path = there(study.base, str(weights), f"{where}: weights")
    return str(path), _file_hash(path, path.stat().st_mtime_ns)


def _check_keys(where: str, options: Mapping[str, Any]) -> None:
    """Refuse options that mean something in every network, and have keys of their own."""
    for key, value in options.items():
        if key == _CLASSES:
            names = isinstance(value, list) and all(isinstance(one, str) for one in value)
            if not names and (isinstance(value, bool) or not isinstance(value, int)):
                raise UserError(f"{where}: options.classes = {value!r} is no number, nor a list of names")
        elif key in inspect.signature(load_backbone).parameters:
            own = "crop_size" if key == "crop" else key
            raise UserError(f"{where}: {key} is no option of a network", f"Write {own} = … beside options")


def _arguments(settings: RowSettings) -> dict[str, Any]:
    """Return what a factory will be called with: the options, and the weights where they are a file."""
    weights = {} if settings.weights in (None, RANDOM) else {"weights": settings.weights}
    return {**settings.options, **weights}


def _own_options(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != _CLASSES}


def _check_exported(where: str, options: Mapping[str, Any]) -> None:
    for key in _own_options(options):
        if key not in OPTIONS:
            raise UnknownNameError(f"option of {where}:", key, OPTIONS)


def _check_registered(where: str, name: str, settings: RowSettings) -> None:
    """Check a name of this package or of a plug-in, and its options."""
    if name.endswith(".py"):
        raise UserError(
            f"{where}: backbone = {name!r} names no function", f'Write backbone = "{name}:FUNCTION"'
        )
    if name not in BACKBONES:
        raise UnknownNameError(f"backbone of {where}:", name, BACKBONES.names())
    found = BACKBONES.load(name)
    if not isinstance(found, Architecture):
        if callable(found):
            bind_options(where, inspect.signature(found), _arguments(settings))
        return
    if settings.weights is None:
        raise UserError(f"{where}: {name} needs weights", 'Give weights = "FILE", "random" or "fetched"')
    try:
        found.check_options(_own_options(settings.options))
    except UserError as error:
        raise UserError(f"{where}: {error.message}", error.hint) from None


def there(base: Path, text: str, where: str) -> Path:
    """Return a path of the study file as an absolute one.

    Raises
    ------
    UserError
        When it does not exist.
    """
    path = base / Path(text).expanduser()
    if not path.exists():
        raise UserError(f"{where} = {text!r}: {path} does not exist", "Paths are relative to the study file")
    return path


@cache
def _file_hash(path: Path, _changed: int) -> str:
    return sha256_file(path)


def _module_file(where: str, name: str) -> Path | None:
    """Find a module's own file; None where it has none, and is named by its name alone."""
    module = name.rpartition(":")[0]
    try:
        spec = find_spec(module)
    except ModuleNotFoundError as error:
        if not (error.name and f"{module}.".startswith(f"{error.name}.")):
            return None  # a package that needs another; loading the network says which
        spec = None
    except FOREIGN_FAILURES:  # the package around it was run, and failed
        return None
    if spec is None and not is_from_zoo(name):
        close = nearest(module, ZOOS)
        guess = f"Did you mean {', '.join(f'{one}:' for one in close)}? " if close else ""
        others = ", ".join(f"{one}:" for one in ZOOS)
        raise UserError(
            f"{where}: backbone = {name!r}: there is no module {module!r}",
            f"{guess}Write module:factory, file.py:factory; or {others} and a name",
        )
    return Path(spec.origin) if spec and spec.origin and Path(spec.origin).is_file() else None


def _check_listed(where: str, name: str, weights: str | None) -> None:
    """Refuse names that are not in their collection's list; where that cannot be had, its rows fail alone."""
    try:
        require_listed(name, weights)
    except UnknownNameError as error:
        raise UserError(f"{where}: {error.message}", error.hint) from None
    except UserError:
        return
