"""Formats of tables on the command line: which there are, and which the name of a file asks for."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from p3d_eval.cli._shared import choice, console
from p3d_eval.errors import UserError
from p3d_eval.printable import for_terminal


class Format(StrEnum):
    """How tables are drawn."""

    CSV = "csv"
    HTML = "html"
    JSON = "json"
    LATEX = "latex"
    MARKDOWN = "markdown"
    TEXT = "text"


_BY_SUFFIX = {
    ".csv": Format.CSV,
    ".html": Format.HTML,
    ".json": Format.JSON,
    ".tex": Format.LATEX,
    ".md": Format.MARKDOWN,
    ".txt": Format.TEXT,
}

FormatOption = Annotated[
    str | None,
    choice("--format", Format, "Default: as the suffix of --out says, else text.", "-f", show_default=False),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="File to write instead of standard output.")]


def choose_format(named: str | None, out: Path | None, as_json: bool) -> Format:
    """Return the format that was named, or that the output's suffix names; text without one.

    Raises
    ------
    UserError
        When the suffix names none or another than was named, or two things want standard output.
    """
    if as_json and out is None and named is not None:
        raise UserError(f"--json and --format {named} both want standard output", "Add --out FILE")
    known = None if out is None else _BY_SUFFIX.get(out.suffix.lower())
    if out is not None and named is not None and known not in (None, named):
        raise UserError(
            f"{out}: the suffix {out.suffix} is that of {known}, not of {named}",
            f"Leave out --format, or use {next(one for one, own in _BY_SUFFIX.items() if own == named)}",
        )
    if named is not None or out is None or not out.suffix:
        return Format(named or Format.TEXT)
    if known is None:
        raise UserError(
            f"{out}: no format has the suffix {out.suffix}",
            f"Use one of {', '.join(_BY_SUFFIX)}, or add --format",
        )
    return known


def split_names(text: str | None) -> tuple[str, ...]:
    """Split ``a, b`` into its names."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def warn(warnings: Iterable[str]) -> None:
    """Print warnings on standard error, quiet or not: they are about numbers that were asked for."""
    for warning in warnings:
        console(stderr=True).print(f"warning: {for_terminal(warning)}", style="bold red", markup=False)
