"""A leaderboard over a collection of results: a table of ranks, and tests between any two rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Union

from p3d_eval.arguments import explained
from p3d_eval.errors import UnknownNameError, UserError, counted
from p3d_eval.protocols.result import Result
from p3d_eval.reports.comparability import complete
from p3d_eval.reports.document import Report
from p3d_eval.reports.labels import plain, row_named
from p3d_eval.reports.leaderboard_table import standings_table
from p3d_eval.reports.loading import Loaded, Source, load_results
from p3d_eval.reports.standings import Benchmark, Standing, find_benchmarks, make_standings
from p3d_eval.reports.systems import System

if TYPE_CHECKING:
    from p3d_eval.protocols.significance import ComparisonReport

Found = Union["ComparisonReport", str]  # a test, or why there is none

_SIDES = 2  # of a comparison


@dataclass(frozen=True)
class Leaderboard(Report):
    """A report of one table, with the comparisons that were asked for.

    Parameters
    ----------
    tables, results, warnings
        As of `Report`.
    comparisons : mapping of str to (ComparisonReport or str)
        By benchmark, the test between the two rows, or why there is none.
    """

    comparisons: Mapping[str, Found] = field(default_factory=dict)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What each comparison found, one sentence a benchmark, then what a reader must know."""
        return _sentences(self.comparisons)

    def to_document(self) -> dict[str, Any]:
        """Return tables and comparisons as plain JSON values."""
        found = {
            name: {"reason": one} if isinstance(one, str) else one.to_json()
            for name, one in self.comparisons.items()
        }
        return {"tables": self.to_plain(), "comparisons": found}


@explained
def leaderboard(
    results: Source | Iterable[Source],
    *,
    benchmarks: Sequence[str] = (),
    where: Mapping[str, str] | None = None,
    official: bool = False,
    sort: str = "mean",
    top: int | None = None,
    compared: tuple[str, str] | None = None,
    seed: int = 0,
) -> Leaderboard:
    """Rank systems over benchmarks.

    Parameters
    ----------
    results : Result or path, or an iterable of these
        Results, their files, or folders of them.
    benchmarks : sequence of str
        ``NAME`` or ``NAME:METRIC``; by default every kind of results with its headline.
    where : mapping of str to str
        Keep results whose label, backbone, protocol or option matches a pattern (``*`` and ``?``).
    official : bool
        Keep results on official annotations with every video.
    sort : str
        ``"mean"`` over benchmarks, ``"borda"``, or a benchmark.
    top : int, optional
        Show that many rows; ranks and aggregates are of all.
    compared : tuple of two str, optional
        Labels of two rows to test against each other on every benchmark that both are on; without what tables
        add to a name, "(random weights)" and options, where one row alone is called so.
    seed : int
        Of the draws behind the intervals of ranks, and of the tests.

    Raises
    ------
    UserError
        When nothing is left to rank, or a name is unknown.
    """
    if top is not None and top < 1:
        raise UserError(f"top: {top} is not a number of rows")
    found = load_results(results)
    if not found.loaded:
        raise UserError(
            "no results to rank", "Give a folder of results, or the JSON files that protocols wrote"
        )
    kept = _filtered(found.loaded, where or {}, official)
    chosen = find_benchmarks([one.result for one in kept], benchmarks)
    standings = make_standings(chosen, sort, seed)
    tests = _compared(standings, chosen, kept, compared, seed) if compared is not None else {}
    table = standings_table(standings, chosen, sort, top)
    table = replace(table, notes=(*table.notes, *_sentences(tests)))
    return Leaderboard((table,), kept, found.warnings, tests)


def _filtered(loaded: Sequence[Loaded], where: Mapping[str, str], official: bool) -> tuple[Loaded, ...]:
    known = dict.fromkeys(key for one in loaded for key in _facts(one.result))
    for key in where:
        if key not in known:
            raise UnknownNameError("property of results", key, known)
    kept = [
        one
        for one in loaded
        if all(fnmatchcase(_facts(one.result).get(key, ""), pattern) for key, pattern in where.items())
        and (not official or (one.result.annotations.get("official") and complete(one.result)))
    ]
    if not kept:
        told = [f"{key}={pattern}" for key, pattern in where.items()] + (["official"] if official else [])
        raise UserError(
            f"none of {counted(len(loaded), 'result')} is left{' with ' + ', '.join(told) if told else ''}",
            "Loosen the filter",
        )
    return tuple(kept)


def _facts(result: Result) -> dict[str, str]:
    """Collect what results are filtered by."""
    features = {
        "backbone": str(result.features.get("backbone", "")),
        "layers": plain(result.features.get("layers")),
    }
    options = {key: plain(value) for key, value in result.options.items()}
    return {**features, **options, "label": result.label, "protocol": result.protocol}


def _compared(
    standings: Sequence[Standing],
    benchmarks: Sequence[Benchmark],
    loaded: Sequence[Loaded],
    labels: tuple[str, str],
    seed: int,
) -> dict[str, Found]:
    """Test two systems against each other on each benchmark."""
    if len(labels) != _SIDES:
        raise UserError(f"two rows are compared, not {len(labels)}", "Name two rows")
    known = {standing.system.label: standing.system for standing in standings}
    rows = [row_named(label, known, "system") for label in labels]
    if rows[0] == rows[1]:
        raise UserError(f"{rows[0]!r} is compared with itself", "Name two rows")
    files = {one.result.result_id: one for one in loaded}
    return {one.name: _test([known[label] for label in rows], one, files, seed) for one in benchmarks}


def _sentences(comparisons: Mapping[str, Found]) -> tuple[str, ...]:
    lines = []
    for name, found in comparisons.items():
        if isinstance(found, str):
            lines.append(f"{name}: not compared: {found}")
        else:
            lines += [
                f"{name}: {one}" for one in (*(one.sentence for one in found.comparisons), *found.warnings)
            ]
    return tuple(lines)


def _test(systems: Sequence[System], benchmark: Benchmark, files: Mapping[str, Loaded], seed: int) -> Found:
    from p3d_eval.reports.pair_tests import pair_test  # with scipy, which a table needs not

    absent = [one.label for one in systems if benchmark.name not in one.results]
    if absent:
        return f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not on it"
    if len({own.results[benchmark.name].result_id for own in systems}) == 1:
        return "one result stands in both rows"
    try:
        one, two = (
            replace(files[own.results[benchmark.name].result_id].scored(), label=own.label) for own in systems
        )
        return pair_test(one, two, benchmark.metric, seed)
    except UserError as error:
        return error.message
