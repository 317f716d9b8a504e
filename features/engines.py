"""Where an extraction is computed: in this process, in one for each device, or on a Ray cluster."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.features.computing import compute_results
from p3d_eval.features.groups import Group
from p3d_eval.features.planning import ExtractionPlan
from p3d_eval.features.results import Outcome
from p3d_eval.features.worker import recipe_of

ENGINES = ("local", "ray")
ALL_GPUS = "cuda:all"
Compute = Callable[[ExtractionPlan, Sequence[Group]], Generator[Outcome]]


@dataclass(frozen=True)
class Engine:
    """What computes, and what is to be known of it.

    Parameters
    ----------
    compute : callable
        (plan, groups) → results; closed when the run ends, however it does.
    device : str
        Where this process loads the network, to plan the extraction.
    where : str
        What the file's provenance says of the device; the plan's own words where it is empty.
    settings : mapping
        What the file notes of it for each run.
    notice : str
        What the user should know before it starts.
    """

    compute: Compute = compute_results
    device: str = "cpu"
    where: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    notice: str = ""

    def placed(self, plan: ExtractionPlan) -> ExtractionPlan:
        """Return the plan of a file that says where it was computed.

        Raises
        ------
        UserError
            When other processes could not load the network.
        """
        if not self.where:
            return plan
        recipe_of(plan.backbone)
        provenance = dict(plan.store.provenance) | {"device": self.where}
        return replace(plan, store=replace(plan.store, provenance=provenance))


def choose_engine(
    engine: str = "local", device: str = "auto", processes: int | None = None, address: str | None = None
) -> Engine:
    """Return the engine for what the user typed.

    Parameters
    ----------
    engine : {"local", "ray"}
        This machine, or a Ray cluster.
    device : str
        ``cpu``, ``cuda``, ``cuda:1``, ``auto``, or ``cuda:all`` for every GPU of this machine.
    processes : int, optional
        Processes that run the network; with Ray, at most so many. By default one, one for each GPU of
        ``cuda:all``, or as many as the cluster has room for.
    address : str, optional
        Of the Ray cluster.

    Raises
    ------
    UserError
        When an option is unknown or does not fit, or there are not so many GPUs.
    """
    if engine not in ENGINES:
        raise UnknownNameError("engine", engine, ENGINES)
    if processes is not None and processes < 1:
        raise UserError(f"--processes {processes}: must be 1 at least")
    if engine == "ray":
        return _on_cluster(device, processes, address)
    if address is not None:
        raise UserError(f"--address {address} without a cluster", "Add --engine ray")
    devices = choose_devices(device, processes)
    if len(devices) == 1:
        return Engine(device=devices[0])
    from p3d_eval.features.processes import compute_on

    notice = ""
    if devices[0] != "cpu":
        notice = (
            f"{len(devices)} GPUs, a process each: tested with CPU processes only, never on several GPUs; "
            "compare a few videos with --device cuda:0"
        )
    kind = devices[0].partition(":")[0]
    return Engine(
        partial(compute_on, devices),
        devices[0],
        f"{kind}, {len(devices)} processes",
        {"processes": len(devices)},
        notice,
    )


def _on_cluster(device: str, processes: int | None, address: str | None) -> Engine:
    from p3d_eval.features.cluster import cluster_device, compute_on_cluster

    kind = cluster_device(address, device)
    compute = partial(compute_on_cluster, address=address, device=kind, most=processes)
    return Engine(compute, "cpu", f"{kind}, Ray cluster", {"engine": "ray", "device": kind})


def choose_devices(device: str, processes: int | None = None) -> tuple[str, ...]:
    """Return a device for each process of this machine that runs the network; see `choose_engine`."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == ALL_GPUS:
        if not gpus:
            raise UserError(f"device {device!r}: no GPU was found", "Use --device cpu --processes N")
        return _gpus(gpus, processes or gpus)
    if processes is None or processes == 1:
        return (device,)
    kind = ("cuda" if gpus else "cpu") if device == "auto" else device
    if kind == "cpu":
        return ("cpu",) * processes
    if kind != "cuda":
        raise UserError(f"{processes} processes on the one device {device!r}", "Use --device cuda or cuda:all")
    return _gpus(gpus, processes)


def _gpus(there: int, wanted: int) -> tuple[str, ...]:
    if wanted > there:
        raise UserError(f"{wanted} processes need as many GPUs, {there} were found", "Use fewer --processes")
    return tuple(f"cuda:{number}" for number in range(wanted))
