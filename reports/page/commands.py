"""What to type so that a result, or a page, comes out again."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from p3d_eval.protocols import PROTOCOLS
from p3d_eval.protocols.protocol import flag
from p3d_eval.protocols.result import Result
from p3d_eval.reports.labels import defaults_of

_GIVEN = re.compile(r"--(?P<name>[a-z-]+) (?P<path>.+)", re.DOTALL)  # how an annotation option names its source
_MODULE = "__main__.py "  # how `python -m p3d_eval` calls itself
_FUSION = ("fusion", "weights")
_RANDOM = " (random weights)"


def evaluation_command(result: Result) -> str | None:
    """Write the command that evaluates the same features with the same options.

    Returns
    -------
    str or None
        None for a protocol that is not installed here.
    """
    if result.protocol not in PROTOCOLS:
        return None
    words = ["p3d-eval", result.protocol]
    if result.features.get("backbone") == "predictions":
        words += ["--predictions", str(result.features.get("file"))]
    else:
        words += [word for file in _files(result.features) for word in ("--features", file)]
    # A result knows the option that named its annotations; embedded and kept ones are found again.
    given = _GIVEN.fullmatch(str(result.annotations.get("source", "")))
    words += [f"--{given['name']}", given["path"]] if given else []
    return shlex.join([*words, *_options(result), *_label(result)])


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


def _label(result: Result) -> list[str]:
    """Return the name of the row where somebody gave it one; that weights are random is added by itself."""
    given, own = (str(text).removesuffix(_RANDOM) for text in (result.label, result.features.get("label", "")))
    return ["--label", given] if own and given != own else []


def _options(result: Result) -> list[str]:
    """Return the options that are not the defaults, as words; how several files were fused is one of them."""
    defaults, flags = defaults_of(result), _flags(result.protocol)
    words: list[str] = []
    for name, value in result.options.items():
        known = name in defaults or name in _FUSION
        if not known or value is None or (name in defaults and _word(value) == _word(defaults[name])):
            continue
        option = flags.get(name, name.replace("_", "-"))
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", _word(value)]
    return words


def _flags(protocol: str) -> dict[str, str]:
    """Names of a plug-in's options on the command line; those of this package are written as usual."""
    if PROTOCOLS.is_builtin(protocol):  # loading it would load what it computes with
        return {}
    return {field.name: flag(field) for field in fields(PROTOCOLS.load(protocol).options)}


def _word(value: Any) -> str:
    return ",".join(map(_word, value)) if isinstance(value, list | tuple) else str(value)
