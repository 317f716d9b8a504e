"""Results and published rows to tables: comparability, differences to the paper, the best of each column."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from p3d_eval.errors import UserError
from p3d_eval.protocols.result import Result
from p3d_eval.reports.comparability import complete, obstacles, published_method, same_trials
from p3d_eval.reports.failed import Failed
from p3d_eval.reports.footnotes import Footnotes
from p3d_eval.reports.layouts import Layout, layout_of
from p3d_eval.reports.measured import (
    coverage_remark,
    departures,
    distinct_labels,
    interval_notes,
    measured_row,
    sensitivity,
    unconverged,
)
from p3d_eval.reports.published_rows import PublishedRow, published_rows
from p3d_eval.reports.table import Cell, Column, Group, Row, Table

_FIRST = "Method"
_UNCONVERGED = "NOT CONVERGED"  # also how protocols begin a warning, which the loud footnote replaces


@dataclass(frozen=True)
class _Entry:
    """One row on its way into the table."""

    row: Row
    heading: str
    ranked: bool


def build_tables(
    results: Sequence[Result], published: bool = True, failures: Sequence[Failed] = ()
) -> list[Table]:
    """Build one table for each protocol, in order of first appearance.

    Parameters
    ----------
    results : sequence of Result
        Measured results.
    published : bool
        Set the published rows of the protocol's table beside the measured ones.
    failures : sequence of Failed
        Results that should be there and are not; each gets a row that says so.

    Returns
    -------
    list of Table

    Raises
    ------
    UserError
        When there are no results, or one is given twice (same ``result_id``).

    Notes
    -----
    The difference to the paper is printed only for rows on the official annotations with complete
    coverage, made with the protocol's default options; where no row is on the official annotations with
    complete coverage, the published rows are for reference only and never compete for the best value.
    """
    if not results and not failures:
        raise UserError("no results to report", "Give the JSON files that the protocols wrote")
    seen: dict[str, Result] = {}
    for result in results:
        if result.result_id in seen:
            raise UserError(
                f"result {result.result_id} ({result.protocol}, {result.label}) is given twice",
                "Give every result once",
            )
        seen[result.result_id] = result
    protocols = dict.fromkeys([*(one.protocol for one in results), *(one.protocol for one in failures)])
    return [
        _build(
            name,
            [one for one in results if one.protocol == name],
            [one for one in failures if one.protocol == name],
            published,
        )
        for name in protocols
    ]


def _build(protocol: str, results: list[Result], failures: list[Failed], published: bool) -> Table:
    layout = layout_of(protocol, results)
    footnotes = Footnotes()
    labels = distinct_labels(results)
    rows = published_rows(layout.published) if layout.published else ()
    beside = bool(rows) and any(not obstacles(result, layout) for result in results)
    entries = _measured(results, labels, layout, rows, beside, footnotes)
    entries += [_failed_entry(one, layout, footnotes) for one in failures]
    if published:
        ordered = sorted(rows, key=lambda row: row.group != layout.peers)  # rows made as ours are come first
        entries += [_published_entry(row, layout, beside, rows[0].source, footnotes) for row in ordered]
    rankable = beside or same_trials([result for result in results if result.converged])
    entries = _mark_best(entries, layout) if rankable else entries
    return Table(
        protocol=layout.protocol,
        title=layout.title,
        first=_FIRST,
        columns=_columns(layout, [entry.row for entry in entries]),
        groups=_groups(entries),
        footnotes=footnotes.collected,
        notes=_notes(results, labels, layout, rows, published, beside, rankable),
    )


def _measured(
    results: list[Result],
    labels: list[str],
    layout: Layout,
    rows: Sequence[PublishedRow],
    beside: bool,
    footnotes: Footnotes,
) -> list[_Entry]:
    """Rows of the results: those comparable with published ones first."""
    failed = unconverged(dict(zip(labels, results, strict=True)))
    entries = []
    for result, label in zip(results, labels, strict=True):
        hindered = obstacles(result, layout)
        marks = _marks(result, hindered if rows else (), failed, footnotes)
        changed = departures(result) if rows else ""
        if changed:
            marks = (*marks, footnotes.mark(f"not the protocol's defaults: {changed}"))
        row = measured_row(result, label, layout, marks, footnotes)
        if rows and not hindered and not changed:
            row = _with_differences(row, published_method(result), layout, rows)
        heading = "measured, not comparable with the published rows" if beside and hindered else "measured"
        entries.append(_Entry(row, heading, ranked=result.converged and not (beside and (hindered or changed))))
    return sorted(entries, key=lambda entry: entry.heading)


def _marks(result: Result, hindered: tuple[str, ...], failed: str, footnotes: Footnotes) -> tuple[str, ...]:
    """Collect the remarks on one row and return their marks."""
    marks = []
    if not result.converged:
        marks.append(footnotes.warn(f"{_UNCONVERGED}, do not quote: {failed}"))
    if not complete(result):
        marks.append(footnotes.mark(coverage_remark(result)))
    if hindered:
        marks.append(footnotes.mark(f"not comparable with the published rows: {', '.join(hindered)}"))
    marks += [footnotes.mark(warning) for warning in result.warnings if not warning.startswith(_UNCONVERGED)]
    return tuple(dict.fromkeys(marks))


def _failed_entry(failed: Failed, layout: Layout, footnotes: Footnotes) -> _Entry:
    cells = {shown.key: Cell(words="failed") for shown in layout.shown[:1]}
    row = Row(failed.label, "failed", cells, (footnotes.mark(f"failed: {failed.reason}"),))
    return _Entry(row, "failed", ranked=False)


def _with_differences(row: Row, method: str | None, layout: Layout, rows: Sequence[PublishedRow]) -> Row:
    """Add measured minus published, in percentage points, where the network has a published row."""
    peer = next((one for one in rows if one.method == method and one.group == layout.peers), None)
    if peer is None:
        return row
    cells = dict(row.cells)
    for shown in layout.shown:
        value = row.cells[shown.key].value if shown.key in row.cells else None
        theirs = peer.percent.get(shown.published or "")
        if shown.difference and value is not None and theirs is not None:
            cells[f"{shown.key}_difference"] = Cell(value=value - theirs, signed=True)
    return replace(row, cells=cells, attributes={**row.attributes, "compared_with": peer.method})


def _published_entry(
    row: PublishedRow, layout: Layout, beside: bool, usual_source: str, footnotes: Footnotes
) -> _Entry:
    cells = {
        shown.key: Cell(value=row.percent[shown.published])
        for shown in layout.shown
        if shown.published is not None and shown.published in row.percent
    }
    cells |= {key: Cell(words=word) for key, word in row.words.items()}
    marks = () if row.source == usual_source else (footnotes.mark(row.source),)
    heading = "published" if beside else "published, for reference only"
    return _Entry(
        Row(row.method, "published", cells, marks, {"source": row.source}),
        f"{heading}: {row.group}" if row.group else heading,
        ranked=beside and row.group == layout.peers,
    )


def _mark_best(entries: list[_Entry], layout: Layout) -> list[_Entry]:
    """Mark the largest value of each ranked column, ties at the printed precision included.

    Only rows that may be compared with each other compete; a single one is not the best of anything.
    """
    for shown in layout.shown:
        cells = {
            index: entry.row.cells[shown.key]
            for index, entry in enumerate(entries)
            if entry.ranked and shown.key in entry.row.cells
        }
        values = {i: round(cell.value, cell.decimals) for i, cell in cells.items() if cell.value is not None}
        if not shown.ranked or len(values) < 2:
            continue
        top = max(values.values())
        for index in (i for i, value in values.items() if value == top):
            row = entries[index].row
            marked = {**row.cells, shown.key: replace(cells[index], best=True)}
            entries[index] = replace(entries[index], row=replace(row, cells=marked))
    return entries


def _columns(layout: Layout, rows: list[Row]) -> tuple[Column, ...]:
    """Columns in which at least one row has something to show."""
    columns = [Column(key, layout.word_headings[key], "left") for key in layout.words]
    columns += [Column(shown.key, shown.heading) for shown in layout.shown]
    columns += [Column(f"{s.key}_difference", s.difference) for s in layout.shown if s.difference]
    return tuple(column for column in columns if any(column.key in row.cells for row in rows))


def _groups(entries: list[_Entry]) -> tuple[Group, ...]:
    headings = dict.fromkeys(entry.heading for entry in entries)
    return tuple(
        Group(heading, tuple(entry.row for entry in entries if entry.heading == heading))
        for heading in headings
    )


def _notes(
    results: list[Result],
    labels: list[str],
    layout: Layout,
    rows: Sequence[PublishedRow],
    published: bool,
    beside: bool,
    rankable: bool,
) -> tuple[str, ...]:
    notes = []
    if rows and published:
        notes.append(f"Published rows: {rows[0].source}, Qiu, Yao, Mei, ICCV 2017.")
    if beside and any(published_method(r) and not obstacles(r, layout) and not departures(r) for r in results):
        notes.append("Δ: measured minus the published row of the same network, in percentage points.")
    if not rankable:
        notes.append(f"Measured on different videos or {layout.trials}: none is marked best.")
    notes += [f"{note}." for note in interval_notes(labels, results, layout)]
    if layout.sensitivity:
        lines = [sensitivity(label, result, layout) for label, result in zip(labels, results, strict=True)]
        notes += [f"Other choices, {line}." for line in lines if line]
    return tuple(notes)
