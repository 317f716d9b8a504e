"""``p3d-eval inspect``: what a feature file holds and where it comes from."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from p3d_eval.cli._shared import Json, Quiet, print_json, print_table

NAME = "inspect"
command = typer.Typer(add_completion=False)

File = Annotated[Path, typer.Argument(help="Feature file.")]


@command.command(NAME, epilog="Example: p3d-eval inspect feats.h5 --json")
def inspect(file: File, quiet: Quiet = False, as_json: Json = False) -> None:
    """Show videos, layers, failed videos, provenance and runs of a feature file, complete or not.

    With --quiet the file is only checked.
    """
    from p3d_eval.features import open_features
    from p3d_eval.features.description import describe

    found = describe(open_features(file, allow_incomplete=True))
    if as_json:
        print_json(found)
    elif not quiet:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    provenance, videos = found["provenance"], found["videos"]
    state = "complete" if found["complete"] else "incomplete"
    facts = {
        "label": found["label"],
        "state": f"{state}: {videos['done']} of {videos['expected']} videos done, {videos['failed']} failed",
        "size": f"{found['bytes']:,} bytes",
        "clips": f"{found['clips']} from {found['frames']} decoded frames",
        "weights": _weights(provenance["weights"]),
        "annotations": ", ".join(found["embedded"]) or "none embedded",
        "classes": str(len(found["classes"])),
        "identity": found["identity"],
    }
    shown = {"classes", "weights", "runs"}
    facts |= {key: _plain(value) for key, value in provenance.items() if key not in shown and value}
    print_table(found["file"], ("", ""), facts.items())
    rows = [
        (
            name,
            "×".join(map(str, layer["shape"])),
            layer["axes"],
            layer["dtype"],
            "yes" if layer["per_clip"] else "no",
        )
        for name, layer in found["layers"].items()
    ]
    print_table("Layers", ("name", "shape", "axes", "stored as", "every clip"), rows)
    if found["failed"]:
        print_table("Failed videos", ("id", "reason"), found["failed"].items())
    runs = [
        (run["started"], run["videos"], _settings(run["settings"]), run["command"]) for run in found["runs"]
    ]
    print_table("Runs", ("started", "videos", "settings", "command"), runs)


def _weights(told: dict[str, Any]) -> str:
    """Name the source of the weights, with their hash where they have one."""
    source = told.get("source") or ("random" if told.get("random") else "none named")
    return f"{source} (SHA-256 {told['sha256']})" if told.get("sha256") else str(source)


def _settings(text: str) -> str:
    """Write a run's settings as the other facts; a dash where there are none."""
    try:
        return _plain(json.loads(text)) or "–"
    except ValueError:  # written by another version
        return text


def _plain(value: Any) -> str:
    """Write JSON in words: ``a=1, b=(2, 3)``."""
    if isinstance(value, dict):
        return ", ".join(f"{key}={_inner(inner)}" for key, inner in value.items())
    return ", ".join(map(_inner, value)) if isinstance(value, list) else _inner(value)


def _inner(value: Any) -> str:
    """Write a value of a list or of a table: brackets keep what is several together."""
    if value is None:
        return "none"
    return f"({_plain(value)})" if isinstance(value, dict | list) else str(value)
