"""JSON: tables as plain values, everything that the other formats draw."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from p3d_eval.reports.table import Table

FORMAT = "p3d-eval tables"


def to_plain(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """Tables as plain JSON values; each cell has what is ``shown`` besides its numbers."""
    plain = [asdict(table) for table in tables]
    for table, document in zip(tables, plain, strict=True):
        for group, drawn in zip(table.groups, document["groups"], strict=True):
            for row, cells in zip(group.rows, drawn["rows"], strict=True):
                cells["cells"] = {k: v | {"shown": row.cells[k].shown} for k, v in cells["cells"].items()}
    return plain


def to_json(tables: Sequence[Table]) -> str:
    """Write tables as one JSON document, ending with a line break."""
    document = {"format": FORMAT, "tables": to_plain(tables)}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
