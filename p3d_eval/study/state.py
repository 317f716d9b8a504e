"""What a study remembers beside its outputs: how long work took, and which files are its own."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from p3d_eval.files import write_text
from p3d_eval.study.grid import Evaluation
from p3d_eval.study.protocol_times import Time, kind_of_work
from p3d_eval.study.running import MADE, Outcome

_FILE = ".study.json"  # hidden: reports over the folder do not look at it


class State:
    """Notes in a study's folder; without them nothing is lost but predictions and what may be deleted.

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
    def times(self) -> Mapping[str, Time]:
        """Seconds of protocols in the last run and the videos of its feature files, by `time_name`."""
        found = self._notes.get("times", {})
        times = found.items() if isinstance(found, dict) else ()
        return {name: (float(time[0]), int(time[1])) for name, time in times if _is_time(time)}

    def remember(self, outcomes: Sequence[Outcome]) -> None:
        """Note how long the protocols took that were run."""
        times: dict[str, Sequence[float]] = {name: list(time) for name, time in self.times.items()}
        for one in outcomes:
            if one.status == MADE and isinstance(one.cell, Evaluation) and one.facts["stored"]:
                times[time_name(one.cell)] = [one.facts["seconds"], one.facts["stored"]]
        self._note("times", times)

    def files_of(self, study: str) -> list[str]:
        """Names, in the study's folder, of all files that a study file made and no other one did."""
        others = {name for other, names in self._lists("files").items() if other != study for name in names}
        return [name for name in self._lists("files").get(study, []) if name not in others]

    def maps_of(self, study: str) -> list[str]:
        """Names of the maps that a study file's last report shows."""
        return self._lists("maps").get(study, [])

    def claim(self, study: str, paths: Iterable[Path]) -> None:
        """Note files in the study's folder as made by a study file."""
        own = dict.fromkeys(self._lists("files").get(study, [])) | dict.fromkeys(self._names(paths))
        self._note("files", {**self._lists("files"), study: list(own)})

    def show(self, study: str, maps: Iterable[Path]) -> None:
        """Note the maps that a study file's report shows."""
        self._note("maps", {**self._lists("maps"), study: self._names(maps)})

    def forget(self, study: str, names: Collection[str]) -> None:
        """Note that files of a study file are gone."""
        kept = [name for name in self._lists("files").get(study, []) if name not in names]
        self._note("files", {**self._lists("files"), study: kept})

    def _names(self, paths: Iterable[Path]) -> list[str]:
        return [path.relative_to(self._path.parent).as_posix() for path in paths]

    def _lists(self, key: str) -> dict[str, list[str]]:
        found = self._notes.get(key, {})
        lists = found.items() if isinstance(found, dict) else ()
        return {study: [str(name) for name in names] for study, names in lists if isinstance(names, list)}

    def _note(self, key: str, value: dict[str, Any]) -> None:
        if value != self._notes.get(key, {}):
            self._notes[key] = value
            write_text(self._path, json.dumps(self._notes, indent=2) + "\n", overwrite=True)


def time_name(cell: Evaluation) -> str:
    """Name under which an evaluation's time is noted: the kind of work, and its layers."""
    kind = kind_of_work(cell.protocol, cell.options)
    layers = cell.options.get("layer") or cell.options.get("layers")
    return f"{kind}, {layers}" if layers else kind


def _is_time(value: Any) -> bool:
    """Whether a note holds seconds and a number of videos: someone may have edited the file."""
    match value:
        case [int() | float() as seconds, int() as videos]:
            return seconds >= 0 and videos > 0
    return False
