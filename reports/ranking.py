"""The best and the second of each column, among the rows that may be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from p3d_eval.reports.table import Cell, Row

_FEWEST_FOR_SECOND = 3  # of two rows, the one that is not the best needs no mark


def mark_ranks(rows: Sequence[Row], competing: Mapping[str, Mapping[int, str]]) -> list[Row]:
    """Mark the largest value of each column, and the second, ties at the printed precision included.

    Parameters
    ----------
    rows : sequence of Row
    competing : mapping of str to (mapping of int to str)
        For each ranked column, the numbers of the rows that may be compared, and what each value is of: rows
        that share a result are one competitor. A single one is not the best of anything, and the second is
        marked where one alone is better.
    """
    marked = list(rows)
    for key, sources in competing.items():
        cells = {place: rows[place].cells[key] for place in sources if key in rows[place].cells}
        values = {i: round(cell.value, cell.decimals) for i, cell in cells.items() if cell.value is not None}
        distinct = {sources[place]: value for place, value in values.items()}
        if len(distinct) < 2:
            continue
        for place, value in values.items():
            better = sum(other > value for other in distinct.values())
            if better == 0:
                marked[place] = _with_cell(marked[place], key, replace(cells[place], best=True))
            elif better == 1 and len(distinct) >= _FEWEST_FOR_SECOND:
                marked[place] = _with_cell(marked[place], key, replace(cells[place], second=True))
    return marked


def _with_cell(row: Row, key: str, cell: Cell) -> Row:
    return replace(row, cells={**row.cells, key: cell})
