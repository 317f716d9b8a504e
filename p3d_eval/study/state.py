"""What a study remembers beside its outputs: which report files it wrote, and how long work took."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from p3d_eval.errors import UserError, shorten
from p3d_eval.files import write_text
from p3d_eval.provenance import sha256_file
from p3d_eval.study.grid import Extraction
from p3d_eval.study.running import MADE, Outcome

_FILE = ".study.json"  # hidden: reports over the folder do not look at it


class State:
    """Notes in a study's folder; without them nothing is lost but predictions.

    Parameters
    ----------
    folder : Path
        The study's folder; it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._notes: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            found = json.loads(self._path.read_text(encoding="utf-8"))
            self._notes = found if isinstance(found, dict) else {}

    @property
    def speeds(self) -> Mapping[str, float]:
        """Seconds a video, by the name of a row's extraction or of a protocol."""
        found = self._notes.get("speeds", {})
        return found if isinstance(found, dict) else {}

    @property
    def files(self) -> Mapping[str, str]:
        """Files of the report and their SHA-256."""
        found = self._notes.get("files", {})
        return found if isinstance(found, dict) else {}

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Note how long a video took in work that was done."""
        speeds = dict(self.speeds)
        for one in outcomes:
            videos, seconds = one.facts.get("videos", 0), one.facts.get("seconds", 0.0)
            if one.status == MADE and videos:
                speeds[speed_name(one.cell)] = seconds / videos
        if speeds != self.speeds:
            self._write({"speeds": speeds})

    def same_report(self, key: str, folder: Path) -> bool:
        """Whether the report was written from the same content and is untouched."""
        return self._notes.get("report") == key and not self._changed(folder, missing=True)

    def keep_report(self, key: str, files: Mapping[str, str]) -> None:
        """Note what was written."""
        self._write({"report": key, "files": dict(files)})

    def require_untouched(self, folder: Path) -> None:
        """Refuse to replace a file of the report that somebody changed.

        Raises
        ------
        UserError
            When there is one.
        """
        changed = self._changed(folder, missing=False)
        if changed:
            raise UserError(
                f"{folder}: {shorten(changed)} changed since the study wrote it",
                "Move it elsewhere, or add --overwrite",
            )

    def _changed(self, folder: Path, missing: bool) -> list[str]:
        return [
            name
            for name, digest in self.files.items()
            if (missing if not (folder / name).is_file() else sha256_file(folder / name) != digest)
        ]

    def _write(self, notes: Mapping[str, Any]) -> None:
        self._notes |= notes
        write_text(self._path, json.dumps(self._notes, indent=2) + "\n", overwrite=True)


def speed_name(cell: Any) -> str:
    """Name under which a cell's speed is noted: an extraction's row and data set, or the protocol."""
    return cell.name if isinstance(cell, Extraction) else cell.protocol
