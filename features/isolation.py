"""Work in child processes that may hang or crash without harm to the rest."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_GRACE_SECONDS = 5.0  # for a child that closed its pipe to leave its exit status


class WorkerDiedError(Exception):
    """A child ended, or was ended, in the middle of its task; the message says how."""


class _Child(Generic[Task, Result]):
    """One child process that does one task after another; it is replaced when it dies."""

    def __init__(self, work: Callable[[Task], Result], seconds: float) -> None:
        self._work = work
        self._seconds = seconds
        self._process: Any = None
        self._pipe: Any = None
        self._stopped = False

    def run(self, task: Task) -> Result:
        if self._stopped:
            raise WorkerDiedError("stopped")
        if self._process is None:
            self._start()
        try:
            self._pipe.send(task)
            if not self._pipe.poll(self._seconds):
                self._discard()
                raise WorkerDiedError(f"took longer than {self._seconds:g} s")
            result: Result = self._pipe.recv()
        except (EOFError, OSError):
            code = self._discard(crashed=True)
            raise WorkerDiedError(f"the decoder crashed (exit status {code})") from None
        return result

    def _start(self) -> None:
        # Spawned, not forked: a fork of a process with threads may stand still for ever.
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, self._work), daemon=True)
        self._process.start()
        other.close()

    def _discard(self, crashed: bool = False) -> int | None:
        """End the process, whatever it does, and return its exit status."""
        process, self._process = self._process, None
        self._pipe.close()
        process.join(_GRACE_SECONDS if crashed else 0)
        process.kill()
        process.join()
        code: int | None = process.exitcode
        return code

    def stop(self) -> None:
        """Kill the process; the thread that waits for it goes on."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()


def _serve(pipe: Connection, work: Callable[[Any], Any]) -> None:
    while True:
        try:
            task = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        pipe.send(work(task))


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
