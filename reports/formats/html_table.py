"""HTML: one ``<table>`` with classes to style and exact values to sort by; the best value bold."""

from html import escape

from p3d_eval.reports.formats.text_table import one_line
from p3d_eval.reports.table import Cell, Column, Group, Row, Table


def to_html(table: Table) -> str:
    """Draw one table as an HTML fragment, ending with a line break.

    Every group is a ``<tbody>`` below a heading of its own. A cell carries its unrounded number as
    ``data-value``, a measured row its result's id as ``data-result``; a page can sort and link by these.
    """
    headings = [_heading(table.first, "left"), *(_heading(c.heading, c.align) for c in table.columns)]
    lines = [
        '<div class="p3d-table">',
        "<table>",
        f"<caption>{_text(table.title)}</caption>",
        f"<thead><tr>{''.join(headings)}</tr></thead>",
        *(_group(group, table.columns) for group in table.groups),
        "</table>",
        *_remarks(table),
        "</div>",
    ]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    return escape(one_line(text))


def _heading(text: str, align: str) -> str:
    return f'<th scope="col" class="{align}">{_text(text)}</th>'


def _marks(marks: tuple[str, ...]) -> str:
    return f"<sup>{escape(','.join(marks))}</sup>" if marks else ""


def _group(group: Group, columns: tuple[Column, ...]) -> str:
    heading = (
        f'<tr class="group"><th scope="rowgroup" colspan="{len(columns) + 1}">{_text(group.heading)}</th></tr>'
    )
    return f"<tbody>\n{heading}\n" + "\n".join(_row(row, columns) for row in group.rows) + "\n</tbody>"


def _row(row: Row, columns: tuple[Column, ...]) -> str:
    result = row.attributes.get("result_id")
    identity = f' data-result="{escape(result)}"' if result else ""
    label = f'<th scope="row" class="left">{_text(row.label)}{_marks(row.marks)}</th>'
    cells = "".join(_cell(row.cells.get(column.key), column) for column in columns)
    return f'<tr class="{escape(row.kind)}"{identity}>{label}{cells}</tr>'


def _cell(cell: Cell | None, column: Column) -> str:
    if cell is None:
        return f'<td class="{column.align}"></td>'
    value = "" if cell.value is None else f' data-value="{cell.value!r}"'
    text = _text(cell.shown)
    shown = f"<strong>{text}</strong>" if cell.best else text
    return f'<td class="{column.align}"{value}>{shown}{_marks(cell.marks)}</td>'


def _remarks(table: Table) -> list[str]:
    remarks = ["<strong>Bold</strong>: best of the rows that may be compared"] if table.has_best else []
    for note in table.footnotes:
        text = f'<strong class="loud">{_text(note.text)}</strong>' if note.loud else _text(note.text)
        remarks.append(f"{_marks((note.mark,))} {text}")
    remarks += [_text(note) for note in table.notes]
    return ['<ul class="notes">', *(f"<li>{remark}</li>" for remark in remarks), "</ul>"] if remarks else []
