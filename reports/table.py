"""A table as data: columns, groups of rows, cells with intervals, footnotes; the formats only draw it."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

ROW_KINDS = ("measured", "published", "failed")
MISSING = "–"
_FEWEST_DIGITS = 2
IntervalStyle = Literal["brackets", "plus-minus", "none"]


@dataclass(frozen=True)
class Column:
    """One column of numbers or words.

    Parameters
    ----------
    key : str
        Name of the metric or attribute; the CSV's column.
    heading : str
        What a reader sees above it.
    align : {"left", "right"}
        Side the cells stand at.
    """

    key: str
    heading: str
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True)
class Cell:
    """One number in percent (or percentage points), or a word.

    Parameters
    ----------
    value : float or None
        The number in percent; None where there is none.
    standard_error : float or None
        Printed after ±, in percentage points.
    low, high : float or None
        Ends of the interval in percent, printed where there is no standard error.
    interval : {"brackets", "plus-minus", "none"}
        How: ``[87.9, 89.2]``; half its width after ±, the larger side where they differ; not at all, and no
        standard error either.
    decimals : int
        Digits after the point.
    signed : bool
        Print the sign of a positive number too (differences).
    words : str or None
        Printed instead of a number.
    best, second : bool
        Best, or second, of the rows that may be compared with it.
    marks : tuple of str
        Marks of footnotes.
    """

    value: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    interval: IntervalStyle = "brackets"
    decimals: int = 1
    signed: bool = False
    words: str | None = None
    best: bool = False
    second: bool = False
    marks: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """What is printed, without marks: ``80.8 ± 0.4``, ``88.6 [87.9, 89.2]``, ``+0.3``, a word or a dash."""
        if self.words is not None:
            return self.words
        if self.value is None:
            return MISSING
        text = rounded(self.value, self.decimals, self.signed)
        if self.interval == "none":
            return text
        if self.standard_error is not None:
            return f"{text} ± {rounded(self.standard_error, self.decimals)}"
        if self.low is not None and self.high is not None:
            if self.interval == "plus-minus":
                half = max(self.high - self.value, self.value - self.low)
                return f"{text} ± {rounded(half, self.decimals)}"
            return f"{text} [{rounded(self.low, self.decimals)}, {rounded(self.high, self.decimals)}]"
        return text


def rounded(value: float, decimals: int, signed: bool = False) -> str:
    """``value`` with ``decimals`` digits after the point, never as minus zero."""
    number = round(value, decimals) + 0.0
    return f"{number:+.{decimals}f}" if signed else f"{number:.{decimals}f}"


def enough_decimals(value: float, decimals: int) -> int:
    """Digits after the point that show at least two significant ones; three where ``decimals`` show fewer."""
    if value == 0:
        return decimals
    first = math.floor(math.log10(abs(value)))  # power of ten of the first significant digit
    return decimals if first + 1 + decimals >= _FEWEST_DIGITS else _FEWEST_DIGITS - first


def joined(marks: Iterable[str]) -> str:
    """Write marks of one place with commas between, so that ‡‡ is one mark and ‡,‡ are two."""
    return ",".join(marks)


@dataclass(frozen=True)
class Row:
    """One method.

    Parameters
    ----------
    label : str
        Name in the first column.
    kind : str
        ``"measured"``, ``"published"`` or ``"failed"``.
    cells : mapping of str to Cell
        By the column's key; an absent one is empty.
    marks : tuple of str
        Marks of the footnotes that belong to the whole row.
    attributes : mapping of str to str
        What the CSV adds for tracing: result id, source, coverage, convergence.
    """

    label: str
    kind: str
    cells: Mapping[str, Cell]
    marks: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Rows under one heading."""

    heading: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Footnote:
    """One remark below the table; ``loud`` where the number must not be quoted."""

    mark: str
    text: str
    loud: bool = False


@dataclass(frozen=True)
class Table:
    """One protocol's rows.

    Parameters
    ----------
    protocol : str
        Name of the protocol.
    title : str
        Heading or caption.
    first : str
        Heading of the column of labels.
    columns : tuple of Column
        The other columns.
    groups : tuple of Group
        Rows under their headings.
    footnotes : tuple of Footnote
        What the marks mean, in order.
    notes : tuple of str
        What holds for the whole table.
    best_means : str
        What is said of the best values.
    """

    protocol: str
    title: str
    first: str
    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    footnotes: tuple[Footnote, ...] = ()
    notes: tuple[str, ...] = ()
    best_means: str = "best of the rows that may be compared"

    @property
    def rows(self) -> Iterator[Row]:
        """All rows, group by group."""
        for group in self.groups:
            yield from group.rows

    @property
    def has_best(self) -> bool:
        """Whether some cell is the best of its column."""
        return any(cell.best for row in self.rows for cell in row.cells.values())

    @property
    def has_second(self) -> bool:
        """Whether some cell is the second of its column."""
        return any(cell.second for row in self.rows for cell in row.cells.values())
