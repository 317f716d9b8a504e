"""Rows of a table with what they compete for: measured ones, what failed, and published ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field

from p3d_eval.protocols.result import Result
from p3d_eval.reports.comparability import complete, obstacles, published_method
from p3d_eval.reports.failed import Failed
from p3d_eval.reports.footnotes import Footnotes
from p3d_eval.reports.labels import departures, unlike_published
from p3d_eval.reports.layout import Layout
from p3d_eval.reports.layouts import METHODS, layout_of, usual_column
from p3d_eval.reports.measured import attributes, coverage_remark, failure_mark, measured_cells, unconverged
from p3d_eval.reports.published_rows import PublishedRow, published_rows
from p3d_eval.reports.systems import System
from p3d_eval.reports.table import Cell, Row
from p3d_eval.reports.table_options import TableOptions

UNCONVERGED = "NOT CONVERGED"  # also how protocols begin a warning, which the loud footnote replaces


@dataclass(frozen=True)
class Entry:
    """One row on its way into the table.

    Parameters
    ----------
    row : Row
    heading : str
        Of its group.
    competing : frozenset of str
        Columns in which its value may be the best.
    sources : mapping of str to str
        Ids of its results, by kind; none of a published row.
    """

    row: Row
    heading: str
    competing: frozenset[str] = frozenset()
    sources: Mapping[str, str] = dataclass_field(default_factory=dict)


@dataclass(frozen=True)
class Field:
    """What the rows of one table are built with.

    Parameters
    ----------
    layout : Layout
    rows : sequence of PublishedRow
        Published rows of the table, shown or not: differences are taken to them.
    beside : frozenset of str
        Kinds of results of which one at least may stand beside the published rows.
    whole : frozenset of str
        Kinds of which some result is complete: others are not ranked.
    versions : frozenset of str
        Kinds of results that several versions of a protocol made.
    options : TableOptions
    footnotes : Footnotes
    """

    layout: Layout
    rows: Sequence[PublishedRow]
    beside: frozenset[str]
    whole: frozenset[str]
    versions: frozenset[str]
    options: TableOptions
    footnotes: Footnotes

    def hindered(self, kind: str, result: Result) -> tuple[str, ...]:
        """Why a result may not be compared with the published rows; empty where there are none."""
        return obstacles(result, rules_of(self.layout, kind)) if self.rows else ()

    def changed(self, result: Result) -> str:
        """Options that are not the defaults, where published rows, or other kinds, stand beside a result."""
        return departures(result) if (self.rows or self.layout.members) and not self.layout.reference else ""


def rules_of(layout: Layout, kind: str) -> Layout:
    """Return the layout whose rules on official splits hold for a kind of results."""
    return layout if not layout.members or layout.reference else layout_of(kind, ())


def published_beside(layout: Layout) -> tuple[PublishedRow, ...]:
    """Return the published rows of a layout; of a free one, what the paper has on its columns, by network."""
    if layout.published:
        return published_rows(layout.published)
    found: dict[str, PublishedRow] = {}
    for shown in layout.shown if layout.members else ():
        base = layout_of(shown.member, ())
        usual = usual_column(base, shown.member, shown.measured)
        column = usual.published if usual is not None else None
        if not base.published or not column or base.reference:
            continue
        peers = [one for one in published_rows(base.published) if one.group == base.peers]
        for row in peers:
            alone = [one.method for one in peers].count(row.method) == 1
            if row.method not in METHODS.values() or not alone or column not in row.percent:
                continue
            old = found.get(row.method, PublishedRow(row.method, ""))
            sources = dict.fromkeys([*filter(None, old.source.split(", ")), row.source])
            percent = {**old.percent, shown.key: row.percent[column]}
            found[row.method] = PublishedRow(row.method, ", ".join(sources), percent=percent)
    return tuple(found.values())


def measured_entries(systems: Sequence[System], field: Field) -> list[Entry]:
    """Rows of the results: those comparable with published ones first, what failed last."""
    everything = [(system.label, result) for system in systems for result in system.results.values()]
    told = unconverged(dict(everything).items() if not field.layout.members else everything)
    entries = [_measured_entry(system, field, told) for system in systems]
    headings = ("measured", "measured, not comparable with the published rows", "failed")
    return sorted(entries, key=lambda entry: headings.index(entry.heading))


def _measured_entry(system: System, field: Field, told: str) -> Entry:
    layout = field.layout
    cells = measured_cells(system, layout, field.options.intervals, field.footnotes)
    own = {kind: _marks(result, kind, field, told) for kind, result in system.results.items()}
    row_marks: tuple[str, ...] = ()
    if layout.members:
        for shown in layout.shown:
            marks = own.get(layout.kind(shown), ())
            if shown.key in cells:
                cells[shown.key] = replace(cells[shown.key], marks=(*cells[shown.key].marks, *marks))
    else:
        failed = (failure_mark(one, field.footnotes) for one in system.failed.values())
        row_marks = next(iter(own.values()), tuple(failed))
    row = Row(system.label, "measured" if system.results else "failed", cells, row_marks, attributes(system))
    hindered = {kind: field.hindered(kind, result) for kind, result in system.results.items()}
    free = [kind for kind, one in system.results.items() if not hindered[kind] and not field.changed(one)]
    if field.rows and not layout.reference:
        as_published = [(kind, one) for kind in free if not unlike_published(one := system.results[kind])]
        row = _with_differences(row, as_published, field)
    heading = "measured" if system.results else "failed"
    if field.beside and system.results and all(hindered.values()):
        heading = "measured, not comparable with the published rows"
    competing = frozenset(
        shown.key
        for shown in layout.shown
        if shown.ranked
        and (result := system.results.get(layout.kind(shown))) is not None
        and result.converged
        and (complete(result) or layout.kind(shown) not in field.whole)
        and (layout.kind(shown) in free or layout.kind(shown) not in field.beside)
    )
    sources = {kind: result.result_id for kind, result in system.results.items()}
    return Entry(row, heading, competing, sources)


def _marks(result: Result, kind: str, field: Field, told: str) -> tuple[str, ...]:
    """Collect the remarks on one result and return their marks."""
    footnotes = field.footnotes
    marks = []
    hindered = () if rules_of(field.layout, kind).reference else field.hindered(kind, result)
    if not result.converged:
        marks.append(footnotes.warn(f"{UNCONVERGED}, do not quote: {told}"))
    if not complete(result):
        marks.append(footnotes.mark(coverage_remark(result)))
    if hindered:
        marks.append(footnotes.mark(f"not comparable with the published rows: {', '.join(hindered)}"))
    if kind in field.versions:
        marks.append(footnotes.mark(f"version {result.version} of the protocol"))
    marks += [footnotes.mark(warning) for warning in result.warnings if not warning.startswith(UNCONVERGED)]
    changed = field.changed(result)
    if changed:
        marks.append(footnotes.mark(f"not the protocol's defaults: {changed}"))
    unlike = unlike_published(result) if kind in field.beside and not hindered else ""
    if unlike:
        marks.append(footnotes.mark(f"no difference to the published row is taken: {unlike}"))
    return tuple(dict.fromkeys(marks))


def _with_differences(row: Row, results: Sequence[tuple[str, Result]], field: Field) -> Row:
    """Add measured minus published, in percentage points, where the network has a published row."""
    cells, compared = dict(row.cells), set()
    for kind, result in results:
        method = published_method(result)
        peer = next(
            (one for one in field.rows if one.method == method and one.group == field.layout.peers), None
        )
        if peer is None:
            continue
        compared.add(peer.method)
        for shown in field.layout.shown:
            value = row.cells[shown.key].value if shown.key in row.cells else None
            theirs = peer.percent.get(shown.published or "")
            wanted = shown.difference and field.layout.kind(shown) == kind and field.options.delta
            if wanted and value is not None and theirs is not None:
                cells[f"{shown.key}_difference"] = Cell(value - theirs, decimals=shown.decimals, signed=True)
    if not compared:
        return row
    added = {"compared_with": ", ".join(sorted(compared))}
    return replace(row, cells=cells, attributes={**row.attributes, **added})


def published_entries(field: Field) -> list[Entry]:
    """List published rows, those that were made as ours are first."""
    layout = field.layout
    ordered = sorted(field.rows, key=lambda row: row.group != layout.peers)
    usual = field.rows[0].source if field.rows else ""
    return [_published_entry(row, field, usual) for row in ordered]


def _published_entry(row: PublishedRow, field: Field, usual_source: str) -> Entry:
    layout = field.layout
    cells = {
        shown.key: Cell(value=row.numbers[shown.published], decimals=shown.decimals)
        for shown in layout.shown
        if shown.published is not None and shown.published in row.numbers
    }
    cells |= {key: Cell(words=word) for key, word in row.words.items()}
    marks = () if row.source == usual_source else (field.footnotes.mark(row.source),)
    heading = "published" if field.beside else "published, for reference only"
    peer = row.group == layout.peers
    return Entry(
        Row(row.method, "published", cells, marks, {"source": row.source}),
        f"{heading}: {row.group}" if row.group else heading,
        frozenset(one.key for one in layout.shown if peer and one.ranked and layout.kind(one) in field.beside),
    )


def failures_of(failures: Sequence[Failed], kinds: Mapping[str, Sequence[Result]]) -> list[Failed]:
    """Name failures by kinds of results: where a protocol has several tables, the first that is shown."""
    named = []
    for failed in failures:
        same = [kind for kind, own in kinds.items() if any(one.protocol == failed.protocol for one in own)]
        kind = failed.protocol if failed.protocol in kinds or not same else same[0]
        named.append(replace(failed, protocol=kind))
    return named
