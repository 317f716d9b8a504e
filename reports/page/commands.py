"""What to type so that a result, or a page, comes out again."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from p3d_eval.protocols import PROTOCOLS
from p3d_eval.protocols.protocol import Protocol, default, flag
from p3d_eval.protocols.result import Result

_GIVEN = re.compile(r"--(?P<name>[a-z-]+) (?P<path>.+)", re.DOTALL)  # how an annotation option names its source
_MODULE = "__main__.py "  # how `python -m p3d_eval` calls itself
_FUSION = ("fusion", "weights")


def evaluation_command(result: Result) -> str | None:
    """Write the command that evaluates the same features with the same options.

    Returns
    -------
    str or None
        None for a protocol that is not installed here.
    """
    if result.protocol not in PROTOCOLS:
        return None
    protocol = PROTOCOLS.load(result.protocol)
    words = ["p3d-eval", result.protocol]
    if result.features.get("backbone") == "predictions":
        words += ["--predictions", str(result.features.get("file"))]
    else:
        words += [word for file in _files(result.features) for word in ("--features", file)]
    return shlex.join([*words, *_annotations(protocol, result), *_options(protocol, result.options)])


def extraction_commands(result: Result) -> list[str]:
    """Commands that wrote the features, as the feature files recorded them."""
    parts = result.features.get("parts") or [result.features]
    recorded = [str(command) for part in parts for command in part.get("commands") or ()]
    return [typed(command) for command in dict.fromkeys(recorded)]


def page_command(results: Sequence[Path], published: bool) -> str:
    """Write the command that makes a page of result files."""
    words = ["p3d-eval", "report", *map(str, results), *([] if published else ["--only-measured"])]
    return shlex.join([*words, "--out", "report.html"])


def typed(command: str) -> str:
    """``command`` as a user types it, where it was recorded under the name of a module."""
    return f"p3d-eval {command.removeprefix(_MODULE)}" if command.startswith(_MODULE) else command


def _files(features: Mapping[str, Any]) -> list[str]:
    return [str(part.get("file")) for part in features.get("parts") or [features]]


def _annotations(protocol: Protocol, result: Result) -> list[str]:
    """Return the option that named the annotations, where one did; elsewhere they are found again."""
    option = protocol.annotation_option
    given = _GIVEN.fullmatch(str(result.annotations.get("source", "")))
    if option is None or given is None or given["name"] != option.name:
        return []
    return [f"--{option.name}", given["path"]]


def _options(protocol: Protocol, options: Mapping[str, Any]) -> list[str]:
    """Return the options that are not the defaults, as words."""
    words: list[str] = []
    for field in fields(protocol.options):
        value = options.get(field.name, default(field))
        if value == default(field) or value is None:
            continue
        if isinstance(value, bool):
            words.append(f"--{flag(field)}" if value else f"--no-{flag(field)}")
        else:
            words += [f"--{flag(field)}", _word(value)]
    for name in _FUSION:
        if name in options and name not in {field.name for field in fields(protocol.options)}:
            words += [f"--{name}", _word(options[name])]
    return words


def _word(value: Any) -> str:
    return ",".join(map(_word, value)) if isinstance(value, list | tuple) else str(value)
