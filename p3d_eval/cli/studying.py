"""``p3d-eval run``: a whole study from one file."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p3d_eval.cli._shared import (
    SOME_FAILED,
    Json,
    Overwrite,
    Quiet,
    console,
    debugging,
    print_json,
    print_table,
)
from p3d_eval.errors import UserError, counted

if TYPE_CHECKING:
    from p3d_eval.study.run import StudyRun

NAME = "run"
command = typer.Typer(add_completion=False)

StudyFile = Annotated[Path, typer.Argument(help="Study file (TOML).", metavar="STUDY", show_default=False)]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder of the outputs, instead of the file's own.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan with predicted time and disk.")]
Limit = Annotated[
    int | None, typer.Option("--limit", help="Try it on so many videos of each data set, in OUT-limit-N.")
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", help="Protocols side by side; default: one for two cores, four at most."),
]
Retry = Annotated[bool, typer.Option("--retry", help="Try failed videos again.")]
Prune = Annotated[
    bool,
    typer.Option("--prune", help="Run nothing; list what former versions left, and delete it if you say so."),
]
Yes = Annotated[bool, typer.Option("--yes", help="With --prune: delete without asking.")]


@command.command(NAME, epilog="Example: p3d-eval run study.toml --dry-run")
def run(
    study: StudyFile,
    out: Out = None,
    dry_run: DryRun = False,
    limit: Limit = None,
    jobs: Jobs = None,
    retry: Retry = False,
    overwrite: Overwrite = False,
    prune: Prune = False,
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Run a study: extract what is missing, evaluate what is missing, report everything.

    What is there with the same content is kept, so a second run does nothing, and the same command goes on
    where an interrupted one stopped. A cell that fails does not stop the others; the exit status is 3 then.
    """
    from p3d_eval.study.run import run_study

    if prune:
        pruned = _prune(study, out, limit, False if dry_run else yes or None, shown=not (quiet or as_json))
        if as_json:
            print_json(pruned)
        return
    if yes:
        raise UserError("--yes goes with --prune")
    done = run_study(
        study,
        out=out,
        limit=limit,
        dry_run=dry_run,
        jobs=jobs,
        retry=retry,
        overwrite=overwrite,
        quiet=quiet,
    )
    if dry_run:
        _print_plan(done, quiet, as_json)
        if any(one.failed for one in done.predictions):
            raise typer.Exit(SOME_FAILED)
        return
    if as_json:
        print_json(_as_json(done))
    elif not quiet and done.report is not None:
        sys.stdout.write(done.report.to_text())
    _print_outcome(done, quiet)
    if not done.whole:
        raise typer.Exit(SOME_FAILED)


def _prune(
    study: Path, out: Path | None, limit: int | None, delete: bool | None, shown: bool
) -> dict[str, Any]:
    """List files that nothing refers to any more, and delete them where the user says so.

    ``delete`` None asks where there is somebody to answer.
    """
    from p3d_eval.study.pruning import prune_study
    from p3d_eval.units import size

    def decide(files: Mapping[Path, int]) -> bool:
        if shown:
            screen = console()
            screen.print("Files that nothing refers to any more", style="bold")
            for path, nbytes in files.items():
                screen.print(f"{size(nbytes):>8}  {path}", markup=False)
        if delete is None and shown and sys.stdin.isatty():
            return typer.confirm(f"\nDelete {total(files)}?", err=True)
        return bool(delete)

    def total(files: Mapping[Path, int]) -> str:
        return f"{counted(len(files), 'file')}, {size(sum(files.values()))}"

    found = prune_study(study, out=out, limit=limit, delete=decide)
    kept = [path for path in found if path.exists()]
    if shown:
        text = (
            f"{total(found)}: {'kept; --yes deletes them' if kept else 'deleted'}"
            if found
            else "nothing to delete"
        )
        console(stderr=True).print(text, markup=False)
    files = [{"path": str(path), "bytes": nbytes} for path, nbytes in found.items()]
    return {"files": files, "deleted": bool(found) and not kept}


def _print_plan(done: "StudyRun", quiet: bool, as_json: bool) -> None:
    """Print what is to be done, with its sum."""
    if as_json:
        cells = [
            {
                "cell": one.cell.name,
                "state": one.state,
                "seconds": one.seconds,
                "bytes": one.nbytes,
                "hint": one.hint or None,
            }
            for one in done.predictions
        ]
        print_json({"out": str(done.folder), "cells": cells})
        return
    if quiet:
        return
    from p3d_eval.study.wording import PLAN_COLUMNS, plan_rows, plan_sum

    print_table(f"{done.plan.study.name} into {done.folder}", PLAN_COLUMNS, plan_rows(done.predictions))
    screen = console()
    for one in done.predictions:
        if one.hint:
            screen.print(f"{one.cell.name}: {one.hint}", style="dim", markup=False)
    screen.print(f"\n{plan_sum(done.predictions)}", markup=False)


def _print_outcome(done: "StudyRun", quiet: bool) -> None:
    """Say what was done and what failed, on standard error; failures are not hidden by --quiet."""
    from p3d_eval.study.wording import failures, outcome_sum

    screen = console(stderr=True)
    if debugging():
        for one in done.failed:
            screen.print(one.facts.get("traceback", ""), markup=False, highlight=False, end="")
    for line, hint in failures(done):
        screen.print(line, style="bold red", markup=False)
        if hint:
            screen.print(f"  {hint}", style="dim", markup=False)
    if not quiet:
        screen.print(f"{done.folder}: {outcome_sum(done)}", markup=False)


def _as_json(done: "StudyRun") -> dict[str, Any]:
    return {
        "out": str(done.folder),
        "cells": [
            {
                "cell": one.cell.name,
                "status": one.status,
                "path": None if one.path is None else str(one.path),
                "reason": one.reason or None,
                "hint": one.hint or None,
                "failed_videos": dict(one.failed_videos),
            }
            for one in done.outcomes
        ],
        "report": [str(path) for path in done.files],
        "report_failure": done.failure or None,
    }
