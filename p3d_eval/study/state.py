"""What a study remembers beside its outputs: how long work took."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from p3d_eval.files import write_text
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

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Note how long a video took in work that was done."""
        speeds = dict(self.speeds)
        for one in outcomes:
            videos, seconds = one.facts.get("videos", 0), one.facts.get("seconds", 0.0)
            if one.status == MADE and videos:
                speeds[speed_name(one.cell)] = seconds / videos
        if speeds != self.speeds:
            self._notes |= {"speeds": speeds}
            write_text(self._path, json.dumps(self._notes, indent=2) + "\n", overwrite=True)


def speed_name(cell: Any) -> str:
    """Name under which a cell's speed is noted: an extraction's row and data set, or the protocol."""
    return cell.name if isinstance(cell, Extraction) else cell.protocol
