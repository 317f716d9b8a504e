"""``p3d-eval check-backbone``: is a network fit to be evaluated?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p3d_eval.cli._inputs import UNCHANGED, Device, InputChanges, NetworkOption, takes_input
from p3d_eval.cli._shared import (
    SOME_FAILED,
    Json,
    Quiet,
    Seed,
    console,
    parse_options,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from torch import Tensor

    from p3d_eval.backbones import Backbone

NAME = "check-backbone"
command = typer.Typer(add_completion=False)

_VERDICTS = {
    "pass": "every check passed",
    "warn": "nothing is wrong, and something is unusual",
    "fail": "not fit to be evaluated",
}

Name = Annotated[
    str, typer.Argument(help="Network: p3d199, i3d, …, package.module:factory or file.py:factory.")
]
Weights = Annotated[
    str | None, typer.Option("--weights", help="Weights file; default: random where the network takes one.")
]
Layers = Annotated[
    str | None, typer.Option("--layers", help="Layers to look at; default: the network's for ASLAN.")
]
Video = Annotated[
    Path | None, typer.Option("--video", help="Check on two clips of this video; default: moving noise.")
]


@command.command(NAME, epilog="Example: p3d-eval check-backbone my_network.py:factory")
@takes_input
def check(
    name: Name,
    weights: Weights = None,
    layers: Layers = None,
    video: Video = None,
    changed: InputChanges = UNCHANGED,
    device: Device = "auto",
    option: NetworkOption = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check a network for what goes wrong most often, and print a verdict.

    Input range, finite values, probabilities, determinism, batch invariance, evaluation mode, constant
    output, order of frames, weights. The exit status is 3 when a check failed.
    """
    from p3d_eval.backbones import load_backbone
    from p3d_eval.backbones.sanity import check_backbone, worst_verdict

    network = load_backbone(name, weights, device, seed=seed, **changed, **parse_options(option))
    checks = check_backbone(network, layers, None if video is None else _clips(network, video))
    verdict = worst_verdict(checks)
    if as_json:
        print_json(_as_json(name, verdict, checks))
    elif not quiet:
        print_table(name, ("check", "verdict", "finding"), [(c.name, c.verdict, c.finding) for c in checks])
    if verdict == "fail" or not (quiet or as_json):
        screen = console(stderr=as_json or quiet)
        screen.print(f"{name}: {verdict}: {_VERDICTS[verdict]}", markup=False)
    if verdict == "fail":
        raise typer.Exit(SOME_FAILED)


def _clips(network: "Backbone", video: Path) -> "list[Tensor]":
    """Cut a clip from the beginning of a video and one from its end."""
    import torch

    from p3d_eval.features.clip_preview import preview_clip

    return [torch.from_numpy(preview_clip(network, video, 3, place).frames) for place in (1, 3)]


def _as_json(name: str, verdict: str, checks: Any) -> dict[str, Any]:
    listed = [{"name": one.name, "verdict": one.verdict, "finding": one.finding} for one in checks]
    return {"backbone": name, "verdict": verdict, "checks": listed}
