"""A study's processes: each does one task after another, and a crash is the failure of one task alone."""

import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from traceback import format_exc

from p3d_eval.child_process import ChildProcess, gather
from p3d_eval.errors import P3DEvalError, one_line
from p3d_eval.study.keys import in_keys
from p3d_eval.study.screen import Screen
from p3d_eval.study.tasks import EvaluateTask, Event, Task, Tell


class TaskWorker(ChildProcess):
    """A process that performs tasks.

    Parameters
    ----------
    threads : int, optional
        Threads of the libraries that it computes with; by default as many as they take.
    """

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(__name__, environment={} if threads is None else {"OMP_NUM_THREADS": str(threads)})

    def give(self, task: Task) -> None:
        """Hand over a task; that the process has just died is found by `hear`."""
        with suppress(OSError):
            self.connection.send(task)

    def hear(self) -> Event:
        """Return the next event; a process that died has failed its task."""
        try:
            event: Event = self.connection.recv()
        except (EOFError, OSError):
            return Event("failed", f"its process died ({self.last_words()})", facts={"died": True})
        return event


def main(connection: int) -> None:
    """Perform tasks for the process at the other end; end when it closes the connection, or dies."""
    link = Connection(connection)
    inbox = gather(link)
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
        message, _, hint = in_keys(str(error), isinstance(task, EvaluateTask)).partition("\n")
        tell(Event("failed", message, facts={"hint": hint, "traceback": format_exc()}))
    except Exception as error:  # noqa: BLE001  (a cell that fails must not stop the others)
        tell(Event("failed", f"internal error: {one_line(error)}", facts={"traceback": format_exc()}))


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
