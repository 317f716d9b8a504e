"""``p3d-eval leaderboard``: which system is best over a folder of results."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p3d_eval.cli._formats import Format, FormatOption, Out, choose_format, split_names, warn
from p3d_eval.cli._shared import Json, Overwrite, Quiet, Seed, console, print_json, require_other
from p3d_eval.errors import UserError

if TYPE_CHECKING:
    from p3d_eval.reports.leaderboard import Leaderboard

NAME = "leaderboard"
command = typer.Typer(add_completion=False)


Results = Annotated[
    list[Path] | None,
    typer.Argument(help="Folders of results, or result files.", metavar="RESULT", show_default=False),
]
Benchmarks = Annotated[
    str | None,
    typer.Option("--benchmarks", help="Columns: ucf101,aslan:auc,… (default: all).", metavar="NAME[:METRIC],…"),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        help="Keep results of which a property or option matches: label='i3d*', backbone=p3d199, C=10.",
        metavar="KEY=PATTERN",
        show_default=False,
    ),
]
Official = Annotated[
    bool, typer.Option("--official", help="Keep results on official annotations with every video.")
]
Sort = Annotated[str, typer.Option("--sort", help="mean, borda, or a benchmark.")]
Top = Annotated[int | None, typer.Option("--top", help="Show that many rows; ranks are of all.", min=1)]
Compare = Annotated[
    tuple[str, str] | None,
    typer.Option("--compare", help="Test two rows against each other, on the scores of their results."),
]


@command.command(NAME, epilog="Example: p3d-eval leaderboard results/ --sort borda --compare i3d p3d199")
def print_leaderboard(
    results: Results = None,
    benchmarks: Benchmarks = None,
    where: Where = None,
    official: Official = False,
    sort: Sort = "mean",
    top: Top = None,
    compared: Compare = None,
    format_: FormatOption = None,
    out: Out = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Rank systems over benchmarks: values, ranks with intervals, the mean and Borda's count.

    A benchmark is what results of one protocol share: annotations, splits, videos and version. A result that
    did not converge, or lacks videos where others have all, is shown and not ranked; only systems that are
    ranked on every benchmark are ranked overall.
    """
    chosen = choose_format(format_, out, as_json)

    from p3d_eval.files import require_new, write_text
    from p3d_eval.reports import render
    from p3d_eval.reports.leaderboard import leaderboard

    if out is not None:
        require_new(out, overwrite)
    board = leaderboard(
        results or [],
        benchmarks=split_names(benchmarks),
        where=_patterns(where or []),
        official=official,
        sort=sort,
        top=top,
        compared=compared,
        seed=seed,
    )
    require_other(out, (one.path for one in board.results))
    text = _page(board) if chosen is Format.HTML else render(board.tables, chosen.value)
    if out is not None:
        write_text(out, text, overwrite)
    warn([*board.warnings, *board.loud])
    if as_json:
        print_json({"out": None if out is None else str(out), **board.to_document()})
    elif not quiet:
        _print(board, text, chosen, out)


def _patterns(texts: list[str]) -> dict[str, str]:
    """Read the KEY=PATTERN words of --where."""
    patterns = {}
    for text in texts:
        key, _, pattern = text.partition("=")
        if not (key and pattern):
            raise UserError(f"--where {text!r} is not KEY=PATTERN", "Write for example --where label='i3d*'")
        patterns[key] = pattern
    return patterns


def _page(board: "Leaderboard") -> str:
    from p3d_eval.provenance import command_line
    from p3d_eval.reports.page import to_page
    from p3d_eval.reports.page.commands import typed

    return to_page(board, title="Leaderboard", command=typed(command_line()))


def _print(board: "Leaderboard", text: str, chosen: Format, out: Path | None) -> None:
    """Print the table; a sentence for each comparison too, where no table with its notes is in sight."""
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        console().print(f"Leaderboard: {out}", markup=False)
    if out is not None or chosen is Format.CSV:
        for line in board.sentences:
            console(stderr=out is None).print(line, markup=False)
