"""How long each stage of an extraction works and waits, and how much went through."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Meter:
    """Seconds by stage and counts of things, from all threads of a run.

    Parameters
    ----------
    workers : int
        Decoders whose seconds are added up.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = max(1, workers)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._began = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self._began

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a ``with`` block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add({name: time.perf_counter() - began})

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add seconds that somebody else measured."""
        with self._lock:
            for name, value in seconds.items():
                self.seconds[name] += value

    def count(self, name: str, number: int = 1) -> None:
        """Count clips, frames, videos, bytes."""
        with self._lock:
            self.counts[name] += number
