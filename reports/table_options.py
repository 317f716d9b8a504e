"""How tables are made: which published rows stand beside, what is marked, how intervals are written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_args

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.reports.table import IntervalStyle

_LEVEL = 0.05  # significance of the marks


def make_options(published: bool | str | Iterable[str], choices: Mapping[str, Any]) -> "TableOptions":
    """Build the options from what a caller gave; names of tables and columns may be one text with commas.

    Raises
    ------
    UserError
        When a choice is unknown or contradicts another.
    """
    known = [field.name for field in fields(TableOptions)]
    for name in choices:
        if name not in known:
            raise UnknownNameError("option of tables", name, known)
    given = {**choices, "columns": _names(choices.get("columns", ()))}
    return TableOptions(published if isinstance(published, bool) else _names(published), **given)


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    return tuple(part.strip() for part in parts if part.strip())


@dataclass(frozen=True)
class TableOptions:
    """Choices of whoever writes the tables.

    Parameters
    ----------
    published : bool or sequence of str
        Published rows: those of the results' protocols, none, or the tables named (``"table3"``).
    delta : bool
        Print the difference to the published row of the same network, where one may be taken.
    intervals : {"brackets", "plus-minus", "none"}
        Write ``88.6 [87.9, 89.2]``, ``88.6 ± 0.7``, or values alone.
    significance : bool
        Mark the rows that differ from the best measured row of a column, or from ``against``.
    against : str, optional
        Label of the row that the others are tested against.
    columns : sequence of str
        ``PROTOCOL:METRIC`` of one free table instead of one for each protocol.
    alpha : float
        Level of the significance marks.
    seed : int
        Of the tests behind them.
    """

    published: bool | tuple[str, ...] = True
    delta: bool = True
    intervals: IntervalStyle = "brackets"
    significance: bool = False
    against: str | None = None
    columns: tuple[str, ...] = ()
    alpha: float = _LEVEL
    seed: int = 0

    def __post_init__(self) -> None:
        if self.intervals not in get_args(IntervalStyle):
            raise UnknownNameError("style of intervals", self.intervals, get_args(IntervalStyle))
        if not 0 < self.alpha < 1:
            raise UserError(f"alpha: {self.alpha} is not between 0 and 1")
        if self.columns and not isinstance(self.published, bool):
            raise UserError("a table of columns of one's own and a published table contradict each other")
