"""A study's processes: each does one task after another, and a crash is the failure of one task alone."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from p3d_eval.errors import P3DEvalError
from p3d_eval.study.screen import Screen
from p3d_eval.study.tasks import Event, Task, Tell

_START = (
    "import sys; sys.path[:] = {path!r}; sys.argv[:] = {argv!r}; "
    "from p3d_eval.study.workers import main; main({fd})"
)
_LAST_WORDS = 300  # characters of a dead process's standard error that are shown


class TaskWorker:
    """A process at the other end of a connection that performs tasks.

    Parameters
    ----------
    threads : int, optional
        Threads of the libraries that it computes with; by default as many as they take.
    """

    def __init__(self, threads: int | None = None) -> None:
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (read when the process ended)
        # Not multiprocessing: it would run the user's script again in every process.
        path = [folder or str(Path.cwd()) for folder in sys.path]
        code = _START.format(path=path, argv=sys.argv, fd=theirs.fileno())
        limit = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(  # noqa: S603  (our own words)
            [sys.executable, "-c", code],
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=os.environ | limit,
            process_group=0,  # Ctrl-C is for us: we end our processes
        )
        theirs.close()

    def give(self, task: Task) -> None:
        """Hand over a task; that the process has just died is found by `hear`."""
        with suppress(OSError):
            self.connection.send(task)

    def hear(self) -> Event:
        """Return the next event; a process that died has failed its task."""
        try:
            event: Event = self.connection.recv()
        except (EOFError, OSError):
            return Event("failed", f"its process died ({self._last_words()})", facts={"died": True})
        return event

    def _last_words(self) -> str:
        status = self.process.wait()
        how = f"exit status {status}"
        if status < 0:
            how = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        self._errors.seek(0)
        words = " ".join(self._errors.read().decode("utf-8", "replace").split())
        return f"{how}: {words[-_LAST_WORDS:]}" if words else how

    def close(self) -> None:
        """End the process, whatever it is doing; its own processes end when it does."""
        self.process.kill()
        self.process.wait()
        self.connection.close()
        self._errors.close()


def main(connection: int) -> None:
    """Perform tasks for the process at the other end; end when it closes the connection, or dies."""
    link: Any = Connection(connection)
    inbox: SimpleQueue[Task] = SimpleQueue()

    def listen() -> None:
        try:
            while True:
                inbox.put(link.recv())
        except (EOFError, OSError):
            os._exit(0)  # whatever the other threads are doing

    threading.Thread(target=listen, name="worker-listens", daemon=True).start()
    while True:
        perform(inbox.get(), link.send)


def perform(task: Task, send: Tell) -> None:
    """Perform a task; tell its events, and how it ended, from whichever thread."""
    sending = threading.Lock()

    def tell(event: Event) -> None:
        with sending:
            send(event)

    try:
        tell(Event("done", facts=task.perform(tell)))
    except P3DEvalError as error:
        message, _, hint = str(error).partition("\n")
        tell(Event("failed", message, facts={"hint": hint}))
    except Exception as error:  # noqa: BLE001  (a cell that fails must not stop the others)
        import traceback

        reason = " ".join(f"{type(error).__name__}: {error}".split())
        tell(Event("failed", f"internal error: {reason}", facts={"traceback": traceback.format_exc()}))


def watch(worker: TaskWorker, task: Task, screen: Screen, stage: str) -> Event:
    """Let a process perform one task; return how it ended.

    Parameters
    ----------
    worker : TaskWorker
    task : Task
    screen : Screen
        Where its progress is shown.
    stage : str
        A stage that the screen shows.
    """
    worker.give(task)
    while (event := worker.hear()).kind not in ("done", "failed"):
        if event.kind == "progress":
            screen.progress(stage, event.done, event.total, event.text)
        else:
            screen.note(stage, event.text)
    return event
