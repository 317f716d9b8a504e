"""``p3d-eval preview``: what a network sees of a video, as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p3d_eval.cli._inputs import UNCHANGED, InputChanges, NetworkOption, takes_input
from p3d_eval.cli._shared import (
    Json,
    Overwrite,
    Quiet,
    console,
    parse_options,
    print_json,
    print_table,
)
from p3d_eval.errors import counted

if TYPE_CHECKING:
    from p3d_eval.features.clip_preview import Preview

NAME = "preview"
command = typer.Typer(add_completion=False)

Video = Annotated[Path, typer.Argument(help="Video file, or a folder of numbered images.")]
BackboneName = Annotated[
    str, typer.Option("--backbone", help="Network: p3d199, i3d, …, package.module:factory or file.py:factory.")
]
Out = Annotated[Path, typer.Option("--out", help="Picture to write (.png).")]
Weights = Annotated[
    str | None, typer.Option("--weights", help="For a factory that needs a file: the picture does not.")
]
Clips = Annotated[int, typer.Option("--clips", help="Clips that are spread evenly over the video.")]
Clip = Annotated[int, typer.Option("--clip", help="Which of them to draw, from 1.")]


@command.command(NAME, epilog="Example: p3d-eval preview --backbone p3d199 video.avi --out sheet.png")
@takes_input
def preview(
    video: Video,
    backbone: BackboneName,
    out: Out,
    weights: Weights = None,
    clips: Clips = 1,
    clip: Clip = 1,
    changed: InputChanges = UNCHANGED,
    option: NetworkOption = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw exactly what a network sees of a clip, frame by frame.

    Each frame stands there as it was decoded, with the crop; as the picture that the input's numbers stand
    for to the network, by its own specification; and as the numbers themselves with their range. A wrong
    mean, order or crop is visible at once.
    """
    from p3d_eval.files import require_new, require_writable

    require_new(out, overwrite)
    require_writable(out)
    from p3d_eval.backbones import load_backbone
    from p3d_eval.backbones.zoos.loading import without_weights
    from p3d_eval.features.clip_preview import preview_clip
    from p3d_eval.features.preview_sheet import save_sheet

    network = load_backbone(backbone, weights or without_weights(backbone), **changed, **parse_options(option))
    found = preview_clip(network, video, clips, clip)
    save_sheet(found, network.name, out, overwrite)
    if as_json:
        print_json(_as_json(found, out))
    elif not quiet:
        _print(found, out)


def _as_json(found: "Preview", out: Path) -> dict[str, Any]:
    return {
        "out": str(out),
        "frames": list(found.numbers),
        "shape": list(found.seen.shape),
        "input_spec": found.used.to_json(),
        "input_changes": dict(found.changes),
        "channels": found.statistics(),
        "outside": found.outside(),
    }


def _print(found: "Preview", out: Path) -> None:
    rows = [
        (name, *(f"{one[key]:.4g}" for key in ("min", "mean", "max", "std")))
        for name, one in found.statistics().items()
    ]
    print_table(f"v → {found.formula}", ("channel", "least", "mean", "largest", "std"), rows)
    console().print(f"{out}: {counted(len(found.numbers), 'frame')} of {found.video}", markup=False)
