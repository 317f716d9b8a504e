"""``p3d-eval compare``: is the difference between results more than chance?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p3d_eval.cli._shared import (
    Json,
    Overwrite,
    Quiet,
    Seed,
    choice,
    console,
    print_json,
    print_whole,
    require_other,
)
from p3d_eval.errors import UserError

if TYPE_CHECKING:
    from p3d_eval.protocols.significance import ComparisonReport

NAME = "compare"
command = typer.Typer(add_completion=False)


Results = Annotated[
    list[Path] | None,
    typer.Argument(help="Result files of one protocol, two or more.", metavar="RESULT", show_default=False),
]
MetricOption = Annotated[
    str | None,
    typer.Option(
        "--metric",
        help="accuracy, top3, top5, video_hit5, map, map_sklearn, auc_mean_of_folds (default: accuracy; the "
        "first of a video's hits; or map for several labels a video).",
        show_default=False,
    ),
]
TestOption = Annotated[
    str,
    choice(
        "--test",
        ("auto", "sign-flip", "mcnemar", "bootstrap", "student"),
        "auto flips the signs of clusters or folds, and bootstraps map.",
    ),
]
Common = Annotated[
    bool, typer.Option("--common", help="Compare on the trials that all have, where some lack some.")
]
Level = Annotated[float, typer.Option("--level", help="Confidence level.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="JSON file to write.", show_default=False)]


@command.command(NAME, epilog="Example: p3d-eval compare results/ucf101-i3d.json results/ucf101-c3d.json")
def compare_results(
    results: Results = None,
    metric: MetricOption = None,
    test: TestOption = "auto",
    common: Common = False,
    level: Level = 0.95,
    seed: Seed = 0,
    out: Out = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Test the difference between results on the same videos or pairs, and say what it means.

    Every pair of results is tested on the scores saved beside them; p-values of more than one pair are
    corrected by Holm's method. Results must be of one protocol, version and set of annotations.
    """
    if quiet and as_json:
        raise UserError("--quiet and --json contradict each other", "Choose one")

    from p3d_eval.files import require_json, require_new, require_writable, write_text
    from p3d_eval.protocols.significance import compare

    if out is not None:  # before the work
        require_json(out)
        require_new(out, overwrite)
        require_writable(out)
        require_other(out, results or [])
    report = compare(
        results or [],
        metric=metric,
        test=test,  # type: ignore[arg-type]  # compare refuses other words
        common=common,
        seed=seed,
        level=level,
    )
    document = report.to_json()
    if out is not None:
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_text(out, text, overwrite)
    if as_json:
        print_json(document)
    elif not quiet:
        _print(report, out)


def _print(report: "ComparisonReport", out: Path | None) -> None:
    """Print a table, then a sentence for each comparison, then what must be known."""
    from rich.markup import escape
    from rich.table import Table

    several = len(report.comparisons) > 1
    first = report.comparisons[0]
    table = Table(
        title=escape(
            f"{report.protocol}: {report.metric} in %, {report.trials} trials; {first.test} over {first.units}"
        ),
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
    )
    table.add_column("first")
    table.add_column("", justify="right")
    table.add_column("second")
    for heading in ("", "difference", "interval", "p", *(["p (Holm)"] if several else [])):
        table.add_column(heading, justify="right")
    for row in report.rows:
        table.add_row(*map(escape, row))
    print_whole(table)
    screen = console()
    for one in report.comparisons:
        screen.print(one.sentence, markup=False)
    for how in dict.fromkeys(f"{one.test}: {one.how}; {one.difference.method}" for one in report.comparisons):
        screen.print(how, style="dim", markup=False)
    for warning in report.warnings:
        screen.print(f"warning: {warning}", style="bold red", markup=False)
    if out is not None:
        screen.print(f"Comparison: {out}", markup=False)
