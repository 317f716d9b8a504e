"""Size, arithmetic, speed and memory of a network as a result, which reports set beside accuracies.

The columns are those of Table 1 of the P3D paper (model size, speed in clips a second) and of the
speed–accuracy figures of the S3D paper (Xie et al., ECCV 2018: FLOPs).
"""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from p3d_eval.backbones import Backbone
from p3d_eval.backbones.cost import Cost, measure_cost
from p3d_eval.backbones.layers import parse_layers
from p3d_eval.backbones.listing import last_layer
from p3d_eval.backbones.speed import Speed, measure_speed
from p3d_eval.errors import UserError
from p3d_eval.protocols.result import Coverage, Metric, Result, Variant
from p3d_eval.provenance import machine, sha256_json

NAME, VERSION = "profile", "1"
_UNTIMED = 2  # batches before those that are timed: one checks the rewritten network, one warms up


@dataclass(frozen=True)
class ProfileOptions:
    """What is measured, and how.

    Parameters
    ----------
    layers : str, optional
        As far as which layers the network runs; by default the last one that it lists.
    precisions : tuple of str
        Arithmetic, as `Backbone.with_precision` takes it.
    batch_sizes : tuple of int
        Clips in a batch.
    repeats : int
        Batches that are timed for each precision and batch size.
    compiling : {"auto", "on", "off"}
        As ``extract`` takes it.
    """

    layers: str | None = None
    precisions: tuple[str, ...] = ("auto",)
    batch_sizes: tuple[int, ...] = (1, 8)
    repeats: int = 5
    compiling: str = "auto"

    def __post_init__(self) -> None:
        if not self.precisions or not self.batch_sizes:
            raise UserError("profile: no precision or no batch size", "Name one of each at least")


def profile_network(backbone: Backbone, options: ProfileOptions | None = None) -> Result:
    """Measure one network on its device.

    Parameters
    ----------
    backbone : Backbone
        The network; its weights do not matter.
    options : ProfileOptions, optional
        What is measured.

    Returns
    -------
    Result
        ``metrics``: ``parameters``, ``model_bytes``, ``macs``, ``flops`` (of one clip), and of the fastest way
        ``clips_per_second``, ``frames_per_second`` and ``peak_bytes``; ``variants``: these three for every
        precision and batch size. Values are numbers as they are, not fractions; frames are those of a clip that
        the network looks at.

    Raises
    ------
    UserError
        When a layer or precision is unknown, or the device cannot do it.
    """
    given = options or ProfileOptions()
    layers = given.layers or last_layer(backbone)
    began = time.perf_counter()
    cost = measure_cost(backbone, layers)
    ways = _ways(backbone, given)
    counted = time.perf_counter()
    speeds = [
        measure_speed(way, layers, size, given.repeats, given.compiling)
        for way in ways
        for size in dict.fromkeys(given.batch_sizes)
    ]
    ended = time.perf_counter()
    return _result(
        backbone,
        replace(given, layers=layers),
        cost,
        speeds,
        {"count": counted - began, "measure": ended - counted},
    )


def predict_seconds(backbone: Backbone, options: ProfileOptions) -> float:
    """Say how long `profile_network` will take, from one clip in each precision.

    Parameters
    ----------
    backbone : Backbone
        The network.
    options : ProfileOptions
        What is to be measured.

    Returns
    -------
    float
        Seconds; a batch is taken to need as much as its clips one by one.

    Raises
    ------
    UserError
        As `profile_network`.
    """
    layers = options.layers or last_layer(backbone)
    sizes = dict.fromkeys(options.batch_sizes)
    seconds = 0.0
    for way in _ways(backbone, options):
        began = time.perf_counter()
        clip = sum(measure_speed(way, layers, 1, 1, options.compiling).seconds)
        once = max(0.0, time.perf_counter() - began - (_UNTIMED + 1) * clip)  # rewriting, compiling
        seconds += len(sizes) * once + sum(sizes) * (_UNTIMED + options.repeats) * clip
    return seconds


def _ways(backbone: Backbone, options: ProfileOptions) -> list[Backbone]:
    return [backbone.with_precision(name) for name in dict.fromkeys(options.precisions)]


def _result(
    backbone: Backbone, options: ProfileOptions, cost: Cost, speeds: Sequence[Speed], seconds: dict[str, float]
) -> Result:
    length = backbone.network.seen_shape[1]
    fastest = max(speeds, key=lambda speed: statistics.median(speed.clips_per_second or (0.0,)))
    variants = tuple(
        Variant(
            name=f"{speed.precision}, batches of {speed.batch_size}",
            options={"precision": speed.precision, "batch_size": speed.batch_size, "how": speed.how},
            metrics=_speed_metrics(speed, length),
            headline=speed is fastest,
        )
        for speed in speeds
    )
    features = _describe(backbone, options.layers or "")
    return Result(
        protocol=NAME,
        version=VERSION,
        label=backbone.name,
        metrics=_cost_metrics(cost) | _speed_metrics(fastest, length),
        options={
            "layers": options.layers,
            "precisions": list(options.precisions),
            "batch_sizes": list(options.batch_sizes),
            "repeats": options.repeats,
            "compiling": options.compiling,
        },
        choices=_choices(backbone, options, fastest),
        features=features,
        annotations={"dataset": None, "source": "none needed", "sha256": None, "official": False},
        coverage=Coverage(0, 0),
        variants=variants,
        warnings=tuple(
            f"{speed.precision}, batches of {speed.batch_size}: {speed.failure}"
            for speed in speeds
            if speed.failure
        ),
        seconds=seconds,
    )


def _choices(backbone: Backbone, options: ProfileOptions, fastest: Speed) -> tuple[str, ...]:
    gpu = backbone.device.type == "cuda"
    memory = "allocated on the GPU" if gpu else "resident, of the whole process with Python and its libraries"
    return (
        "one multiply-add is two FLOPs; convolutions and matrix products are counted, and nothing else",
        "speed: the network alone, from prepared clips on the device to its layers, after one batch to warm up",
        f"median of {options.repeats} batches; the interval is the slowest to the fastest",
        f"headline: the fastest way, {fastest.precision} in batches of {fastest.batch_size} ({fastest.how})",
        f"peak memory: {memory}",
    )


def _cost_metrics(cost: Cost) -> dict[str, Metric]:
    hidden = "PyTorch sees no convolution or matrix product in this network"
    counted = {
        name: Metric(None, reason=hidden) if value is None else Metric(value, unit="one clip")
        for name, value in (("macs", cost.macs), ("flops", cost.flops))
    }
    unknown = "another library holds the weights, and does not tell which are trained"
    parameters = Metric(cost.parameters, reason=unknown if cost.parameters is None else None)
    return {"parameters": parameters, "model_bytes": Metric(cost.model_bytes)} | counted


def _speed_metrics(speed: Speed, clip_length: int) -> dict[str, Metric]:
    if speed.failure:
        names = ("clips_per_second", "frames_per_second", "peak_bytes")
        return {name: Metric(None, reason=speed.failure) for name in names}
    rates = speed.clips_per_second

    def rate(factor: int) -> Metric:
        return Metric(
            factor * statistics.median(rates),
            low=factor * min(rates),
            high=factor * max(rates),
            method="median; slowest and fastest batch",
            n=len(rates),
            unit="batches",
        )

    memory = (
        Metric(None, reason="this system does not tell a process's peak of memory")
        if speed.peak_bytes is None
        else Metric(speed.peak_bytes)
    )
    return {
        "clips_per_second": rate(1),
        "frames_per_second": rate(clip_length),
        "peak_bytes": memory,
    }


def _describe(backbone: Backbone, layers: str) -> dict[str, object]:
    """Tell which network was measured on what, in the words of a feature file's provenance."""
    device = backbone.device
    name = f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
    described: dict[str, object] = {
        "backbone": backbone.name,
        "options": dict(backbone.options),
        "input_spec": backbone.input_spec.to_json(),
        "layers": [request.name for request in parse_layers(layers)],
        "device": name,
        "machine": machine() | {"processor_name": _processor_name()},
        "threads": torch.get_num_threads(),
    }
    weights = {
        "source": backbone.weights.source,
        "sha256": backbone.weights.sha256,
        "random": backbone.weights.random,
    }
    return {
        "file": "",
        "identity": sha256_json(described),
        "label": backbone.name,
        "weights": weights,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    } | described


def _processor_name() -> str:
    """Return the name that Linux gives the processor; empty elsewhere."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        return ""
