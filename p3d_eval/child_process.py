"""A process of our own at the other end of a connection: it may hang or crash without harm to the rest."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

_START = (
    "import sys; sys.path[:] = {path!r}; sys.argv[:] = {argv!r}; from {module} import main; main({arguments})"
)
_LAST_WORDS = 300  # characters of a dead process's standard error that are shown


class ChildProcess:
    """Run a module's ``main(connection, *arguments)``; ``connection`` is an inherited descriptor.

    Not multiprocessing: it would run the user's script again in every process.

    Parameters
    ----------
    module : str
        Where ``main`` is.
    *arguments : int or str
        What else it takes.
    descriptors : sequence of int
        Further descriptors that it inherits, under the same numbers.
    environment : mapping of str to str
        Changes to this process's.
    keeps_errors : bool
        Whether its standard error is kept for `last_words`, or is this process's.
    """

    def __init__(
        self,
        module: str,
        *arguments: int | str,
        descriptors: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        keeps_errors: bool = True,
    ) -> None:
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        self._errors = tempfile.TemporaryFile() if keeps_errors else None  # noqa: SIM115  (read at its end)
        code = _START.format(
            path=[folder or str(Path.cwd()) for folder in sys.path],
            argv=sys.argv,
            module=module,
            arguments=", ".join(map(repr, (theirs.fileno(), *arguments))),
        )
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  (our own words)
                [sys.executable, "-c", code],
                pass_fds=(theirs.fileno(), *descriptors),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env=os.environ | dict(environment or {}),
                process_group=0,  # Ctrl-C is for us: we end our processes
            )

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def last_words(self) -> str:
        """How it ended: its signal or exit status, and the end of what it wrote."""
        status = self._process.wait()
        how = f"exit status {status}"
        if status < 0:
            how = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        if self._errors is None:
            return how
        self._errors.seek(0)
        words = " ".join(self._errors.read().decode("utf-8", "replace").split())
        return f"{how}: {words[-_LAST_WORDS:]}" if words else how

    def kill(self) -> None:
        """Kill it, from any thread, and wait for nothing."""
        self._process.kill()

    def close(self, grace: float = 0) -> int:
        """End it, whatever it is doing, after ``grace`` seconds at the most; return its exit status."""
        self.connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self._process.kill()
        status = self._process.wait()
        if self._errors is not None:
            self._errors.close()
        return status


def gather(connection: "Connection[Any, Any]") -> "SimpleQueue[Any]":
    """Put what comes over a child's connection into a queue; end when its other end closes it, or dies."""
    inbox: SimpleQueue[Any] = SimpleQueue()

    def listen() -> None:
        try:
            while True:
                inbox.put(connection.recv())
        except (EOFError, OSError):
            os._exit(0)  # whatever the other threads are doing

    threading.Thread(target=listen, name="child-listens", daemon=True).start()
    return inbox
