"""HTML: one ``<table>`` with its caption and remarks, for a page or a notebook; no style, no script."""

from html import escape as escape_html

from p3d_eval.reports.formats.text_table import one_line
from p3d_eval.reports.table import Cell, Column, Footnote, Row, Table, joined


def to_html(table: Table) -> str:
    """Draw one table as an HTML ``<figure>``, ending with a line break.

    Groups are ``<tbody>``; a cell's number with every digit that was measured is its ``data-value``, so that a
    page can sort by it; best and second values are ``<strong>`` and ``<u>``.
    """
    headings = "".join(
        f'<th scope="col" class="{column.align}" data-key="{escape(column.key)}">{escape(column.heading)}</th>'
        for column in table.columns
    )
    width = 1 + len(table.columns)
    lines = [
        f'<figure class="p3d-table" data-protocol="{escape(table.protocol)}">',
        "<table>",
        f"<caption>{escape(table.title)}</caption>",
        f'<thead><tr><th scope="col" class="left">{escape(table.first)}</th>{headings}</tr></thead>',
    ]
    for group in table.groups:
        heading = f'<tr class="group"><th colspan="{width}" scope="rowgroup">{escape(group.heading)}</th></tr>'
        lines += ["<tbody>", heading, *(_row(row, table.columns) for row in group.rows), "</tbody>"]
    return "\n".join([*lines, "</table>", *_remarks(table), "</figure>"]) + "\n"


def escape(text: str) -> str:
    """``text`` on one line, with HTML's special characters taken literally."""
    return escape_html(one_line(text))


def _row(row: Row, columns: tuple[Column, ...]) -> str:
    source = escape(row.attributes.get("result_id", ""))
    cells = "".join(_cell(row.cells.get(column.key), column) for column in columns)
    return (
        f'<tr class="{escape(row.kind)}" data-result="{source}">'
        f'<th scope="row">{escape(row.label)}{_marks(row.marks)}</th>{cells}</tr>'
    )


def _cell(cell: Cell | None, column: Column) -> str:
    if cell is None:
        return f'<td class="{column.align}"></td>'
    text = escape(cell.shown)
    if cell.best:
        text = f"<strong>{text}</strong>"
    elif cell.second:
        text = f"<u>{text}</u>"
    value = f' data-value="{cell.value!r}"' if cell.value is not None else ""
    return f'<td class="{column.align}"{value}>{text}{_marks(cell.marks)}</td>'


def _marks(marks: tuple[str, ...]) -> str:
    return f"<sup>{escape(joined(marks))}</sup>" if marks else ""


def _remarks(table: Table) -> list[str]:
    """Footnotes and notes as a list below the table."""
    items = [f"<strong>bold</strong>: {table.best_means}"] if table.has_best else []
    items += ["<u>underlined</u>: second"] if table.has_second else []
    items += [_footnote(note) for note in table.footnotes]
    items += [escape(note) for note in table.notes]
    if not items:
        return []
    return ["<figcaption><ul>", *(f"<li>{item}</li>" for item in items), "</ul></figcaption>"]


def _footnote(note: Footnote) -> str:
    text = f"<strong>{escape(note.text)}</strong>" if note.loud else escape(note.text)
    return f"<sup>{escape(note.mark)}</sup> {text}"
