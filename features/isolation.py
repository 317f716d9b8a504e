"""Work in child processes that may hang or crash without harm to the rest."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Generic, TypeVar

from p3d_eval.child_process import ChildProcess, gather

Task = TypeVar("Task")
Result = TypeVar("Result")

_GRACE_SECONDS = 5.0  # for a child that closed its connection to leave its exit status


class WorkerDiedError(Exception):
    """A child ended, or was ended, in the middle of its task; the message says how."""


class _Child(Generic[Task, Result]):
    """One child process that does one task after another; it is replaced when it dies."""

    def __init__(self, work: Callable[[Task], Result], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._process: ChildProcess | None = None
        self._stopped = False

    def run(self, task: Task) -> Result:
        if self._stopped:
            raise WorkerDiedError("stopped")
        try:
            connection = (self._process or self._start()).connection
            connection.send(task)
            if not connection.poll(self._seconds):
                self._discard()
                raise WorkerDiedError(f"took longer than {self._seconds:g} s")
            result: Result = connection.recv()
        except (EOFError, OSError):
            code = self._discard(crashed=True)
            raise WorkerDiedError(f"the decoder crashed (exit status {code})") from None
        return result

    def _start(self) -> ChildProcess:
        """Start a process and wait until it is ready: that is not the task's time.

        Raises
        ------
        RuntimeError
            When it ends before it is: no task is to blame.
        """
        process = self._process = ChildProcess(__name__, keeps_errors=False)
        try:
            process.connection.send(self._work)
            process.connection.recv()
        except (EOFError, OSError):
            raise RuntimeError(
                f"a process could not start (exit status {self._discard(crashed=True)})"
            ) from None
        if self._stopped:  # `stop` may have come too early to see the process
            self._discard()
            raise WorkerDiedError("stopped")
        return process

    def _discard(self, crashed: bool = False) -> int | None:
        """End the process, whatever it does, and return its exit status."""
        process, self._process = self._process, None
        return None if process is None else process.close(_GRACE_SECONDS if crashed else 0)

    def stop(self) -> None:
        """Kill the process; the thread that waits for it goes on."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()


def main(connection: int) -> None:
    """Do tasks for the process at the other end of an inherited connection; end when it closes it, or dies."""
    link = Connection(connection)
    try:
        work = link.recv()
    except (EOFError, OSError):
        return
    tasks = gather(link)
    link.send("ready")
    while True:
        link.send(work(tasks.get()))


def map_isolated(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    died: Callable[[Task, str], Result],
    workers: int,
    seconds: float,
) -> Iterator[Result]:
    """Do tasks in child processes and yield results in the order of the tasks.

    Parameters
    ----------
    work : callable
        Task → result; a module's function, both ends of it picklable.
    tasks : sequence
        What to do.
    died : callable
        (task, reason) → result for a task whose process hung or crashed; other tasks are not affected.
    workers : int
        Child processes.
    seconds : float
        Time limit of a task.
    """
    idle: SimpleQueue[_Child[Task, Result]] = SimpleQueue()
    children: list[_Child[Task, Result]] = [_Child(work, seconds) for _ in range(min(workers, len(tasks)))]
    for child in children:
        idle.put(child)

    def run(task: Task) -> Result:
        child = idle.get()
        try:
            return child.run(task)
        except WorkerDiedError as error:
            return died(task, str(error))
        finally:
            idle.put(child)

    pool = ThreadPoolExecutor(len(children), thread_name_prefix="isolated")
    try:
        yield from pool.map(run, tasks)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.stop()
        pool.shutdown()
