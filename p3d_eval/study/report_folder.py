"""The folder of a study's report: replaced as a whole, never over somebody's changes."""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from p3d_eval.errors import UserError, shorten
from p3d_eval.files import write_text
from p3d_eval.provenance import sha256_file

_NOTES = ".written.json"  # lies in the folder, so that it is always about its files


class ReportFolder:
    """What a study wrote into its report's folder, and from what.

    Parameters
    ----------
    folder : Path
        It need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._former = folder.with_name(f".{folder.name}.former")
        if self._former.is_dir() and not folder.exists():  # killed between the two renames of `replace`
            self._former.rename(folder)
        notes = {}
        with suppress(OSError, ValueError):
            notes = json.loads((folder / _NOTES).read_text(encoding="utf-8"))
        self._key: str = notes.get("key", "")
        self._hashes: Mapping[str, str] = notes.get("files", {})

    @property
    def unfinished(self) -> Path:
        """Where a new report is written before it takes the folder's place."""
        return self.folder.with_name(f".{self.folder.name}.new")

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that the study wrote."""
        return tuple(self.folder / name for name in self._hashes)

    def holds(self, key: str) -> bool:
        """Whether the report was written from this content, and is whole."""
        return self._key == key and not self._changed() and all(path.is_file() for path in self.files)

    def require_untouched(self) -> None:
        """Refuse to replace a file that somebody changed.

        Raises
        ------
        UserError
            When there is one.
        """
        changed = self._changed()
        if changed:
            raise UserError(
                f"{self.folder}: {shorten(changed)} changed since the study wrote it",
                "Move it elsewhere, or add --overwrite",
            )

    def _changed(self) -> list[str]:
        present = ((name, digest) for name, digest in self._hashes.items() if (self.folder / name).is_file())
        return [name for name, digest in present if sha256_file(self.folder / name) != digest]

    def replace(self, key: str) -> None:
        """Put the unfinished report in the folder's place; files of others stay."""
        new = self.unfinished
        hashes = {
            str(path.relative_to(new)): sha256_file(path) for path in sorted(new.rglob("*")) if path.is_file()
        }
        write_text(new / _NOTES, json.dumps({"key": key, "files": hashes}, indent=2) + "\n", overwrite=True)
        if self.folder.is_dir():
            for path in sorted(self.folder.rglob("*")):
                name = path.relative_to(self.folder)
                if path.is_file() and str(name) not in {*self._hashes, _NOTES} and not (new / name).exists():
                    (new / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, new / name)
            shutil.rmtree(self._former, ignore_errors=True)
            self.folder.rename(self._former)
        new.rename(self.folder)
        shutil.rmtree(self._former, ignore_errors=True)
        self._key, self._hashes = key, hashes
