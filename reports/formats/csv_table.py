"""CSV: one header for all tables, one line a row, numbers in percent with every digit that was measured."""

import csv
import io
from collections.abc import Sequence

from p3d_eval.reports.table import Column, Row, Table

_DIGITS = 6  # after the point; a percentage of 13,320 videos is exact to far fewer


def to_csv(tables: Sequence[Table]) -> str:
    """Write tables as one CSV that any reader parses with a single header.

    Columns: ``protocol``, ``group``, ``method``, ``kind`` (measured or published), then for every metric its
    value and, where a row has them, ``_standard_error``, ``_low`` and ``_high``; ``best`` lists the metrics
    in which the row is the best; then what traces the row; ``remarks`` spells its footnotes out. A column of
    another protocol's table is empty.
    """
    records = [
        _record(table, group.heading, row) for table in tables for group in table.groups for row in group.rows
    ]
    fixed = ("protocol", "group", "method", "kind")
    last = ("best", *_attribute_names(tables), "remarks")
    used = {name for record in records for name in record}
    values = [name for name in _value_names(tables) if name in used]
    out = io.StringIO()
    writer = csv.DictWriter(out, [*fixed, *values, *last], restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def _record(table: Table, heading: str, row: Row) -> dict[str, str]:
    record = {"protocol": table.protocol, "group": heading, "method": row.label, "kind": row.kind}
    remarks = {note.mark: note.text for note in table.footnotes}
    marks = list(row.marks)
    for column in table.columns:
        cell = row.cells.get(column.key)
        if cell is None:
            continue
        marks += cell.marks
        if cell.words is not None:
            record[column.key] = "" if cell.marks else cell.words
        numbers = {
            "": cell.value,
            "_standard_error": cell.standard_error,
            "_low": cell.low,
            "_high": cell.high,
        }
        record |= {
            column.key + end: repr(round(number, _DIGITS) + 0.0)
            for end, number in numbers.items()
            if number is not None
        }
    record["best"] = " ".join(column.key for column in table.columns if _is_best(row, column))
    record["remarks"] = "; ".join(remarks[mark] for mark in dict.fromkeys(marks))
    return {**record, **row.attributes}


def _is_best(row: Row, column: Column) -> bool:
    return column.key in row.cells and row.cells[column.key].best


def _value_names(tables: Sequence[Table]) -> list[str]:
    keys = dict.fromkeys(column.key for table in tables for column in table.columns)
    return [key + end for key in keys for end in ("", "_standard_error", "_low", "_high")]


def _attribute_names(tables: Sequence[Table]) -> list[str]:
    return list(dict.fromkeys(name for table in tables for row in table.rows for name in row.attributes))
