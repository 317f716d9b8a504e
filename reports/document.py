"""A report: tables of results beside published rows, drawn in any of the formats."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape as escape_html
from os import PathLike
from typing import Self

from p3d_eval.errors import UnknownNameError
from p3d_eval.protocols.result import Result
from p3d_eval.reports.comparison import build_tables
from p3d_eval.reports.formats.csv_table import to_csv
from p3d_eval.reports.formats.latex_table import to_latex_document, to_latex_fragment
from p3d_eval.reports.formats.markdown_table import to_markdown
from p3d_eval.reports.formats.text_table import to_text
from p3d_eval.reports.loading import load_results
from p3d_eval.reports.table import Table

FORMATS = ("csv", "latex", "markdown", "text")


@dataclass(frozen=True)
class Report:
    """Tables, one for each protocol.

    Parameters
    ----------
    tables : tuple of Table
        What is drawn.

    Examples
    --------
    >>> report = Report.of(["results/aslan-i3d.json"])  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    >>> report.to_latex(standalone=False)  # doctest: +SKIP
    """

    tables: tuple[Table, ...]

    @classmethod
    def of(cls, sources: Iterable[Result | str | PathLike[str]], published: bool = True) -> Self:
        """Build a report from results, result files or folders of them.

        Parameters
        ----------
        sources : iterable of Result or path
            What was measured.
        published : bool
            Set the published rows beside the measured ones.

        Raises
        ------
        UserError
            When there is nothing to report, a file is no result, or a result is given twice.
        """
        return cls(tuple(build_tables(load_results(sources), published)))

    def to_csv(self) -> str:
        """All tables as one CSV with one header; numbers in percent."""
        return to_csv(self.tables)

    def to_latex(self, standalone: bool = True, caption: str | None = None, label: str | None = None) -> str:
        r"""All tables as LaTeX with booktabs.

        Parameters
        ----------
        standalone : bool
            A document that compiles on its own; otherwise tables alone, for ``\input``.
        caption, label : str, optional
            For ``\caption`` and ``\label``; where there are several tables the label gets ``-PROTOCOL``.
        """
        fragments = [
            to_latex_fragment(table, caption, self._label(label, table.protocol)) for table in self.tables
        ]
        return to_latex_document(fragments) if standalone else "\n".join(fragments)

    def _label(self, label: str | None, protocol: str) -> str | None:
        return f"{label}-{protocol}" if label is not None and len(self.tables) > 1 else label

    def to_markdown(self) -> str:
        """All tables as GitHub's Markdown."""
        return "\n".join(to_markdown(table) for table in self.tables)

    def to_text(self) -> str:
        """All tables as aligned plain text."""
        return "\n".join(to_text(table) for table in self.tables)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return f"<pre>{escape_html(self.to_text())}</pre>"


def render(tables: Table | Sequence[Table], format_name: str) -> str:
    """Draw tables in a format, with that format's defaults.

    Parameters
    ----------
    tables : Table or sequence of Table
        What is drawn.
    format_name : {"csv", "latex", "markdown", "text"}
        How.

    Raises
    ------
    UnknownNameError
        When there is no such format.
    """
    report = Report((tables,) if isinstance(tables, Table) else tuple(tables))
    draw = {
        "csv": report.to_csv,
        "latex": report.to_latex,
        "markdown": report.to_markdown,
        "text": report.to_text,
    }
    if format_name not in draw:
        raise UnknownNameError("format", format_name, FORMATS)
    return draw[format_name]()
