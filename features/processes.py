"""Several devices of one machine: a process for each, which runs the network and has decoders of its own."""

import pickle
import tempfile
from collections.abc import Generator, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from types import TracebackType
from typing import IO, Self

import torch

from p3d_eval.child_process import ChildProcess
from p3d_eval.features.crew import Died, compute_with
from p3d_eval.features.groups import Group
from p3d_eval.features.planning import ExtractionPlan
from p3d_eval.features.results import Outcome
from p3d_eval.features.worker import Message, Orders

_POLL_SECONDS = 0.5


class LocalWorker(ChildProcess):
    """A process that computes groups.

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
        limit = {"OMP_NUM_THREADS": str(threads)}
        super().__init__("p3d_eval.features.worker", orders, device, descriptors=(orders,), environment=limit)


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
            worker.kill()  # all of them before the first is waited for
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
