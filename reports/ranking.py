"""The best and the second of each column, among the rows that may be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from p3d_eval.reports.table import Cell, Row

_FEWEST_FOR_SECOND = 3  # of two rows, the one that is not the best needs no mark


def mark_ranks(rows: Sequence[Row], competing: Mapping[str, Sequence[int]]) -> list[Row]:
    """Mark the largest value of each column, and the second, ties at the printed precision included.

    Parameters
    ----------
    rows : sequence of Row
    competing : mapping of str to sequence of int
        For each ranked column, the numbers of the rows that may be compared; a single one is not the best of
        anything, and the second is marked where one row alone is better.
    """
    marked = list(rows)
    for key, places in competing.items():
        cells = {place: rows[place].cells[key] for place in places if key in rows[place].cells}
        values = {i: round(cell.value, cell.decimals) for i, cell in cells.items() if cell.value is not None}
        if len(values) < 2:
            continue
        for place, value in values.items():
            better = sum(other > value for other in values.values())
            if better == 0:
                marked[place] = _with_cell(marked[place], key, replace(cells[place], best=True))
            elif better == 1 and len(values) >= _FEWEST_FOR_SECOND:
                marked[place] = _with_cell(marked[place], key, replace(cells[place], second=True))
    return marked


def _with_cell(row: Row, key: str, cell: Cell) -> Row:
    return replace(row, cells={**row.cells, key: cell})
