"""``p3d-eval merge``: the shards of one extraction into one feature file."""

from pathlib import Path
from typing import Annotated

import typer

from p3d_eval.cli._shared import SOME_FAILED, Json, Overwrite, Quiet, console, failure_lines, print_json
from p3d_eval.errors import counted

NAME = "merge"
command = typer.Typer(add_completion=False)

Shards = Annotated[list[Path], typer.Argument(help="Files of all shards, in any order.")]
Out = Annotated[Path, typer.Option("--out", help="Feature file to make.")]


@command.command(NAME, epilog="Example: p3d-eval merge shard-*.h5 --out feats.h5")
def merge(
    shards: Shards, out: Out, overwrite: Overwrite = False, quiet: Quiet = False, as_json: Json = False
) -> None:
    """Put the shards that extract --shard i/n wrote together, after checking that they belong together.

    The result is what one undivided run would have made. Videos that failed are carried over; then the exit
    status is 3.
    """
    from p3d_eval.features.merging import merge_shards
    from p3d_eval.progress import Progress

    def shown(total: int, done: int) -> Progress:
        return Progress("merge", total, "videos", quiet, done)

    summary = merge_shards(shards, out, overwrite=overwrite, progress=shown)
    if as_json:
        print_json(
            {
                "out": str(summary.path),
                "shards": summary.shards,
                "expected": summary.expected,
                "done": summary.done,
                "failed": dict(summary.failed),
            }
        )
    if not quiet:
        screen = console(stderr=True)
        counts = f"{summary.done} of {counted(summary.expected, 'video')} done, {len(summary.failed)} failed"
        for line in [
            f"{summary.path}: {counted(summary.shards, 'shard')}, {counts}",
            *failure_lines(summary.path, summary.failed),
        ]:
            screen.print(line, markup=False)
    if summary.failed:
        raise typer.Exit(SOME_FAILED)
