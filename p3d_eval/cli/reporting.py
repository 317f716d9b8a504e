"""``p3d-eval report``: results to tables beside the published rows."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from p3d_eval.cli._shared import Json, Overwrite, Quiet, console, print_json
from p3d_eval.errors import UserError

NAME = "report"
command = typer.Typer(add_completion=False)


class Format(StrEnum):
    """How tables are drawn."""

    CSV = "csv"
    JSON = "json"
    LATEX = "latex"
    MARKDOWN = "markdown"
    TEXT = "text"


_BY_SUFFIX = {
    ".csv": Format.CSV,
    ".json": Format.JSON,
    ".tex": Format.LATEX,
    ".md": Format.MARKDOWN,
    ".txt": Format.TEXT,
}

Results = Annotated[
    list[Path] | None,
    typer.Argument(help="Result files, or folders of them.", metavar="RESULT", show_default=False),
]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", "-f", help="Default: as the suffix of --out says, else text.", show_default=False),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="File to write instead of standard output.")]
Published = Annotated[
    bool, typer.Option("--published/--only-measured", help="Set the published rows beside the measured ones.")
]
Standalone = Annotated[
    bool,
    typer.Option("--standalone/--fragment", help="LaTeX: a document that compiles, or tables to \\input."),
]
Caption = Annotated[str | None, typer.Option("--caption", help="LaTeX: caption instead of the table's title.")]
Label = Annotated[str | None, typer.Option("--label", help="LaTeX: key for \\ref.")]


def _format_of(out: Path | None) -> Format:
    """Return the format that the output's suffix names; text without one."""
    if out is None or not out.suffix:
        return Format.TEXT
    if out.suffix.lower() not in _BY_SUFFIX:
        raise UserError(
            f"{out}: no format has the suffix {out.suffix}",
            f"Use one of {', '.join(_BY_SUFFIX)}, or add --format",
        )
    return _BY_SUFFIX[out.suffix.lower()]


@command.command(NAME, epilog="Example: p3d-eval report results/*.json --format latex --out tables.tex")
def print_report(
    results: Results = None,
    format_: FormatOption = None,
    out: Out = None,
    published: Published = True,
    standalone: Standalone = True,
    caption: Caption = None,
    label: Label = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Print one table for each protocol: measured rows beside the published ones, the best in bold.

    The difference to the paper is printed only for results on the official splits or pairs with
    every video; otherwise the published rows stand there for reference only.
    """
    chosen = format_ or _format_of(out)
    if chosen is not Format.LATEX and (caption is not None or label is not None or not standalone):
        raise UserError(
            f"--caption, --label and --fragment belong to LaTeX, not to {chosen.value}", "Add --format latex"
        )
    if as_json and out is None and format_ is not None:
        raise UserError(f"--json and --format {chosen.value} both want standard output", "Add --out FILE")

    from p3d_eval.files import require_new, write_text
    from p3d_eval.reports import Report, render

    if out is not None:
        require_new(out, overwrite)
    report = Report.of(results or [], published)
    if chosen is Format.LATEX:
        text = report.to_latex(standalone, caption, label)
    else:
        text = render(report.tables, chosen.value)
    if out is not None:
        write_text(out, text, overwrite)
        if not quiet:
            console(stderr=True).print(
                f"{out}: {len(report.tables)} table{'s' * (len(report.tables) != 1)}, {chosen.value}",
                markup=False,
            )
    loud = dict.fromkeys(note.text for table in report.tables for note in table.footnotes if note.loud)
    for warning in (*report.warnings, *loud):
        console(stderr=True).print(f"warning: {warning}", style="bold red", markup=False)
    if as_json:
        print_json({"out": None if out is None else str(out), "tables": report.to_plain()})
    elif out is None and not quiet:
        sys.stdout.write(text)
