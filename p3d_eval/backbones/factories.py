"""Networks of the user's own: a factory named as ``package.module:factory`` or ``path/to/file.py:factory``."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from p3d_eval.backbones.backbone import Backbone
from p3d_eval.backbones.checkpoint import hash_state, require_file
from p3d_eval.backbones.factory_source import bind_options, unknown_factory
from p3d_eval.backbones.network import CODE, Network, WeightsInfo, told_options
from p3d_eval.errors import FOREIGN_FAILURES, UserError, one_line
from p3d_eval.provenance import sha256_file, sha256_json


def custom_factory(name: str) -> Any:
    """Import what ``name`` points at.

    Raises
    ------
    UserError
        When the module or file cannot be imported, or has no such attribute.
    """
    if name.endswith(".py"):
        raise UserError(f"backbone {name!r} names no function", f"Write {name}:factory, the function's name")
    where, _, attribute = name.rpartition(":")
    if where.endswith(".py"):
        module = _import_file(Path(where), name)
    else:
        try:
            module = importlib.import_module(where)
        except (ImportError, ValueError) as error:
            raise UserError(
                f"backbone {name!r}: cannot import {where!r}: {error}",
                "Write module:factory, file.py:factory; torchvision:, timm:, hf: or torchhub: and a name",
            ) from error
        except FOREIGN_FAILURES as error:
            raise _failed_import(name, where, error) from error
    try:
        return getattr(module, attribute)
    except AttributeError as error:
        raise unknown_factory(f"backbone {name!r}", where, attribute, _functions_of(module)) from error


def _functions_of(module: Any) -> list[str]:
    """Name the functions that a module makes itself."""
    return [
        key
        for key, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not key.startswith("_")
    ]


def _import_file(path: Path, name: str) -> Any:
    if not path.is_file():
        raise UserError(
            f"backbone {name!r}: {path} does not exist",
            "Write path/to/file.py:factory, relative to this folder",
        )
    module_name = f"p3d_eval_user_{path.stem}_{sha256_json(str(path.resolve()))[:8]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"backbone {name!r}: {path} is not a Python file", "Write path/to/file.py:factory")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except FOREIGN_FAILURES as error:
        raise _failed_import(name, str(path), error) from error
    return module


def _failed_import(name: str, where: str, error: BaseException) -> UserError:
    return UserError(
        f"backbone {name!r}: {where} failed with {one_line(error)}", "Mend the file; --debug shows where"
    )


def call_factory(
    name: str,
    factory: Any,
    path: Path | None,
    seed: int,
    classes: int | Sequence[str] | None,
    options: Mapping[str, Any],
    device: torch.device,
) -> Backbone:
    """Call a factory and make a backbone of what it returns.

    Raises
    ------
    UserError
        When it cannot take the arguments, fails, or returns something else than a network.
    """
    if not callable(factory):
        raise UserError(
            f"backbone {name!r} is a {type(factory).__name__}, not a function", "Name a factory function"
        )
    arguments = dict(options)
    takes = inspect.signature(factory).parameters
    for key, value in (("weights", path), ("classes", classes)):
        if value is not None and key not in takes:
            raise UserError(
                f"backbone {name!r} takes no {key}", f"Leave {key} out, or add the parameter to the factory"
            )
        if value is not None:
            arguments[key] = value
    if path is not None:
        require_file(path)
    bind_options(f"backbone {name!r}", inspect.signature(factory), arguments)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            made = factory(**arguments)
        except UserError:
            raise
        except FOREIGN_FAILURES as error:
            given = told_options(options)
            mend = (
                f"Give {' and '.join(options)} as the factory takes it, or mend the" if options else "Mend the"
            )
            raise UserError(
                f"backbone {name!r}{given} failed with {one_line(error)}",
                f"{mend} factory; --debug shows where",
            ) from error
    return _backbone_of(name, made, path, options, device)


def _backbone_of(
    name: str, made: Any, path: Path | None, options: Mapping[str, Any], device: torch.device
) -> Backbone:
    """Put what a factory returned on the device, with all that makes its numbers among the options."""
    where = name.rpartition(":")[0]
    if where.endswith(".py"):
        # The same weights in other code are another network: resuming must not mix the two.
        options = {**options, CODE: sha256_file(Path(where))}
    if isinstance(made, Backbone):
        return Backbone(made.name, made.network, made.weights, device, {**made.options, **options})
    if not isinstance(made, Network):
        raise UserError(
            f"backbone {name!r} returned {type(made).__name__}",
            "Return a p3d_eval.backbones.Network or Backbone",
        )
    source = str(path) if path is not None else made.weights_source or name
    digest = sha256_file(path) if path is not None else hash_state(made.module)
    return Backbone(name, made, WeightsInfo(source, digest, made.random), device, options)
