"""Records: one line a row with one header for all tables, numbers in percent with every measured digit."""

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from p3d_eval.reports.table import Row, Table

if TYPE_CHECKING:
    import pandas as pd

_DIGITS = 6  # after the point, and significant ones; a percentage of 13,320 videos is exact to far fewer
Record = dict[str, str | float]


def to_csv(tables: Sequence[Table]) -> str:
    """Write tables as one CSV that any reader parses with a single header.

    Columns: ``protocol``, ``group``, ``method``, ``kind`` (measured, published or failed), then for every
    metric its value and, where a row has them, ``_standard_error``, ``_low`` and ``_high``; ``best`` and
    ``second`` list the metrics in which the row is that; then what traces the row; ``remarks`` spells its
    footnotes out. A column of another protocol's table is empty.
    """
    names, records = _records(tables)
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _text(value) for name, value in record.items()} for record in records)
    return out.getvalue()


def to_frame(tables: Sequence[Table]) -> "pd.DataFrame":
    """Tables as one pandas ``DataFrame`` with the columns of :func:`to_csv`; numbers are floats."""
    import pandas as pd

    names, records = _records(tables)
    return pd.DataFrame.from_records(records, columns=names)


def _records(tables: Sequence[Table]) -> tuple[list[str], list[Record]]:
    """Names of the columns, and one record for each row."""
    records = [
        _record(table, group.heading, row) for table in tables for group in table.groups for row in group.rows
    ]
    fixed = ("protocol", "group", "method", "kind")
    last = ("best", "second", *_attribute_names(tables), "remarks")
    used = {name for record in records for name in record}
    values = [name for name in _value_names(tables) if name in used]
    return [*fixed, *values, *last], records


def _text(value: str | float) -> str:
    return repr(value) if isinstance(value, float) else value


def _record(table: Table, heading: str, row: Row) -> Record:
    record: Record = {"protocol": table.protocol, "group": heading, "method": row.label, "kind": row.kind}
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
            column.key + end: _with_digits(float(number))
            for end, number in numbers.items()
            if number is not None
        }
    cells = [(column.key, row.cells[column.key]) for column in table.columns if column.key in row.cells]
    record["best"] = " ".join(key for key, cell in cells if cell.best)
    record["second"] = " ".join(key for key, cell in cells if cell.second)
    record["remarks"] = "; ".join(remarks[mark] for mark in dict.fromkeys(marks))
    return {**record, **row.attributes}


def _with_digits(number: float) -> float:
    """Round, never to minus zero, and never what is small to nothing."""
    return (float(f"{number:.{_DIGITS}g}") if abs(number) < 1 else round(number, _DIGITS)) + 0.0


def _value_names(tables: Sequence[Table]) -> list[str]:
    keys = dict.fromkeys(column.key for table in tables for column in table.columns)
    return [key + end for key in keys for end in ("", "_standard_error", "_low", "_high")]


def _attribute_names(tables: Sequence[Table]) -> list[str]:
    return list(dict.fromkeys(name for table in tables for row in table.rows for name in row.attributes))
