"""One live screen for everything that runs: bars on a terminal, plain lines elsewhere, nothing when quiet."""

import sys
import time
from collections.abc import Hashable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from p3d_eval.units import duration

_PLAIN_INTERVAL = 5.0  # seconds between lines of one stage where there is no terminal


@dataclass
class _Stage:
    """What runs: its name, when it began and was last printed, and from where its rate is counted."""

    name: str
    began: float
    printed: float
    lowest: int | None = None
    counted: tuple[int, float] | None = None


class Screen:
    """Show stages while they run, on standard error.

    Parameters
    ----------
    title : str
        What the bar over all stages is called.
    total : int
        Number of stages.
    quiet : bool
        Show nothing.
    """

    def __init__(self, title: str, total: int, quiet: bool = False) -> None:
        self._title = title
        self._total = total
        self._quiet = quiet
        self._live: Any = None
        self._all: Any = None
        self._bars: dict[Hashable, Any] = {}
        self._stages: dict[Hashable, _Stage] = {}

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                SpinnerColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self._live = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[unit]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._all = self._live.add_task(self._title, total=self._total, unit="stages")
            self._live.start()
        return self

    def start(self, stage: Hashable, name: str) -> None:
        """Show that a stage runs."""
        now = time.monotonic()
        self._stages[stage] = _Stage(name, now, now)
        if self._live is not None:
            self._bars[stage] = self._live.add_task(name, total=None, unit="")
        else:
            self._line(f"{name} …")

    def progress(self, stage: Hashable, done: int, total: int, unit: str) -> None:
        """Show how far a stage is."""
        if self._live is not None:
            self._live.update(self._bars[stage], completed=done, total=total, unit=unit)
            return
        shown, now = self._stages[stage], time.monotonic()
        if shown.lowest is None or done <= shown.lowest:
            shown.lowest = done
        elif shown.counted is None:  # until the first step is done: loading, compiling
            shown.counted = (done, now)
        if now - shown.printed >= _PLAIN_INTERVAL:
            shown.printed = now
            first, since = shown.counted or (done, now)
            rate = (done - first) / (now - since) if done > first else 0.0
            left = f", {rate:.2f}/s, {duration((total - done) / rate)} left" if rate else ""
            self._line(f"{shown.name}: {done}/{total} {unit}{left}")

    def note(self, stage: Hashable, text: str) -> None:
        """Print a line about a stage."""
        self._line(f"{self._stages[stage].name}: {text}")

    def finish(self, stage: Hashable, text: str) -> None:
        """Show that a stage has ended, and how."""
        if self._live is not None:
            self._live.remove_task(self._bars.pop(stage))
        shown = self._stages[stage]
        self._line(f"{shown.name}: {text} ({duration(time.monotonic() - shown.began)})")

    def count(self) -> None:
        """Count one more stage as settled."""
        if self._live is not None:
            self._live.advance(self._all)

    def _line(self, text: str) -> None:
        if self._quiet:
            return
        if self._live is not None:
            self._live.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
