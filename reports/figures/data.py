"""A figure as data: everything that is drawn, by matplotlib or in a page, is drawn from this alone."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from p3d_eval.errors import UserError, unread
from p3d_eval.files import require_new, write_text
from p3d_eval.reports.suffixes import FIGURE_SUFFIX

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "p3d-eval figure"
SCHEMA_VERSION = 1
_WANTED = "Give the NAME.figure.json that p3d-eval plot writes beside each picture"

KINDS = ("sweep", "tsne", "confusion", "roc", "precision-recall", "per-class", "speed-accuracy")

_NEEDED = {"tsne": ("ids", "classes"), "per-class": ("classes",), "speed-accuracy": ("ids",)}

Number = float | None
Fact = float | str | None


@dataclass(frozen=True)
class Series:
    """Points that belong together: a curve, the bars of one network, or the map of one network.

    Parameters
    ----------
    name : str
        What the legend, or the panel, calls it.
    x, y : tuple of float or None
        Coordinates, in the units of the figure's axes; None where undefined. Bars have the place of their
        class as ``x``.
    low, high : tuple of float or None
        Ends of the interval of each ``y``; empty where there are none.
    ids : tuple of str
        What each point is: a video's id, a result's label; empty where it has no name.
    classes : tuple of str
        Class of each point; empty where it has none.
    facts : mapping of str to float, str or None
        Numbers and words about the whole series, e.g. its area under the curve.
    """

    name: str
    x: tuple[Number, ...]
    y: tuple[Number, ...]
    low: tuple[Number, ...] = ()
    high: tuple[Number, ...] = ()
    ids: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, column in self.columns.items():
            if len(column) != len(self.x):
                raise ValueError(
                    f"series {self.name!r}: {len(column)} values of {name} for {len(self.x)} points"
                )

    @property
    def columns(self) -> dict[str, tuple[Any, ...]]:
        """Columns that have values, by name."""
        named = {"x": self.x, "y": self.y}
        rest = {name: getattr(self, name) for name in ("low", "high", "ids", "classes")}
        return named | {name: column for name, column in rest.items() if column}


@dataclass(frozen=True)
class Matrix:
    """Counts, or other numbers, of rows against columns: true classes against predicted ones.

    Parameters
    ----------
    rows, columns : tuple of str
    values : tuple of tuple of float
        One a row.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.rows) or {len(row) for row in self.values} - {len(self.columns)}:
            raise ValueError("a matrix whose values do not fit its rows and columns")


@dataclass(frozen=True)
class FigureData:
    """What a figure shows.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    title, x_label, y_label : str
        Words at the figure and its axes, with units.
    series : tuple of Series
        In ``tsne`` one a panel, elsewhere one a legend entry.
    matrix : Matrix, optional
        Of ``confusion``.
    facts : mapping of str to float, str or None
        Numbers and words about the whole figure: how it was made, what was left out.
    notes : tuple of str
        Sentences that belong below the figure, warnings among them.
    sources : mapping of str to str
        Where each series comes from: its name → result id or SHA-256.
    thumbnails : mapping of str to str
        Video id → small picture of it, as a ``data:image/jpeg;base64`` address.
    """

    kind: str
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...] = ()
    matrix: Matrix | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    thumbnails: Mapping[str, str] = field(default_factory=dict)

    def to_frame(self) -> "pd.DataFrame":
        """Give one row a point (``series``, ``x``, ``y``, …), or one row a cell of the matrix that is not 0."""
        import pandas as pd

        if self.matrix is not None:
            return pd.DataFrame(_cells(self.matrix), columns=["row", "column", "value"])
        frames = [pd.DataFrame({"series": one.name} | one.columns) for one in self.series]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["series", "x", "y"])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; raises ValueError where a number is NaN or infinite."""
        head = {"format": FORMAT, "schema_version": SCHEMA_VERSION}
        return json.loads(json.dumps(head | asdict(self), allow_nan=False))

    def write(self, path: Path, overwrite: bool = False) -> Path:
        """Write ``path`` (JSON) and, beside it, the same numbers as CSV; return ``path``.

        Raises
        ------
        UserError
            When a file exists and ``overwrite`` is false, or the folder cannot be written.
        """
        require_new(csv_path(path), overwrite)  # before the first is written
        text = json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":")) + "\n"
        write_text(path, text, overwrite)
        write_text(csv_path(path), self.to_frame().to_csv(index=False), overwrite)
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what :meth:`write` wrote.

        Raises
        ------
        UserError
            When the file is missing, is not such a JSON document, or its numbers do not fit each other.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise UserError(f"{path}: {unread(error)}", _WANTED) from error
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: not the data of a figure ({unread(error)})", _WANTED) from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise UserError(f"{path}: not the data of a figure", _WANTED)
        if document.get("schema_version") != SCHEMA_VERSION:
            version = document.get("schema_version")
            raise UserError(
                f"{path}: schema version {version!r}, not {SCHEMA_VERSION}", "Draw the figure again"
            )
        try:
            return cls(**_parse(document))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UserError(f"{path}: not the complete data of a figure ({error})") from error


def data_path(picture: Path) -> Path:
    """Where the data of the picture at ``picture`` is written."""
    return picture.with_suffix(FIGURE_SUFFIX)


def csv_path(data: Path) -> Path:
    """Where the same numbers stand as CSV."""
    return data.with_name(data.name.removesuffix(".json").removesuffix(".figure") + ".csv")


def _cells(matrix: Matrix) -> list[tuple[str, str, float]]:
    return [
        (row, column, value)
        for row, values in zip(matrix.rows, matrix.values, strict=True)
        for column, value in zip(matrix.columns, values, strict=True)
        if value
    ]


def _numbers(values: Sequence[Any]) -> tuple[Number, ...]:
    """Check that values are finite numbers or None."""
    for value in values:
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not number:
            raise ValueError(f"{value!r} is not a number")
    return tuple(values)


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is not a text")
    return tuple(values)


def _parse(document: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the document's plain values into the constructor's arguments."""
    fields = {name: value for name, value in document.items() if name not in ("format", "schema_version")}
    if fields["kind"] not in KINDS:
        raise ValueError(f"unknown kind {fields['kind']!r}")
    fields["series"] = tuple(
        Series(
            **raw
            | {name: _numbers(raw[name]) for name in ("x", "y", "low", "high")}
            | {name: _texts(raw[name]) for name in ("ids", "classes")}
        )
        for raw in fields["series"]
    )
    if fields["matrix"] is not None:
        raw = fields["matrix"]
        rows = tuple(tuple(0.0 if value is None else value for value in _numbers(row)) for row in raw["values"])
        fields["matrix"] = Matrix(_texts(raw["rows"]), _texts(raw["columns"]), rows)
    fields["notes"] = _texts(fields["notes"])
    _texts(tuple(fields["thumbnails"].values()))
    _require_parts(fields["kind"], fields["series"], fields["matrix"])
    return fields


def _require_parts(kind: str, series: Sequence[Series], matrix: Matrix | None) -> None:
    """Check that a figure has what its kind is drawn from."""
    if kind == "confusion":
        if matrix is None:
            raise ValueError("no matrix")
        return
    if not series or (kind == "speed-accuracy" and len(series) != 2):
        raise ValueError(f"{len(series)} series")
    for one in series:
        lacking = [name for name in _NEEDED.get(kind, ()) if name not in one.columns]
        if lacking and one.x:
            raise ValueError(f"series {one.name!r} has no {lacking[0]}")
        if kind == "tsne" and (not one.x or None in (*one.x, *one.y)):
            raise ValueError(f"series {one.name!r} lacks points")
        if kind == "per-class" and one.classes != series[0].classes:
            raise ValueError(f"series {one.name!r} has other classes than {series[0].name!r}")
        if kind == "sweep" and any(x is None or x <= 0 for x in one.x):
            raise ValueError(f"series {one.name!r} has dimensions that are not positive")
