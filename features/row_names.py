"""What a table calls features: their name, with what nobody may overlook."""

from collections.abc import Mapping
from typing import Any


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
        "random weights": bool(provenance["weights"].get("random")),
        "as stated": bool(provenance.get("stated")),
    }
    missing = [mark for mark, due in marks.items() if due and mark not in name.lower()]
    return " ".join([name, *(f"({mark})" for mark in missing)])
