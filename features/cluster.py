"""Several machines through Ray: an actor for each GPU, or for a share of CPU cores, with decoders of its own.

Whole groups travel to the actors and features come back; frames never do. A video's clips are some forty
megabytes of frames, and its file half of one, so decoding belongs where the network runs.
"""

import os
import queue
import socket
import threading
import time
from collections.abc import Generator, Hashable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from p3d_eval.errors import MissingExtraError, UserError
from p3d_eval.features.crew import Died, compute_with
from p3d_eval.features.groups import Group
from p3d_eval.features.planning import ExtractionPlan
from p3d_eval.features.results import Outcome
from p3d_eval.features.worker import Message, Orders, work

_POLL_SECONDS = 0.5
_LOOK_SECONDS = 2.0  # between looks at the nodes
_PATIENCE_SECONDS = 60.0  # without any actor: by then a cluster that can offer what one needs has done so
_MESSAGES_AHEAD = 8  # of an actor, before it waits for this process to take them
_KNOCK_SECONDS = 10.0  # for a cluster's address to answer
_STORE_BYTES = 128 << 20  # of the object store, where we start Ray ourselves; results are small


class RayWorker:
    """What runs in the actor: a thread that works, a queue in either direction.

    Parameters
    ----------
    orders : Orders
        What to work at.
    device : str
        ``cpu`` or ``cuda``: Ray shows an actor only its own GPU.
    folder : str
        Where relative paths start, if the machine has it.
    """

    def __init__(self, orders: Orders, device: str, folder: str) -> None:
        self._inbox: queue.SimpleQueue[Group | None] = queue.SimpleQueue()
        self._outbox: queue.Queue[Message] = queue.Queue(_MESSAGES_AHEAD)
        if Path(folder).is_dir():
            os.chdir(folder)
        arguments = (orders, device, self._inbox.get, self._outbox.put)
        threading.Thread(target=work, args=arguments, name="worker", daemon=True).start()

    def messages(self) -> Iterator[Message]:
        """Yield what the worker says; Ray takes it on as far as the other end has room."""
        while True:
            yield self._outbox.get()

    def answer(self, group: Group | None) -> None:
        """Answer a `Want`."""
        self._inbox.put(group)


class RayCrew:
    """As many actors as the cluster has room for, which may change while they work.

    Parameters
    ----------
    orders : Orders
        What to work at.
    address : str, optional
        ``host:port`` of the cluster, or ``auto`` on one of its nodes; by default Ray is started here.
    device : str
        ``cpu`` or ``cuda``.
    cores : int
        CPU cores of an actor.
    most : int, optional
        Number of actors that is not exceeded.
    """

    attempts = 10  # machines come and go, and take the same group with them more than once

    def __init__(
        self, orders: Orders, address: str | None, device: str, cores: int, most: int | None = None
    ) -> None:
        self._orders = orders
        self._address = address
        self._device = device
        self._needs = {"CPU": float(cores)} | ({"GPU": 1.0} if device == "cuda" else {})
        self._most = most
        self._actors: dict[Any, Any] = {}  # stream of messages → actor
        self._heard: set[Any] = set()
        self._since = time.monotonic()  # when there was an actor the last time
        self._looked = -_LOOK_SECONDS
        self._room = 0  # how many actors the nodes that are there could hold

    def __enter__(self) -> Self:
        self._ray = connect(self._address)
        self._orders_ref = self._ray.put(self._orders)
        return self

    def _look(self) -> None:
        """See now and then which nodes are there."""
        if time.monotonic() - self._looked < _LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        needs = self._needs.items()
        self._room = sum(int(min(node.get(name, 0.0) // need for name, need in needs)) for node in nodes)

    def _hire(self, waiting: int) -> None:
        """Ask for as many actors as there is room and work for, and one more, so that a cluster can grow."""
        wanted = min(self._room + 1, len(self._heard) + waiting, self._most or waiting + len(self._heard))
        while len(self._actors) < wanted:
            options = {"num_cpus": self._needs["CPU"], "num_gpus": self._needs.get("GPU", 0.0)}
            made = self._ray.remote(RayWorker).options(
                **options, max_concurrency=2, max_restarts=0, scheduling_strategy="SPREAD"
            )
            actor = made.remote(self._orders_ref, self._device, str(Path.cwd()))
            stream = actor.messages.options(
                num_returns="streaming", _generator_backpressure_num_objects=_MESSAGES_AHEAD
            ).remote()
            self._actors[stream] = actor

    def listen(self, waiting: int) -> Iterator[tuple[Hashable, Message | Died]]:
        """Yield a message of each actor that has one; hire more while there is work for them."""
        self._look()
        self._hire(waiting)
        for stream in self._ready():
            try:
                message: Message | Died = self._ray.get(next(stream))
                self._heard.add(stream)
            except (self._ray.exceptions.RayError, StopIteration) as error:
                message = Died(" ".join(str(error).split())[:300])
                self._dismiss(stream)
            yield stream, message
        self._be_patient()

    def _ready(self) -> list[Any]:
        """Wait for the first stream that has something; return all that have."""
        streams = list(self._actors)
        for number, seconds in ((1, _POLL_SECONDS), (len(streams), 0)):
            ready, _ = self._ray.wait(streams, num_returns=number, timeout=seconds)
            if not ready:
                break
        return list(ready)

    def _be_patient(self) -> None:
        """Give up when the cluster has nothing to offer."""
        if self._heard:
            self._since = time.monotonic()
        elif time.monotonic() - self._since > _PATIENCE_SECONDS and not self._room:
            needs = " and ".join(f"{need:g} {name}" for name, need in self._needs.items())
            raise UserError(
                f"no node of the Ray cluster has {needs}", "Choose fewer --workers, another --device, or wait"
            )

    def _dismiss(self, stream: Any) -> None:
        self._heard.discard(stream)
        actor = self._actors.pop(stream)
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(actor)

    def answer(self, worker: Hashable, group: Group | None) -> None:
        """Answer an actor's `Want`; that it has just died is found by `listen`."""
        if worker in self._actors:
            self._actors[worker].answer.remote(group)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in list(self._actors):
            self._dismiss(stream)


def import_ray() -> Any:
    """Import Ray without usage statistics.

    Raises
    ------
    MissingExtraError
        When it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--engine ray", "ray") from error
    return ray


def connect(address: str | None) -> Any:
    """Join a cluster, or start Ray on this machine: no dashboard, a small object store; return the module.

    The process stays connected until it ends, for the next run.

    Raises
    ------
    UserError
        When there is no such cluster, or the process is connected to another one.
    """
    ray = import_ray()
    address = address or os.environ.get("RAY_ADDRESS")
    if address is not None and "://" in address:
        raise UserError(
            f"--address {address}: Ray's client has no streams of results",
            "Run this command on a node of the cluster, with --address auto or host:port",
        )
    if ray.is_initialized():
        there = ray.get_runtime_context().gcs_address
        if address not in (None, "auto", there):
            raise UserError(f"--address {address}: this process is connected to {there}", "Call ray.shutdown()")
        return ray
    quiet = {"log_to_driver": False, "logging_level": "error"}
    try:
        if address is None:
            # "local": else it would join whatever cluster happens to run on this machine.
            ray.init("local", include_dashboard=False, object_store_memory=_STORE_BYTES, **quiet)
        else:
            _knock(address)
            ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError, OverflowError) as error:
        why = " ".join(str(error).split())[:200]
        if address is None:
            raise UserError(f"--engine ray: Ray did not start here ({why})", "Or leave it out") from error
        raise UserError(
            f"--address {address}: no Ray cluster ({why})",
            "Start one with ray start --head, and give the address that it prints",
        ) from error
    return ray


def _knock(address: str) -> None:
    """See whether anybody listens: Ray itself would try for many minutes."""
    host, colon, port = address.rpartition(":")
    if not colon:
        return  # auto: Ray looks for processes of its own
    with socket.create_connection((host, int(port)), _KNOCK_SECONDS):
        pass


def cluster_device(address: str | None, device: str) -> str:
    """Connect; return the kind of device that actors use: for ``auto``, ``cuda`` where nodes have GPUs.

    Raises
    ------
    UserError
        When a device is named that is one machine's own, there is no such cluster, or this machine alone
        is to compute and has no GPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise UserError(f"--device {device} is one machine's", "With --engine ray choose auto, cpu or cuda")
    gpus = connect(address).cluster_resources().get("GPU", 0)
    if device == "auto":
        return "cuda" if gpus else "cpu"
    if device == "cuda" and not gpus and not (address or os.environ.get("RAY_ADDRESS")):
        raise UserError(
            "--device cuda: this machine has no GPU for Ray", "Name a cluster with --address, or --device cpu"
        )
    return device


def compute_on_cluster(
    plan: ExtractionPlan,
    groups: Iterable[Group],
    *,
    address: str | None = None,
    device: str = "cpu",
    most: int | None = None,
) -> Generator[Outcome]:
    """Compute groups on the nodes of a Ray cluster; all else as `compute_results`.

    Every actor has ``plan.workers`` decoders, as many cores, and as many threads as this process.
    """
    threads = torch.get_num_threads()
    cores = max(1, plan.workers, threads if device == "cpu" else 0)
    orders = Orders.of(plan, threads, plan.workers)
    return compute_with(RayCrew(orders, address, device, cores, most), plan, groups)
