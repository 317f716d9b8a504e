"""``p3d-eval report``: results to tables beside the published rows."""

import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Annotated

import typer

from p3d_eval.cli._formats import Format, FormatOption, Out, choose_format, split_names, warn
from p3d_eval.cli._shared import Json, Overwrite, Quiet, Seed, choice, console, print_json, require_other
from p3d_eval.errors import UserError, counted

if TYPE_CHECKING:
    from p3d_eval.reports import Report

NAME = "report"
command = typer.Typer(add_completion=False)


Results = Annotated[
    list[Path] | None,
    typer.Argument(help="Result files, or folders of them.", metavar="RESULT", show_default=False),
]
Published = Annotated[
    list[str] | None,
    typer.Option(
        "--published",
        help="Published table to show (table1 to table6), with the results of its protocol beside; may be "
        "repeated. Default: those of the results' protocols.",
        metavar="TABLE",
        show_default=False,
    ),
]
OnlyMeasured = Annotated[bool, typer.Option("--only-measured", help="Show no published rows.")]
Delta = Annotated[
    bool, typer.Option("--delta/--no-delta", help="Print the difference to the paper, where one may be taken.")
]
Intervals = Annotated[
    str,
    choice(
        "--intervals",
        ("brackets", "plus-minus", "none"),
        "Write 88.6 [87.9, 89.2]; 88.6 ± 0.7; or values alone.",
    ),
]
Significance = Annotated[
    bool,
    typer.Option("--significance", help="Mark rows that differ from the best one: paired tests on the scores."),
]
Against = Annotated[
    str | None, typer.Option("--against", help="Test against the row of this name instead.", metavar="ROW")
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="One table of these columns, a row for each network: ucf101:accuracy,aslan:auc,…",
        metavar="PROTOCOL:METRIC,…",
    ),
]
Standalone = Annotated[
    bool,
    typer.Option(
        "--standalone/--fragment",
        help="LaTeX: a document that compiles, or tables to \\input. HTML: a page, or its tables alone.",
    ),
]
Caption = Annotated[str | None, typer.Option("--caption", help="LaTeX: caption instead of the table's title.")]
FigureFiles = Annotated[
    list[Path] | None,
    typer.Option("--figure", help="HTML: data of a figure to show; those in a RESULT folder are shown anyway."),
]
Open = Annotated[bool, typer.Option("--open", help="HTML: open the page in the browser.")]
Label = Annotated[str | None, typer.Option("--label", help="LaTeX: key for \\ref.")]


def _refuse_foreign_options(
    chosen: Format,
    caption: str | None,
    label: str | None,
    standalone: bool,
    figures: list[Path] | None,
    open_: bool,
) -> None:
    """Refuse options that the format has no use for."""
    if chosen is not Format.LATEX and (caption is not None or label is not None):
        raise UserError(f"--caption and --label belong to LaTeX, not to {chosen.value}", "Add --format latex")
    if chosen not in (Format.LATEX, Format.HTML) and not standalone:
        raise UserError(
            f"--fragment belongs to LaTeX and HTML, not to {chosen.value}", "Add --format latex or html"
        )
    if (figures or open_) and not (chosen is Format.HTML and standalone):
        raise UserError("--figure and --open belong to a page", "Add --format html, without --fragment")


def _published(tables: list[str] | None, only_measured: bool) -> bool | list[str]:
    """Return the published tables that were named, or whether those of the results' protocols are shown."""
    if tables and only_measured:
        raise UserError("--published and --only-measured contradict each other", "Choose one")
    return tables or not only_measured


@command.command(NAME, epilog="Example: p3d-eval report results/*.json --format latex --out tables.tex")
def print_report(
    results: Results = None,
    format_: FormatOption = None,
    out: Out = None,
    published: Published = None,
    only_measured: OnlyMeasured = False,
    delta: Delta = True,
    intervals: Intervals = "brackets",
    significance: Significance = False,
    against: Against = None,
    columns: Columns = None,
    standalone: Standalone = True,
    caption: Caption = None,
    label: Label = None,
    figures: FigureFiles = None,
    open_: Open = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Print one table for each protocol: measured rows beside the published ones, the best in bold.

    The difference to the paper is printed only for results on the official splits or pairs with
    every video; otherwise the published rows stand there for reference only.
    """
    chosen = choose_format(format_, out, as_json)
    _refuse_foreign_options(chosen, caption, label, standalone, figures, open_)

    from p3d_eval.files import require_new
    from p3d_eval.reports import Report, render

    if out is not None:
        require_new(out, overwrite)
    report = Report.of(
        results or [],
        _published(published, only_measured),
        delta=delta,
        intervals=intervals,
        significance=significance,
        against=against,
        columns=split_names(columns),
        seed=seed,
    )
    require_other(out, (one.path for one in report.results))
    if chosen is Format.LATEX:
        text = report.to_latex(standalone, caption, label)
    elif chosen is Format.HTML and standalone:
        text = _page(report, results or [], figures or [])
    else:
        text = render(report.tables, chosen.value)
    if open_ and out is None:
        # To look at: nothing of the user's is touched.
        out = Path(mkdtemp(prefix="p3d-eval-")) / "report.html"
    _deliver(report, text, chosen, out, overwrite, quiet, as_json)
    if open_ and out is not None:
        _open_page(out)


def _deliver(
    report: "Report", text: str, chosen: Format, out: Path | None, overwrite: bool, quiet: bool, as_json: bool
) -> None:
    """Write the text to its file, or print it, and say what must be known."""
    from p3d_eval.files import write_text

    if out is not None:
        write_text(out, text, overwrite)
        if not quiet:
            told = f"{out}: {counted(len(report.tables), 'table')}, {chosen.value}"
            console(stderr=True).print(told, markup=False)
    warn([*report.warnings, *report.loud])
    if as_json:
        print_json({"out": None if out is None else str(out), "tables": report.to_plain()})
    elif out is None and not quiet:
        sys.stdout.write(text)


def _page(report: "Report", sources: list[Path], figure_files: list[Path]) -> str:
    """Write the page with every figure there is."""
    from p3d_eval.provenance import command_line
    from p3d_eval.reports.page import gather_figures, to_page
    from p3d_eval.reports.page.commands import typed

    figures, left_out = gather_figures(report.results, sources, figure_files)
    warn(left_out)
    return to_page(report, figures, command=typed(command_line()))


def _open_page(out: Path) -> None:
    """Show the page in the user's browser, or say where it is."""
    import webbrowser

    if not webbrowser.open(out.resolve().as_uri()):
        console(stderr=True).print(f"no browser found here; the page is {out}", markup=False)
