"""What a table calls features: their name, with what nobody may overlook."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

RANDOM_WEIGHTS, AS_STATED = "random weights", "as stated"
_CODE, _EXPORTED = (".py",), (".onnx", ".pt2")


def honest_name(name: str, provenance: Mapping[str, Any]) -> str:
    """Add "(random weights)", and "(as stated)" where a known network's name is only claimed.

    Parameters
    ----------
    name : str
        The backbone, or what the user calls the row.
    provenance : mapping
        Of the feature file.
    """
    marks = {
        RANDOM_WEIGHTS: bool(provenance["weights"].get("random")),
        AS_STATED: bool(provenance.get("stated")),
    }
    missing = [mark for mark, due in marks.items() if due and mark not in name.lower()]
    return " ".join([name, *(f"({mark})" for mark in missing)])


def bare_name(name: str) -> str:
    """Leave out what `honest_name` adds."""
    for mark in (RANDOM_WEIGHTS, AS_STATED):
        name = name.replace(f" ({mark})", "")
    return name


def without_folder(backbone: str) -> str:
    """Shorten ``/home/me/net.py:make`` to ``net.py:make``, and an exported file's path to its name."""
    path, _, factory = backbone.rpartition(":")
    if path.endswith(_CODE):
        return f"{PurePath(path).name}:{factory}"
    return PurePath(backbone).name if backbone.endswith(_EXPORTED) else backbone
