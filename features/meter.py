"""How long each stage of an extraction works and waits, and how much went through."""

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from p3d_eval.features.results import Usage

ELAPSED = "elapsed"  # of the processes that compute, added up
SET_UP = "set up"  # of the network, once before the first batch: what a long run does not feel
DECODERS = "decoders"  # the same, times their decoders


class Meter:
    """Seconds by stage and counts of things, from all threads of a process that computes.

    Parameters
    ----------
    workers : int
        Decoders that it has.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = max(1, workers)
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._counts: Counter[str] = Counter()
        self._notices: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._taken = time.perf_counter()

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
                self._seconds[name] += value

    def count(self, name: str, number: int = 1) -> None:
        """Count clips and frames."""
        with self._lock:
            self._counts[name] += number

    def tell(self, notices: Sequence[str]) -> None:
        """Set what the user should hear of this process."""
        self._notices = tuple(notices)

    def take(self) -> Usage:
        """Return what was noted since the last call."""
        now = time.perf_counter()
        with self._lock:
            passed, self._taken = now - self._taken, now
            seconds = dict(self._seconds) | {ELAPSED: passed, DECODERS: passed * self._workers}
            counts = dict(self._counts)
            self._seconds.clear()
            self._counts.clear()
        return Usage(seconds, counts, self._notices)


class Totals:
    """All that was used so far, by all processes that compute."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.counts: Counter[str] = Counter()
        self._told: dict[str, bool] = {}
        self._began = time.perf_counter()

    def add(self, usage: Usage) -> None:
        """Add what a process reports."""
        for name, value in usage.seconds.items():
            self.seconds[name] += value
        self.counts.update(usage.counts)
        self._told |= {text: self._told.get(text, False) for text in usage.notices}

    def news(self) -> list[str]:
        """Return notices that were not returned before."""
        new = [text for text, told in self._told.items() if not told]
        self._told |= dict.fromkeys(new, True)
        return new

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a ``with`` block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began

    def share(self, *stages: str, of: str = ELAPSED) -> float:
        """Part of the time that stages took, 0 to 1."""
        whole = self.seconds[of]
        return min(1.0, sum(self.seconds[stage] for stage in stages) / whole) if whole > 0 else 0.0

    def rate(self, name: str) -> float:
        """Clips or frames a second since the run began."""
        return self.counts[name] / max(time.perf_counter() - self._began, 1e-9)
