"""What makes two runs the same run: the identity of a feature file, and the first field in which two differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from p3d_eval.errors import UserError
from p3d_eval.features.schema import VideoRecord
from p3d_eval.provenance import sha256_json

# Fields of an identity from the one that says most about the difference; others come behind them.
_TELLING = (
    "backbone",
    "options",
    "weights_sha256",
    "layers",
    "sampling",
    "per_clip",
    "precision",
    "input_spec",
)
_VALUE_SHOWN = 120  # characters of a value in an error message


def identity_hash(identity: Mapping[str, Any], videos: Sequence[VideoRecord]) -> str:
    """SHA-256 over the identity's fields and the ordered videos with their sizes and modification times."""
    rows = [[video.id, video.size, video.mtime_ns] for video in videos]
    return sha256_json({"fields": dict(identity), "videos": rows})


def shown(value: Any) -> str:
    """Return a value as text for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _VALUE_SHOWN else text[:_VALUE_SHOWN] + "…"


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Name nested values with dots: ``{"sampling": {"clips": 20}}`` → ``{"sampling.clips": 20}``."""
    if not isinstance(value, Mapping):
        return {name: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= _flat(inner, f"{name}.{key}" if name else str(key))
    return found


def _video_difference(there: Sequence[VideoRecord], here: Sequence[VideoRecord]) -> tuple[str, Any, Any] | None:
    if len(there) != len(here):
        return "number of videos", len(there), len(here)
    for position, (old, new) in enumerate(zip(there, here, strict=True)):
        if old.id != new.id:
            return f"id of video {position + 1}", old.id, new.id
        if old.size != new.size:
            return f"size of {old.id!r}", old.size, new.size
        if old.mtime_ns != new.mtime_ns:
            return f"modification time of {old.id!r} (ns)", old.mtime_ns, new.mtime_ns
    return None


def require_same(
    path: Path,
    stored: tuple[Mapping[str, Any], Sequence[VideoRecord]],
    wanted: tuple[Mapping[str, Any], Sequence[VideoRecord]],
) -> None:
    """Check that a file was begun by the same run as the one that wants to go on with it.

    Parameters
    ----------
    path : Path
        The existing file, for the message.
    stored, wanted : tuple of (mapping, sequence of VideoRecord)
        Identity and videos of the file, and of the run.

    Raises
    ------
    UserError
        When they differ; names the first field that does, with both values.
    """
    difference = field_difference(stored[0], wanted[0]) or _video_difference(stored[1], wanted[1])
    if difference is not None:
        name, before, now = difference
        raise UserError(
            f"{path} exists and was made with another {name}: {shown(before)} there, {shown(now)} now",
            "Choose another --out, or add --overwrite to start afresh",
        )


def _telling(name: str) -> int:
    field = name.split(".")[0]
    return _TELLING.index(field) if field in _TELLING else len(_TELLING)


def field_difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[str, Any, Any] | None:
    """Most telling field in which two identities differ, with both values (``"none"`` where it is absent)."""
    before, now = _flat(old), _flat(new)
    absent = object()
    for name in sorted({**now, **before}, key=_telling):
        there, here = before.get(name, absent), now.get(name, absent)
        if there != here:
            return name, "none" if there is absent else there, "none" if here is absent else here
    return None
