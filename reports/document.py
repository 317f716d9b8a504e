"""A report: tables of results beside published rows, drawn in any of the formats."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from p3d_eval.errors import UnknownNameError
from p3d_eval.reports.comparison import build_tables
from p3d_eval.reports.failed import Failed
from p3d_eval.reports.formats.csv_table import to_csv, to_frame
from p3d_eval.reports.formats.html_table import to_html
from p3d_eval.reports.formats.json_table import to_json, to_plain
from p3d_eval.reports.formats.latex_table import label_key, to_latex_document, to_latex_fragment
from p3d_eval.reports.formats.markdown_table import to_markdown
from p3d_eval.reports.formats.text_table import to_text
from p3d_eval.reports.loading import Loaded, Source, load_results, with_scores
from p3d_eval.reports.table import Table

if TYPE_CHECKING:
    import pandas as pd

    from p3d_eval.reports.figures.data import FigureData

FORMATS = ("csv", "html", "json", "latex", "markdown", "text")


@dataclass(frozen=True)
class Report:
    """Tables, one for each protocol.

    Parameters
    ----------
    tables : tuple of Table
        What is drawn.
    results : tuple of Loaded
        The results it was made from, with their files.
    warnings : tuple of str
        What was left out while they were read.

    Examples
    --------
    >>> report = Report.of(["results/aslan-i3d.json"])  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    >>> report.to_latex(standalone=False)  # doctest: +SKIP
    """

    tables: tuple[Table, ...]
    results: tuple[Loaded, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        sources: Source | Iterable[Source],
        published: bool | str | Iterable[str] = True,
        failures: Sequence[Failed] = (),
        **choices: Any,
    ) -> Self:
        """Build a report from results, result files or folders of them.

        Parameters
        ----------
        sources : Result or path, or an iterable of these
            What was measured.
        published : bool or iterable of str
            Set the published rows beside the measured ones; or the published tables to show (``"table3"``),
            with the results of their protocols beside.
        failures : sequence of Failed
            Results that should be there and are not; each gets a row that says so.
        **choices
            ``delta``, ``intervals``, ``significance``, ``against``, ``columns``, …: see
            `p3d_eval.reports.table_options.TableOptions`.

        Raises
        ------
        UserError
            When there is nothing to report, a file is no result, or a result is given twice.
        """
        found = load_results(sources)
        choices["significance"] = choices.get("significance", False) or choices.get("against") is not None
        results, lost = with_scores(found.loaded) if choices["significance"] else (found.results, ())
        tables = build_tables(results, published, failures, **choices)
        return cls(tuple(tables), found.loaded, (*found.warnings, *lost))

    @property
    def loud(self) -> tuple[str, ...]:
        """Footnotes of numbers that must not be quoted, each once."""
        notes = [note.text for table in self.tables for note in table.footnotes if note.loud]
        return tuple(dict.fromkeys(notes))

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

        Raises
        ------
        UserError
            When ``label`` has a character that a key cannot have.
        """
        fragments = [
            to_latex_fragment(table, caption, self._label(label, table.protocol)) for table in self.tables
        ]
        return to_latex_document(fragments) if standalone else "\n".join(fragments)

    def _label(self, label: str | None, protocol: str) -> str | None:
        return f"{label}-{label_key(protocol)}" if label is not None and len(self.tables) > 1 else label

    def to_markdown(self) -> str:
        """All tables as GitHub's Markdown."""
        return "\n".join(to_markdown(table) for table in self.tables)

    def to_text(self) -> str:
        """All tables as aligned plain text."""
        return "\n".join(to_text(table) for table in self.tables)

    def to_html(self) -> str:
        """All tables as HTML, for a page of your own."""
        return "\n".join(to_html(table) for table in self.tables)

    def to_page(self, figures: Sequence["FigureData"] | None = None, title: str | None = None) -> str:
        """One self-contained HTML page: tables that sort, figures, and where every number comes from.

        Parameters
        ----------
        figures : sequence of FigureData, optional
            By default every figure that the results allow.
        title : str, optional
            Heading of the page.
        """
        from p3d_eval.reports.page import TITLE, gather_figures, to_page

        drawn, left_out = gather_figures(self.results) if figures is None else (list(figures), [])
        report = replace(self, warnings=(*self.warnings, *left_out))
        return to_page(report, drawn, title=TITLE if title is None else title)

    def to_json(self) -> str:
        """All tables as one JSON document: everything that the other formats draw."""
        return to_json(self.tables)

    def to_plain(self) -> list[dict[str, Any]]:
        """All tables as plain JSON values."""
        return to_plain(self.tables)

    def to_frame(self) -> "pd.DataFrame":
        """All tables as one pandas ``DataFrame`` with the columns of the CSV."""
        return to_frame(self.tables)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()


def render(tables: Table | Sequence[Table], format_name: str) -> str:
    """Draw tables in a format, with that format's defaults.

    Parameters
    ----------
    tables : Table or sequence of Table
        What is drawn.
    format_name : {"csv", "html", "json", "latex", "markdown", "text"}
        How.

    Raises
    ------
    UnknownNameError
        When there is no such format.
    """
    report = Report((tables,) if isinstance(tables, Table) else tuple(tables))
    draw = {
        "csv": report.to_csv,
        "html": report.to_html,
        "json": report.to_json,
        "latex": report.to_latex,
        "markdown": report.to_markdown,
        "text": report.to_text,
    }
    if format_name not in draw:
        raise UnknownNameError("format", format_name, FORMATS)
    return draw[format_name]()
