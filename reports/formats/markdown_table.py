"""Markdown (GitHub's tables): the best value bold, headings of groups in italics, remarks as a list."""

import re

from p3d_eval.reports.formats.text_table import one_line
from p3d_eval.reports.table import Column, Row, Table, joined

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#$])")


def to_markdown(table: Table) -> str:
    """Draw one table as Markdown, ending with a line break."""
    headings = [table.first, *(column.heading for column in table.columns)]
    rule = [":--", *(":--" if column.align == "left" else "--:" for column in table.columns)]
    lines = [f"**{escape(table.title)}**", "", _line([escape(text) for text in headings]), _line(rule)]
    for group in table.groups:
        lines.append(_line([f"*{escape(group.heading)}*", *("" for _ in table.columns)]))
        lines += [_line(_cells(row, table.columns)) for row in group.rows]
    remarks = [
        f"- {escape(note.mark)} **{escape(note.text)}**"
        if note.loud
        else f"- {escape(note.mark)} {escape(note.text)}"
        for note in table.footnotes
    ]
    remarks += [f"- {escape(note)}" for note in table.notes]
    if table.has_second:
        remarks.insert(0, "- <ins>underlined</ins>: second")
    if table.has_best:
        remarks.insert(0, f"- **bold**: {escape(table.best_means)}")
    if remarks:
        lines += ["", *remarks]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """``text`` on one line, with Markdown's special characters taken literally."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def _cells(row: Row, columns: tuple[Column, ...]) -> list[str]:
    cells = [escape(row.label + joined(row.marks))]
    for column in columns:
        cell = row.cells.get(column.key)
        text = "" if cell is None else escape(cell.shown + joined(cell.marks))
        if cell is not None and (cell.best or cell.second):
            text = f"**{text}**" if cell.best else f"<ins>{text}</ins>"
        cells.append(text)
    return cells


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
