"""Progress of long work: a rich bar with rate and time left on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self

_PLAIN_INTERVAL = 5.0  # seconds between lines where there is no terminal


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Progress:
    """Count steps of known total on standard error.

    Parameters
    ----------
    description : str
        What is being done.
    total : int
        Number of steps.
    unit : str
        What one step is, in the plural.
    quiet : bool
        Show nothing.
    done : int
        Steps that an earlier run finished.

    Examples
    --------
    >>> with Progress("extract", total=2, unit="videos", quiet=True) as progress:
    ...     progress.advance()
    ...     progress.advance()
    >>> progress.done
    2
    """

    def __init__(self, description: str, total: int, unit: str, quiet: bool = False, done: int = 0) -> None:
        self.description = description
        self.total = total
        self.unit = unit
        self.done = done
        self._first = done
        self._quiet = quiet
        self._started = time.monotonic()
        self._printed = self._started
        self._bar: Any = None
        self._task: Any = None
        self._detail = ""

    def __enter__(self) -> Self:
        self._started = self._printed = time.monotonic()
        if not self._quiet and sys.stderr.isatty():
            self._start_bar()
        return self

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(self.unit),
            TextColumn("{task.fields[rate]}"),
            TextColumn("{task.fields[detail]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(
            self.description, total=self.total, completed=self.done, rate="", detail=""
        )
        self._bar.start()

    @property
    def rate(self) -> float:
        """Steps per second of this run."""
        return (self.done - self._first) / max(time.monotonic() - self._started, 1e-9)

    def advance(self, steps: int = 1) -> None:
        """Count ``steps`` as done."""
        self.done += steps
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, rate=f"{self.rate:.2f}/s", detail=self._detail)
        elif not self._quiet and time.monotonic() - self._printed >= _PLAIN_INTERVAL:
            self._line()

    def describe(self, detail: str) -> None:
        """Set what is shown behind the rate from now on."""
        self._detail = detail

    def _line(self) -> None:
        self._printed = time.monotonic()
        left = _duration((self.total - self.done) / self.rate) if self.rate > 0 else "?"
        parts = [f"{self.done}/{self.total} {self.unit}", f"{self.rate:.2f}/s", self._detail, f"{left} left"]
        sys.stderr.write(f"{self.description}: {', '.join(filter(None, parts))}\n")
        sys.stderr.flush()

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            sys.stderr.write(f"{text}\n")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif not self._quiet:
            took = _duration(time.monotonic() - self._started)
            sys.stderr.write(f"{self.description}: {self.done}/{self.total} {self.unit} in {took}\n")
