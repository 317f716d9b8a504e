"""Several devices of one machine: a process for each, which runs the network and has decoders of its own."""

import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import torch

from p3d_eval.features.crew import Died, compute_with
from p3d_eval.features.groups import Group
from p3d_eval.features.planning import ExtractionPlan
from p3d_eval.features.results import Outcome
from p3d_eval.features.worker import Message, Orders

_START = "import sys; sys.path[:] = {path!r}; from p3d_eval.features.worker import main; main({arguments})"
_POLL_SECONDS = 0.5
_LAST_WORDS = 300  # characters of a dead worker's standard error that are shown


class LocalWorker:
    """A process at the other end of a connection.

    Parameters
    ----------
    orders : int
        Descriptor of a file that holds the pickled `Orders`.
    device : str
        Device of its own.
    threads : int
        Threads of the libraries that it computes with.
    """

    def __init__(self, orders: int, device: str, threads: int) -> None:
        self.device = device
        ours, theirs = socket.socketpair()
        self.connection = Connection(ours.detach())
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (read when the process ended)
        # Not multiprocessing: it would run the user's script again in every process.
        path = [folder or str(Path.cwd()) for folder in sys.path]
        code = _START.format(path=path, arguments=f"{theirs.fileno()}, {orders}, {device!r}")
        self.process = subprocess.Popen(  # noqa: S603  (our own words)
            [sys.executable, "-c", code],
            pass_fds=(theirs.fileno(), orders),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            process_group=0,  # Ctrl-C is for us: we end our workers
        )
        theirs.close()

    def last_words(self) -> str:
        """How the process ended: its signal or exit status, and the end of what it wrote."""
        status = self.process.wait()
        how = f"exit status {status}"
        if status < 0:
            how = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        self._errors.seek(0)
        words = " ".join(self._errors.read().decode("utf-8", "replace").split())
        return f"{how}: {words[-_LAST_WORDS:]}" if words else how

    def close(self) -> None:
        """End the process, whatever it is doing; its decoders end when it does."""
        self.process.kill()
        self.process.wait()
        self.connection.close()
        self._errors.close()


class LocalCrew:
    """One worker process for each device.

    Parameters
    ----------
    orders : Orders
        What to work at.
    devices : sequence of str
        ``cpu``, ``cuda:0`` and so on, one for each process.
    """

    attempts = 2

    def __init__(self, orders: Orders, devices: Sequence[str]) -> None:
        self._orders = orders
        self._devices = tuple(devices)
        self._workers: list[LocalWorker] = []
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed on leaving)

    def __enter__(self) -> Self:
        pickle.dump(self._orders, self._file)
        self._file.flush()
        for device in self._devices:
            self._start(device)
        return self

    def _start(self, device: str) -> None:
        self._workers.append(LocalWorker(self._file.fileno(), device, self._orders.threads))

    def listen(self, waiting: int) -> Iterator[tuple[Hashable, Message | Died]]:  # noqa: ARG002  (Crew's)
        """Yield a message of each worker that has one; a worker that died is replaced."""
        ready = wait([worker.connection for worker in self._workers], _POLL_SECONDS)
        for worker in [worker for worker in self._workers if worker.connection in ready]:
            try:
                message: Message | Died = worker.connection.recv()
            except (EOFError, OSError):
                message = self._replace(worker)
            yield worker, message

    def _replace(self, worker: LocalWorker) -> Died:
        words = worker.last_words()
        worker.close()
        self._workers.remove(worker)
        self._start(worker.device)
        return Died(words)

    def answer(self, worker: Hashable, group: Group | None) -> None:
        """Answer a worker's `Want`; that it has just died is found by `listen`."""
        if isinstance(worker, LocalWorker):
            with suppress(OSError):
                worker.connection.send(group)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.process.kill()  # all of them before the first is waited for
        for worker in self._workers:
            worker.close()
        self._file.close()


def compute_on(devices: Sequence[str], plan: ExtractionPlan, groups: Iterable[Group]) -> Generator[Outcome]:
    """Compute groups in a process for each of ``devices``; all else as `compute_results`.

    Each process has its share of this one's threads and of ``plan.workers`` decoders.
    """
    threads, workers = (max(1, number // len(devices)) for number in (torch.get_num_threads(), plan.workers))
    orders = Orders.of(plan, threads, workers if plan.workers else 0)
    return compute_with(LocalCrew(orders, devices), plan, groups)
