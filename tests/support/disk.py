"""What a disk may hold after a crash: every write that was synced, and any parts of those that were not."""

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class RecordedDisk:
    """Records what is written to one file, and when it is synced, from its first write on.

    Parameters
    ----------
    path : Path
        The file; it is recorded under this name only, not while it is made under a temporary one.
    """

    path: Path
    before: bytes = b""
    events: list[tuple[int, bytes] | None] = field(default_factory=list)  # None: a sync

    def attach(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Listen to this process's writes."""
        pwrite, fsync = os.pwrite, os.fsync

        def writing(descriptor: int, data: bytes, place: int) -> int:
            if self._is_ours(descriptor):
                self.before = self.before or self.path.read_bytes()
                self.events.append((place, bytes(data)))
            return pwrite(descriptor, data, place)

        def syncing(descriptor: int) -> None:
            if self._is_ours(descriptor):
                self.events.append(None)
            fsync(descriptor)

        monkeypatch.setattr(os, "pwrite", writing)
        monkeypatch.setattr(os, "fsync", syncing)

    def _is_ours(self, descriptor: int) -> bool:
        return self.path.exists() and os.fstat(descriptor).st_ino == self.path.stat().st_ino

    def after_crash(self, moment: int, chance: random.Random) -> bytes:
        """One content that the file may have when power goes after so many events.

        Writes since the last sync are there or not, whole or in part, in any combination.
        """
        content = bytearray(self.before)
        happened = self.events[:moment]
        synced = max((number for number, event in enumerate(happened) if event is None), default=-1)
        for number, event in enumerate(happened):
            if event is None:
                continue
            place, data = event
            first, last = 0, len(data)
            if number > synced:
                first, last = sorted(chance.choice((0, len(data), chance.randint(0, len(data)))) for _ in "ab")
            content[place + first : place + last] = data[first:last]
        return bytes(content)
