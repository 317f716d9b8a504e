"""Which rows differ from the best one by more than chance: a paired test on the scores, marked by °."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.paired_tests import holm
from p3d_eval.protocols.result import Result
from p3d_eval.protocols.significance import Comparison
from p3d_eval.reports.footnotes import Footnotes
from p3d_eval.reports.labels import row_named
from p3d_eval.reports.layout import Layout, Shown
from p3d_eval.reports.layouts import kind_of
from p3d_eval.reports.pair_tests import pair_test
from p3d_eval.reports.systems import System
from p3d_eval.reports.table import Row
from p3d_eval.reports.table_options import TableOptions

_NONE_RANKED = "Not tested: no column of this table is ranked."


def mark_differences(
    rows: Sequence[Row],
    systems: Sequence[System],
    competing: Mapping[str, Iterable[int]],
    layout: Layout,
    options: TableOptions,
    footnotes: Footnotes,
) -> tuple[list[Row], list[str]]:
    """Test the measured rows of each ranked column against its best one, or against one that was named.

    Parameters
    ----------
    rows : sequence of Row
    systems : sequence of System
        Their results carry their scores.
    competing : mapping of str to iterable of int
        For each ranked column, the numbers of the rows that may be compared.
    layout, options, footnotes
        Of the table.

    Returns
    -------
    list of Row
        Those that differ, p at most ``options.alpha`` after Holm's correction over the column, have the mark
        ° on their value; ``attributes`` holds the corrected p.
    list of str
        Columns without a difference, and why a value was not tested, one sentence for each reason.
    """
    if not any(shown.ranked for shown in layout.shown):
        return list(rows), [_NONE_RANKED]
    by_id = {result.result_id: result for system in systems for result in system.results.values()}
    measured = [row for row in rows if row.kind == "measured"]
    if options.against is not None:
        try:
            options = replace(
                options, against=row_named(options.against, (row.label for row in measured), "row")
            )
        except UnknownNameError:
            return list(rows), [f"Not tested: no row here is called {options.against}."]
    marked = list(rows)
    alike: list[str] = []
    untested: dict[str, list[str]] = {}
    for shown in (one for one in layout.shown if one.key in competing):
        own = {
            place: result
            for place in competing[shown.key]
            if (result := _result_of(rows[place], shown, layout, by_id)) is not None
        }
        found, reasons = _tested(rows, own, shown, options)
        for reason in reasons:
            untested.setdefault(reason, []).append(shown.heading)
        if not found:
            continue
        # Rows of one network may share a result, which is one comparison.
        raw = {own[place].result_id: one.p_value for place, one in found.items()}
        by_result = dict(zip(raw, holm(list(raw.values())), strict=True))
        corrected = {place: by_result[own[place].result_id] for place in found}
        how = _how(found.values(), options)
        if min(corrected.values()) > options.alpha:
            alike.append(f"{shown.heading}: no row {how.replace('differs', 'is shown to differ', 1)}.")
            mark = ""
        else:
            mark = footnotes.significant(how)
        for place, p in corrected.items():
            marked[place] = _with_p(marked[place], shown.key, p, mark if p <= options.alpha else None)
    lines = [f"Not tested in {', '.join(dict.fromkeys(where))}: {why}." for why, where in untested.items()]
    return marked, [*alike, *lines]


def _how(found: Iterable[Comparison], options: TableOptions) -> str:
    """Say what was tested against what, and at which level."""
    reference = "the best measured row of its column" if options.against is None else options.against
    tests = ", ".join(dict.fromkeys(f"{one.test} over {one.units}" for one in found))
    return (
        f"differs from {reference} at p ≤ {options.alpha:g} after Holm's correction over the column ({tests})"
    )


def _result_of(row: Row, shown: Shown, layout: Layout, results: Mapping[str, Result]) -> Result | None:
    ids = row.attributes.get("result_id", "").split()
    kind = layout.kind(shown)
    own = [results[one] for one in ids if one in results]
    if not layout.members:
        return own[0] if own else None
    return next((one for one in own if kind_of(one) == kind), None)


def _tested(
    rows: Sequence[Row], own: Mapping[int, Result], shown: Shown, options: TableOptions
) -> tuple[dict[int, Comparison], list[str]]:
    """Compare each row with the reference; say why where it cannot be."""
    values = {place: rows[place].cells[shown.key].value for place in own if shown.key in rows[place].cells}
    known = {place: value for place, value in values.items() if value is not None}
    if options.against is not None:
        references = [place for place in known if rows[place].label == options.against]
    else:
        references = sorted(known, key=lambda place: known[place], reverse=True)[:1]
    if not references or len(known) < 2:
        return {}, []
    (reference,) = references[:1]
    found: dict[int, Comparison] = {}
    reasons = []
    for place in known:
        if own[place].result_id == own[reference].result_id:
            continue
        try:
            report = pair_test(own[reference], own[place], shown.measured, options.seed)
        except UnknownNameError:
            reasons.append("scores alone do not tell these metrics")
        except UserError as error:
            reasons.append(error.message)
        else:
            (found[place],) = report.comparisons
    return found, reasons


def _with_p(row: Row, key: str, p: float, mark: str | None) -> Row:
    cell = row.cells[key]
    marked = cell if mark is None else replace(cell, marks=(*cell.marks, mark))
    return replace(
        row, cells={**row.cells, key: marked}, attributes={**row.attributes, f"{key}_p_value": f"{p:.6g}"}
    )
