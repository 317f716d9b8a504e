"""Which system is better over a collection of results: benchmarks, aggregates and ranks as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.result import Metric, Result
from p3d_eval.reports.comparability import asked_of, complete, ranked, trials_of
from p3d_eval.reports.layouts import kind_of
from p3d_eval.reports.ranks import Rank, borda, overall, ranks
from p3d_eval.reports.systems import System, join

# Metric that a kind of results is ranked by; others by accuracy, or by the first one they have.
_HEADLINES = {
    "activitynet": "map",
    "retrieval-ucf101": "r1",
    "retrieval-hmdb51": "r1",
    "custom-retrieval": "r1",
    "sports1m": "video_hit1",
    "kinetics400": "video_top1",
    "ssv2": "video_top1",
}
_NOT_RANKED = "profile"
_LEVEL = 0.95  # of an interval that does not say its own
AGGREGATES = ("mean", "borda")


@dataclass(frozen=True)
class Benchmark:
    """One column: a kind of results, measured on the same trials.

    Parameters
    ----------
    name : str
        The kind; with a number where results of one kind were measured on different trials.
    kind, metric : str
    results : tuple of Result
        Complete ones first; where there are some, the others are shown and not ranked.
    """

    name: str
    kind: str
    metric: str
    results: tuple[Result, ...]

    def ranks(self, result: Result) -> bool:
        """Whether a result of it may be ranked."""
        return any(result is one for one in ranked(self.results))


@dataclass(frozen=True)
class Standing:
    """One row.

    Parameters
    ----------
    system : System
        Its results by name of the benchmark.
    ranks : mapping of str to Rank
        By benchmark; of results that may be ranked.
    rank : Rank or None
        Overall; None for a system that is not on every benchmark.
    mean, points : float or None
        Mean of the values, as a fraction, and Borda's count; None likewise.
    """

    system: System
    ranks: Mapping[str, Rank]
    rank: Rank | None = None
    mean: float | None = None
    points: float | None = None


def find_benchmarks(results: Sequence[Result], wanted: Sequence[str] = ()) -> list[Benchmark]:
    """Group results into benchmarks, in order of first appearance or as wanted.

    Parameters
    ----------
    results : sequence of Result
    wanted : sequence of str
        ``NAME`` or ``NAME:METRIC`` each; all by default. Profiles are no benchmark.

    Raises
    ------
    UnknownNameError
        When there is no such benchmark, or its results lack the metric.
    """
    groups = _groups([one for one in results if one.protocol != _NOT_RANKED])
    # Of a kind on several sets of trials, the one that most results were measured on has the plain name.
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    counts: dict[str, int] = {}
    found: dict[str, Benchmark] = {}
    for (kind, _), own in ordered:
        counts[kind] = counts.get(kind, 0) + 1
        name = kind if counts[kind] == 1 else f"{kind}#{counts[kind]}"
        found[name] = Benchmark(name, kind, _headline(kind, own), tuple(own))
    if not wanted:
        return list(found.values())
    return [_wanted(text, found) for text in dict.fromkeys(wanted)]


def _groups(results: Sequence[Result]) -> dict[tuple[str, object], list[Result]]:
    """Group results of the same trials; one that lacks videos joins complete ones of its annotations."""
    groups: dict[tuple[str, object], list[Result]] = {}
    home: dict[tuple[str, object], list[Result]] = {}
    for result in sorted(results, key=lambda one: not complete(one)):
        kind, asked = kind_of(result), asked_of(result)
        whole = home.get((kind, asked))
        own = groups.setdefault((kind, trials_of(result)), []) if whole is None else whole
        own.append(result)
        if complete(result):
            home.setdefault((kind, asked), own)
    return groups


def _headline(kind: str, results: Sequence[Result]) -> str:
    known = results[0].metrics
    return next((one for one in (_HEADLINES.get(kind, "accuracy"), *known) if one in known), "accuracy")


def _wanted(text: str, found: Mapping[str, Benchmark]) -> Benchmark:
    name, _, metric = text.partition(":")
    if name not in found:
        raise UnknownNameError("benchmark", name, found)
    known = dict.fromkeys(one for result in found[name].results for one in result.metrics)
    if metric and metric not in known:
        raise UnknownNameError(f"metric of {name}", metric, known)
    return replace(found[name], metric=metric or found[name].metric)


def make_standings(benchmarks: Sequence[Benchmark], sort: str, seed: int) -> list[Standing]:
    """Rank the systems of all benchmarks.

    Parameters
    ----------
    benchmarks : sequence of Benchmark
    sort : str
        ``"mean"``, ``"borda"`` or the name of a benchmark: what the overall rank and the order are by.
    seed : int
        Of the draws behind the intervals of ranks.

    Raises
    ------
    UserError
        When there is no benchmark, or ``sort`` names none.
    """
    if not benchmarks:
        raise UserError("no benchmark to rank by", "Give results of protocols, e.g. of p3d-eval ucf101")
    names = [one.name for one in benchmarks]
    if sort not in (*AGGREGATES, *names):
        raise UnknownNameError("order", sort, (*AGGREGATES, *names))
    home = {result.result_id: one.name for one in benchmarks for result in one.results}
    everything = [result for one in benchmarks for result in one.results]
    systems = join(everything, kind_of=lambda result: home[result.result_id])
    by_benchmark = {one.name: _ranked(one, systems, seed) for one in benchmarks}
    standings = [
        Standing(system, {name: own[place] for name, own in by_benchmark.items() if place in own})
        for place, system in enumerate(systems)
    ]
    whole = [place for place in range(len(systems)) if all(place in own for own in by_benchmark.values())]
    if whole:
        standings = _with_aggregates(standings, whole, benchmarks, sort, seed)
    return sorted(standings, key=lambda one: _order(one, sort))


def _order(standing: Standing, sort: str) -> tuple[bool, int, str]:
    rank = standing.rank if sort in AGGREGATES else standing.ranks.get(sort)
    return rank is None, rank.place if rank is not None else 0, standing.system.label


def metric_of(system: System, benchmark: Benchmark) -> Metric | None:
    """Find the metric that ranks a system; None where it is not on the benchmark or not ranked there."""
    result = system.results.get(benchmark.name)
    metric = result.metrics.get(benchmark.metric) if result is not None and benchmark.ranks(result) else None
    return metric if metric is not None and metric.value is not None else None


def _ranked(benchmark: Benchmark, systems: Sequence[System], seed: int) -> dict[int, Rank]:
    found = {place: metric_of(system, benchmark) for place, system in enumerate(systems)}
    known = {place: metric for place, metric in found.items() if metric is not None}
    if not known:
        return {}
    sources = {place: systems[place].results[benchmark.name].result_id for place in known}
    distinct = {sources[place]: metric for place, metric in known.items()}  # rows may share a result
    by_source = dict(zip(distinct, ranks(*_columns(list(distinct.values())), seed), strict=True))
    return {place: by_source[source] for place, source in sources.items()}


def _with_aggregates(
    standings: Sequence[Standing], whole: Sequence[int], benchmarks: Sequence[Benchmark], sort: str, seed: int
) -> list[Standing]:
    """Add mean, Borda's count and overall rank of the systems that are on every benchmark."""
    columns = [
        _columns([metric for place in whole if (metric := metric_of(standings[place].system, one)) is not None])
        for one in benchmarks
    ]
    values = np.stack([column for column, _ in columns], axis=1)
    errors = np.stack([column for _, column in columns], axis=1)
    sources = np.array(
        [[standings[place].system.results[one.name].result_id for one in benchmarks] for place in whole]
    )
    found = overall(values, errors, seed, by_borda=sort == "borda", sources=sources)
    points = borda(values)
    ranked = list(standings)
    for row, place in enumerate(whole):
        ranked[place] = replace(
            standings[place],
            rank=found[row] if sort in AGGREGATES else standings[place].ranks[sort],
            mean=float(values[row].mean()),
            points=float(points[row]),
        )
    return ranked


def _columns(metrics: Sequence[Metric]) -> tuple[np.ndarray, np.ndarray]:
    """Values and standard errors, NaN where a metric has no interval."""
    values = np.array([metric.value for metric in metrics], np.float64)
    return values, np.array([_error(metric) for metric in metrics], np.float64)


def _error(metric: Metric) -> float:
    if metric.standard_error is not None:
        return metric.standard_error
    if metric.low is None or metric.high is None:
        return float("nan")
    width = 2 * NormalDist().inv_cdf(0.5 + (metric.level or _LEVEL) / 2)
    return (metric.high - metric.low) / width
