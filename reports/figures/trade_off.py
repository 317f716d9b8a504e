"""Accuracy against speed, size or operations, with the networks that no other beats in both."""

from collections.abc import Sequence
from dataclasses import dataclass

from p3d_eval.errors import UnknownNameError, UserError, counted, shorten
from p3d_eval.protocols.result import Result
from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.labelled import Labelled, cautions, lowered, percent, require_one_protocol, spoken

PROFILE = "profile"  # protocol of results that hold speed and size
FRONT = "Pareto front"
_SIZES = ("clip_length", "crop")  # of the input: speed depends on them


@dataclass(frozen=True)
class Cost:
    """One measure of a profile.

    Parameters
    ----------
    label : str
        Words at the axis, with the unit.
    unit : float
        What a stored number is divided by.
    more_is_better : bool
    """

    label: str
    unit: float = 1.0
    more_is_better: bool = False


COSTS = {
    "clips_per_second": Cost("Clips per second", more_is_better=True),
    "frames_per_second": Cost("Frames per second", more_is_better=True),
    "macs": Cost("Multiply-adds of a clip (10⁹)", 1e9),
    "flops": Cost("FLOPs of a clip (10⁹)", 1e9),
    "parameters": Cost("Parameters (10⁶)", 1e6),
    "model_bytes": Cost("Size of the model (MiB)", 2**20),
    "peak_bytes": Cost("Peak memory (MiB)", 2**20),
}


@dataclass(frozen=True)
class _Point:
    name: str
    cost: float
    value: float
    low: float | None
    high: float | None


def trade_off_figure(
    results: Sequence[Labelled], cost: str = "clips_per_second", metric: str | None = None
) -> FigureData:
    """Join profiles of networks with their results, by backbone, its options and the size of its input.

    Parameters
    ----------
    results : sequence of Labelled
        Results of ``p3d-eval profile``, and of one protocol.
    cost : str
        One of ``COSTS``.
    metric : str, optional
        By default the first of the results' metrics.

    Raises
    ------
    UserError
        When profiles or results are missing, or no network has both.
    UnknownNameError
        When there is no such cost or metric.
    """
    if cost not in COSTS:
        raise UnknownNameError("cost", cost, COSTS)
    profiles = [one for one in results if one.result.protocol == PROFILE]
    measured = [one for one in results if one.result.protocol != PROFILE]
    if not profiles or not measured:
        lacking = "profile" if not profiles else "result of a protocol"
        raise UserError(
            f"no {lacking} among {counted(len(results), 'result')}",
            "Give results of p3d-eval profile together with those of a protocol",
        )
    protocol = require_one_protocol(measured)
    chosen = metric or next(iter(measured[0].result.metrics))
    points = [
        point
        for one in measured
        for point in _points(one, [p for p in profiles if _same(one, p)], cost, chosen)
    ]
    if not points:
        raise UserError(
            f"no network has both a profile with {cost} and a value of {chosen}",
            f"Profiles are of {_backbones(profiles)}, results of {_backbones(measured)}",
        )
    alone = [one.label for one in measured if not any(_same(one, p) for p in profiles)]
    left_out = (f"Not profiled, so not shown: {shorten(alone)}.",) if alone else ()
    kind = COSTS[cost]
    return FigureData(
        kind="speed-accuracy",
        title=f"{protocol}: {lowered(spoken(chosen))} against {lowered(kind.label)}",
        x_label=kind.label,
        y_label=f"{spoken(chosen)} (%)",
        series=(_series("networks", points), _series(FRONT, pareto_front(points, kind.more_is_better))),
        facts={"cost": cost, "better": "more" if kind.more_is_better else "less"},
        notes=(*_measured_on(profiles), *left_out, *cautions(measured)),
        sources={one.label: one.result.result_id for one in [*measured, *profiles]},
    )


def _same(one: Labelled, profile: Labelled) -> bool:
    """Whether both are of one network, with the same size of its input where that was recorded."""
    specs = [r.result.features.get("input_spec") or {} for r in (one, profile)]
    sizes = [(spec[name] for spec in specs) for name in _SIZES if all(name in spec for spec in specs)]
    return _network(one.result) == _network(profile.result) and all(len(set(map(str, s))) == 1 for s in sizes)


def _network(result: Result) -> tuple[str, ...]:
    """Name, options and size of a clip: what a network costs depends on them, and not on its weights."""
    options = result.features.get("options") or {}
    spec = result.features.get("input_spec") or {}
    size = [str(spec.get(name)) for name in ("clip_length", "crop")]
    return (str(result.features.get("backbone")), *sorted(f"{k}={v}" for k, v in options.items()), *size)


def _backbones(results: Sequence[Labelled]) -> str:
    return shorten(dict.fromkeys(str(one.result.features.get("backbone")) for one in results))


def _points(one: Labelled, profiles: Sequence[Labelled], cost: str, metric: str) -> list[_Point]:
    if metric not in one.result.metrics:
        raise UnknownNameError(f"metric of {one.loaded.name}", metric, one.result.metrics)
    found = one.result.metrics[metric]
    points = []
    for profile in profiles:
        price = profile.result.metrics.get(cost)
        value = percent(found.value)
        if price is None or price.value is None or value is None:
            continue
        device = str(profile.result.features.get("device", profile.label))
        name = one.label if len(profiles) == 1 else f"{one.label} ({device})"
        points.append(
            _Point(name, price.value / COSTS[cost].unit, value, percent(found.low), percent(found.high))
        )
    return points


def pareto_front(points: Sequence[_Point], more_is_better: bool) -> list[_Point]:
    """Keep the points that no other beats: none is at least as good in both and better in one; by cost."""
    sign = 1 if more_is_better else -1

    def beaten(point: _Point) -> bool:
        return any(
            sign * other.cost >= sign * point.cost
            and other.value >= point.value
            and (other.cost, other.value) != (point.cost, point.value)
            for other in points
        )

    return sorted((point for point in points if not beaten(point)), key=lambda point: (point.cost, point.value))


def _series(name: str, points: Sequence[_Point]) -> Series:
    return Series(
        name=name,
        x=tuple(point.cost for point in points),
        y=tuple(point.value for point in points),
        low=tuple(point.low for point in points),
        high=tuple(point.high for point in points),
        ids=tuple(point.name for point in points),
    )


def _measured_on(profiles: Sequence[Labelled]) -> tuple[str, ...]:
    """Name the devices that speeds were measured on."""
    devices = list(dict.fromkeys(_device(one.result) for one in profiles))
    said = (f"Measured on {'; '.join(devices)}.",)
    return said if len(devices) == 1 else (*said, "Speeds of different devices do not compare networks.")


def _device(result: Result) -> str:
    features = result.features
    machine = features.get("machine")
    processor = machine.get("processor_name") if isinstance(machine, dict) else None
    device = str(features.get("device"))
    if device != "cpu" or not processor:
        return device
    threads = features.get("threads")
    return f"{processor}, {counted(threads, 'thread')}" if isinstance(threads, int) else str(processor)
