"""What a table shows: its columns, where each is read, and which published rows it may stand beside."""

from collections.abc import Mapping
from dataclasses import dataclass, field

PERCENT = 100.0


@dataclass(frozen=True)
class Shown:
    """One column of numbers.

    Parameters
    ----------
    key : str
        Name of the column in CSV and JSON.
    heading : str
        What a reader sees.
    published : str or None
        Column of the published table that holds the same quantity.
    ranked : bool
        Whether the best value is marked.
    difference : str or None
        Heading of the column with the difference to the paper; None for no such column.
    metric : str
        Name of the metric in results; the key by default.
    member : str
        Of a table of several protocols: the one that the column is of.
    split : str
        Name of the split whose value it is; the whole result's by default.
    scale : float
        What stored values are multiplied by.
    decimals : int
        Digits after the point.
    keeps_digits : bool
        Whether small numbers have more, see `p3d_eval.reports.table.enough_decimals`.
    """

    key: str
    heading: str
    published: str | None = None
    ranked: bool = False
    difference: str | None = None
    metric: str = ""
    member: str = ""
    split: str = ""
    scale: float = PERCENT
    decimals: int = 1
    keeps_digits: bool = False

    @property
    def measured(self) -> str:
        """Name of the metric in results."""
        return self.metric or self.key


@dataclass(frozen=True)
class Layout:
    """The table of one protocol, or of several whose numbers stand side by side.

    Parameters
    ----------
    name, title : str
        Name of the protocol, or of the table, and its caption.
    shown : tuple of Shown
        Columns of numbers, in order.
    published : str or None
        Name of the published table.
    peers : str
        Group of published rows that were made as ours are; empty where the table has no groups.
    splits : int or None
        Splits or folds that the published numbers are the mean of.
    trials : str
        What the official annotations define, for remarks: ``"splits"`` or ``"pairs"``.
    words : mapping of str to str
        Columns of words, with the word of measured rows.
    word_headings : mapping of str to str
        Their headings.
    sensitivity : bool
        Whether the variants of a result are listed below the table.
    members : tuple of str
        Kinds of results (`p3d_eval.reports.layouts.kind_of`) that it joins to one row a network; empty for
        the results of one kind.
    reference : str
        Why no measured number is the published quantity, whatever was measured; empty where one may be.
    by_variant : bool
        Whether each variant of a result is a row.
    """

    name: str
    title: str
    shown: tuple[Shown, ...]
    published: str | None = None
    peers: str = ""
    splits: int | None = None
    trials: str = "splits"
    words: Mapping[str, str] = field(default_factory=dict)
    word_headings: Mapping[str, str] = field(default_factory=dict)
    sensitivity: bool = False
    members: tuple[str, ...] = ()
    reference: str = ""
    by_variant: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of results that it shows."""
        return self.members or (self.name,)

    def kind(self, shown: Shown) -> str:
        """Kind of results that a column is of."""
        return shown.member or self.name
