"""Results and published rows to tables: comparability, differences to the paper, the best of each column."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from p3d_eval.errors import UserError
from p3d_eval.protocols.result import Result
from p3d_eval.reports.comparability import complete, obstacles, published_method, ranked, same_trials
from p3d_eval.reports.entries import (
    Entry,
    Field,
    failures_of,
    measured_entries,
    published_beside,
    published_entries,
    rules_of,
)
from p3d_eval.reports.failed import Failed
from p3d_eval.reports.footnotes import Footnotes
from p3d_eval.reports.labels import departures, row_named, unlike_published
from p3d_eval.reports.layout import Layout
from p3d_eval.reports.layouts import free_layout, kind_of, layout_of, published_layout
from p3d_eval.reports.notes import interval_notes, sensitivity
from p3d_eval.reports.published_rows import PublishedRow
from p3d_eval.reports.ranking import mark_ranks
from p3d_eval.reports.systems import System, make_systems
from p3d_eval.reports.table import Column, Group, Row, Table
from p3d_eval.reports.table_options import TableOptions, make_options

_FIRST = "Method"
Kinds = Mapping[str, Sequence[Result]]


def build_tables(
    results: Sequence[Result],
    published: bool | str | Iterable[str] = True,
    failures: Sequence[Failed] = (),
    **choices: Any,
) -> list[Table]:
    """Build one table for each protocol, in order of first appearance.

    Parameters
    ----------
    results : sequence of Result
        Measured results.
    published : bool or iterable of str
        Set the published rows of the protocol's table beside the measured ones; or the published tables to
        show, with the results of their protocols beside.
    failures : sequence of Failed
        Results that should be there and are not; each gets a row that says so.
    **choices
        Other fields of `p3d_eval.reports.table_options.TableOptions`.

    Returns
    -------
    list of Table

    Raises
    ------
    UserError
        When there are no results and no published table was named, one is given twice (same ``result_id``),
        or a choice is unknown.

    Notes
    -----
    The difference to the paper is printed only for rows on the official annotations with complete
    coverage, made with the protocol's default options; where no row is on the official annotations with
    complete coverage, the published rows are for reference only and never compete for the best value.
    """
    options = make_options(published, choices)
    named = () if isinstance(options.published, bool) else options.published
    if not results and not failures and not named:
        raise UserError("no results to report", "Give the JSON files that the protocols wrote")
    _require_distinct(results)
    kinds: dict[str, list[Result]] = {}
    for result in results:
        kinds.setdefault(kind_of(result), []).append(result)
    failed = failures_of(failures, kinds)
    chosen = _layouts(options, named, kinds, [one.protocol for one in failed])
    tables = [_build(layout, kinds, failed, options, shown) for layout, shown in chosen]
    if options.against is not None:
        labels = [row.label for table in tables for row in table.rows if row.kind == "measured"]
        row_named(options.against, labels, "row")  # in one table at least
    return tables


def _layouts(
    options: TableOptions, named: Sequence[str], kinds: Kinds, failed: Sequence[str]
) -> list[tuple[Layout, bool]]:
    """Choose the tables, and whether each shows its published rows: those named first, then what is left."""
    shown = options.published is True
    if options.columns:
        return [(free_layout(options.columns, kinds), shown)]
    layouts = [(layout, True) for layout in {one.name: one for one in map(published_layout, named)}.values()]
    taken = {kind for layout, _ in layouts for kind in layout.kinds}
    for kind in dict.fromkeys([*kinds, *failed]):
        if kind not in taken:
            layout = layout_of(kind, kinds.get(kind, ()))
            layouts.append((layout, shown))
            taken |= set(layout.kinds)
    return layouts


def _require_distinct(results: Sequence[Result]) -> None:
    seen: dict[str, Result] = {}
    for result in results:
        if result.result_id in seen:
            raise UserError(
                f"result {result.result_id} ({result.protocol}, {result.label}) is given twice",
                "Give every result once",
            )
        seen[result.result_id] = result


def _build(
    layout: Layout, kinds: Kinds, failures: Sequence[Failed], options: TableOptions, published: bool
) -> Table:
    own = {kind: kinds.get(kind, ()) for kind in layout.kinds}
    results = [result for kind in own for result in own[kind]]
    systems = make_systems(results, [one for one in failures if one.protocol in own], layout)
    rows = published_beside(layout)
    field = Field(
        layout=layout,
        rows=rows,
        beside=frozenset(
            kind
            for kind in own
            if rows and any(not obstacles(result, rules_of(layout, kind)) for result in own[kind])
        ),
        whole=frozenset(kind for kind in own if any(map(complete, ranked(own[kind])))),
        versions=frozenset(kind for kind in own if len({result.version for result in own[kind]}) > 1),
        options=options,
        footnotes=Footnotes(),
    )
    entries = measured_entries(systems, field)
    if published:
        entries += published_entries(field)
    unranked = [
        kind
        for kind in own
        if kind in field.versions or (kind not in field.beside and not same_trials(ranked(own[kind])))
    ]
    competing = _competing(entries, layout, unranked)
    drawn = mark_ranks([entry.row for entry in entries], competing)
    untested: list[str] = []
    if options.significance:
        from p3d_eval.reports.significance_marks import mark_differences  # with scipy, which others do without

        drawn, untested = mark_differences(drawn, systems, competing, layout, options, field.footnotes)
    entries = [replace(entry, row=row) for entry, row in zip(entries, drawn, strict=True)]
    return Table(
        protocol=layout.name,
        title=layout.title,
        first=_FIRST,
        columns=_columns(layout, drawn),
        groups=_groups(entries),
        footnotes=field.footnotes.collected,
        notes=(*_notes(systems, field, published, unranked), *untested),
    )


def _competing(entries: Sequence[Entry], layout: Layout, unranked: Sequence[str]) -> dict[str, dict[int, str]]:
    """For each ranked column, the numbers of the rows whose values may be compared, and what each is of."""
    return {
        shown.key: {
            place: entry.sources.get(layout.kind(shown), f"published row {place}")
            for place, entry in enumerate(entries)
            if shown.key in entry.competing
        }
        for shown in layout.shown
        if shown.ranked and layout.kind(shown) not in unranked
    }


def _columns(layout: Layout, rows: Sequence[Row]) -> tuple[Column, ...]:
    """Columns in which at least one row has something to show."""
    columns = [Column(key, layout.word_headings[key], "left") for key in layout.words]
    columns += [Column(shown.key, shown.heading) for shown in layout.shown]
    columns += [Column(f"{s.key}_difference", s.difference) for s in layout.shown if s.difference]
    return tuple(column for column in columns if any(column.key in row.cells for row in rows))


def _groups(entries: Sequence[Entry]) -> tuple[Group, ...]:
    headings = dict.fromkeys(entry.heading for entry in entries)
    return tuple(
        Group(heading, tuple(entry.row for entry in entries if entry.heading == heading))
        for heading in headings
    )


def _notes(
    systems: Sequence[System], field: Field, published: bool, unranked: Sequence[str]
) -> tuple[str, ...]:
    layout, rows = field.layout, field.rows
    notes = []
    if rows and published:
        notes.append(f"Published rows: {_sources(rows)}, Qiu, Yao, Mei, ICCV 2017.")
    if rows and published and layout.reference:
        notes.append(f"The published rows are of {layout.reference}: for reference only.")
    free = [
        result
        for system in systems
        for kind, result in system.results.items()
        if published_method(result)
        and not field.hindered(kind, result)
        and not departures(result)
        and not unlike_published(result)
    ]
    if field.beside and field.options.delta and free:
        notes.append("Δ: measured minus the published row of the same network, in percentage points.")
    if unranked:
        where = f" in {', '.join(unranked)}" if layout.members else ""
        versions = " by different versions of the protocol" if field.versions & set(unranked) else ""
        what = versions or f" on different videos or {layout.trials}"
        notes.append(f"Measured{what}{where}: none is marked best.")
    notes += [f"{note}." for note in interval_notes(systems, layout, field.options.intervals)]
    if layout.sensitivity:
        lines = [
            sensitivity(system.label, result, layout)
            for system in systems
            for result in system.results.values()
        ]
        notes += [f"Other choices, {line}." for line in lines if line]
    return tuple(notes)


def _sources(rows: Sequence[PublishedRow]) -> str:
    """Where most rows were printed; of a free table, all places."""
    return (
        rows[0].source
        if rows[0].group
        else ", ".join(dict.fromkeys(part for row in rows for part in row.source.split(", ")))
    )
