"""Plain text: aligned columns for a terminal or a README, the best value marked by a star."""

import textwrap
import unicodedata

from p3d_eval.printable import in_order
from p3d_eval.reports.table import Column, Row, Table, joined

_GAP = "  "
_INDENT = "  "
_BEST = "*"
_SECOND = "'"
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # control characters, lone surrogates, line and paragraph separators
_LABEL_WIDTH = 64  # columns of a label, with its indent and marks, that stand on one line
_WIDTH = 100  # columns that footnotes and notes are wrapped at


def to_text(table: Table) -> str:
    """Draw one table as aligned text, ending with a line break."""
    headings = [table.first, *(column.heading for column in table.columns)]
    body = [(group.heading, [_cells(row, table.columns) for row in group.rows]) for group in table.groups]
    lines = [headings, *(line for _, rows in body for cells in rows for line in _folded(cells))]
    widths = [max(display_width(line[place]) for line in lines) for place in range(len(headings))]
    left = [True, *(column.align == "left" for column in table.columns)]
    drawn = [_line(headings, widths, left)]
    rule = "─" * display_width(drawn[0])
    drawn = [one_line(table.title), rule, *drawn, rule]
    for heading, rows in body:
        drawn.append(one_line(heading))
        for cells in rows:
            drawn += [_line(line, widths, left) for line in _folded(cells)]
    drawn += [rule, *_remarks(table)]
    return "\n".join(line.rstrip() for line in drawn) + "\n"


def one_line(text: str) -> str:
    """``text`` without line breaks, tabs and control characters; those that turn its order as code points."""
    visible = "".join(" " if unicodedata.category(c) in _UNPRINTABLE else c for c in in_order(text))
    return " ".join(visible.split())


def display_width(text: str) -> int:
    """Terminal columns that ``text`` takes: East Asian wide characters two, combining ones none."""
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Cf", "Me", "Mn"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"F", "W"} else 1


def _cells(row: Row, columns: tuple[Column, ...]) -> list[str]:
    cells = [_INDENT + one_line(row.label) + joined(row.marks)]
    for column in columns:
        cell = row.cells.get(column.key)
        text = "" if cell is None else cell.shown + joined(cell.marks)
        # A blank keeps the digits of right-aligned numbers below each other.
        star = " " if cell is None or not (cell.best or cell.second) else _BEST if cell.best else _SECOND
        cells.append(text + star if column.align == "right" else text)
    return cells


def _folded(cells: list[str]) -> list[list[str]]:
    """Fold a label that is too wide onto lines of its own, below the row."""
    parts, rest = [], cells[0]
    while display_width(rest) > _LABEL_WIDTH:
        cut = next(end for end in range(len(rest), 0, -1) if display_width(rest[:end]) <= _LABEL_WIDTH)
        parts.append(rest[:cut])
        rest = 2 * _INDENT + rest[cut:]
    first, *others = [*parts, rest]
    return [[first, *cells[1:]], *([other, *("" for _ in cells[1:])] for other in others)]


def _line(cells: list[str], widths: list[int], left: list[bool]) -> str:
    padded = []
    for cell, width, at_left in zip(cells, widths, left, strict=True):
        blank = " " * (width - display_width(cell))
        padded.append(cell + blank if at_left else blank + cell)
    return _GAP.join(padded)


def _remarks(table: Table) -> list[str]:
    remarks = [f"{_BEST} {table.best_means}"] if table.has_best else []
    remarks += [f"{_SECOND} second"] if table.has_second else []
    remarks += [f"{note.mark} {one_line(note.text)}" for note in table.footnotes]
    remarks += [one_line(note) for note in table.notes]
    wrapped = []
    for remark in remarks:
        wrapped += textwrap.wrap(remark, _WIDTH, subsequent_indent=_INDENT, break_long_words=False)
    return wrapped
