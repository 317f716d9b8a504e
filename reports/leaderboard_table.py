"""A leaderboard as a table: values with ranks, marks on what must be known, and what every number means."""

from collections.abc import Sequence

from p3d_eval.errors import counted
from p3d_eval.protocols.result import Result
from p3d_eval.reports.comparability import complete, random_weights
from p3d_eval.reports.footnotes import Footnotes
from p3d_eval.reports.labels import departures
from p3d_eval.reports.layout import PERCENT
from p3d_eval.reports.measured import attributes, coverage_remark, unconverged
from p3d_eval.reports.ranking import mark_ranks
from p3d_eval.reports.ranks import DRAWS, LEVEL, Rank
from p3d_eval.reports.standings import Benchmark, Standing, metric_of
from p3d_eval.reports.table import Cell, Column, Group, Row, Table

_UNRANKED = "not ranked on every benchmark, so not overall"


def standings_table(
    standings: Sequence[Standing], benchmarks: Sequence[Benchmark], sort: str, top: int | None
) -> Table:
    """Lay out standings, those on every benchmark first.

    Parameters
    ----------
    standings : sequence of Standing
        In the order of the rows.
    benchmarks : sequence of Benchmark
        The columns.
    sort : str
        What the overall rank is by.
    top : int or None
        Rows to show; None for all.
    """
    footnotes = Footnotes()
    told = unconverged(
        (standing.system.label, result) for standing in standings for result in standing.system.results.values()
    )
    rows = [_row(standing, benchmarks, footnotes, told) for standing in standings]
    rows = mark_ranks(
        rows,
        {
            one.name: {
                place: own.system.results[one.name].result_id
                for place, own in enumerate(standings)
                if metric_of(own.system, one) is not None
            }
            for one in benchmarks
        },
    )
    several = len(benchmarks) > 1
    whole = [row for row, standing in zip(rows, standings, strict=True) if standing.rank is not None]
    part = [row for row, standing in zip(rows, standings, strict=True) if standing.rank is None]
    columns = [Column("rank", "Rank")] if whole else []
    for one in benchmarks:
        columns += [Column(one.name, f"{one.name}: {one.metric} (%)")]
        columns += [Column(f"{one.name}_rank", "rank")] if several else []
    columns += [Column("mean", "Mean (%)"), Column("borda", "Borda")] if several and whole else []
    kept = len(rows) if top is None else top
    groups = [
        Group("on every benchmark" if several else "measured", tuple(whole[:kept])),
        Group(_UNRANKED, tuple(part[: max(0, kept - len(whole))])),
    ]
    return Table(
        protocol="leaderboard",
        title=f"Leaderboard: {', '.join(one.name for one in benchmarks)}",
        first="System",
        columns=tuple(columns),
        groups=tuple(group for group in groups if group.rows),
        footnotes=footnotes.collected,
        notes=tuple(_notes(standings, benchmarks, sort, top)),
        best_means="best of the column",
    )


def _row(standing: Standing, benchmarks: Sequence[Benchmark], footnotes: Footnotes, told: str) -> Row:
    cells: dict[str, Cell] = {}
    if standing.rank is not None:
        cells["rank"] = _rank_cell(standing.rank)
    for one in benchmarks:
        result = standing.system.results.get(one.name)
        metric = result.metrics.get(one.metric) if result is not None else None
        if result is None or metric is None:
            continue
        value = None if metric.value is None else PERCENT * metric.value
        cells[one.name] = Cell(value=value, marks=_marks(result, one, footnotes, told))
        if one.name in standing.ranks:
            cells[f"{one.name}_rank"] = _rank_cell(standing.ranks[one.name])
    if standing.mean is not None and standing.points is not None:
        cells["mean"] = Cell(value=PERCENT * standing.mean)
        cells["borda"] = Cell(value=standing.points)
    return Row(standing.system.label, "measured", cells, attributes=attributes(standing.system))


def _rank_cell(rank: Rank) -> Cell:
    return Cell(value=rank.place, low=rank.low, high=rank.high, decimals=0)


def _marks(result: Result, benchmark: Benchmark, footnotes: Footnotes, told: str) -> tuple[str, ...]:
    """Mark what a reader must know of a number before comparing it."""
    marks = []
    if not result.converged:
        marks.append(footnotes.warn(f"NOT CONVERGED, do not quote; not ranked: {told}"))
    if not complete(result):
        marks.append(
            footnotes.mark(coverage_remark(result) + ("" if benchmark.ranks(result) else "; not ranked"))
        )
    if random_weights(result):
        marks.append(footnotes.mark("features of random weights"))
    changed = departures(result)
    if changed:
        marks.append(footnotes.mark(f"not the protocol's defaults: {changed}"))
    return tuple(marks)


def _notes(
    standings: Sequence[Standing], benchmarks: Sequence[Benchmark], sort: str, top: int | None
) -> list[str]:
    """Define every number of the table."""
    whole = sum(standing.rank is not None for standing in standings)
    notes = []
    by = {"mean": "the mean", "borda": "Borda's count"}.get(sort, sort)
    if not whole:
        notes.append("No system is ranked on every benchmark; --benchmarks chooses those to rank by.")
        by = "the value on the benchmark"
    elif len(benchmarks) > 1:
        listed = ", ".join(f"{one.name} ({one.metric})" for one in benchmarks)
        notes.append(f"Mean: of the values on {listed}, each with the same weight.")
        notes.append(
            f"Borda: over the benchmarks, the number of the {whole} systems on all of them that one beats, an "
            f"equal one counts half; at most {len(benchmarks) * max(0, whole - 1)}."
        )
    if any(rank.low is not None for one in standings for rank in [*one.ranks.values(), one.rank] if rank):
        notes.append(
            f"Rank: by {by}; equal ones share the better place. [low, high]: the middle "
            f"{PERCENT * LEVEL:.0f} % of the ranks in {DRAWS} draws in which every value falls about itself as "
            "its interval says, normal and independent of the others. On the same videos chance moves systems "
            "together, so that these are rather wide: --compare tests two rows."
        )
    else:
        notes.append(f"Rank: by {by}; equal ones share the better place. Some value has no interval.")
    for one in benchmarks:
        first = one.results[0]
        source = "official" if first.annotations.get("official") else "not official"
        notes.append(
            f"{one.name}: {one.metric}, {counted(len(one.results), 'result')} on "
            f"{counted(first.coverage.expected, 'video')}, "
            f"annotations {str(first.annotations.get('sha256'))[:12]} ({source}), version {first.version}."
        )
    if top is not None and top < len(standings):
        notes.append(f"{top} of {counted(len(standings), 'system')} are shown; ranks are of all.")
    return notes
