"""Official annotation files that a command embeds in the feature file that it makes."""

from pathlib import Path
from typing import Annotated

import typer

from p3d_eval.errors import UserError

Dataset = Annotated[
    list[str] | None, typer.Option("--dataset", help="Embed this data set's --annotations; may be repeated.")
]
Annotations = Annotated[
    list[Path] | None, typer.Option("--annotations", help="Official annotation file or folder of --dataset.")
]


def read_embedded(datasets: list[str] | None, paths: list[Path] | None) -> dict[str, dict[str, bytes]]:
    """Read the annotation files that are to be embedded: data set → file name → content."""
    names, files = datasets or [], paths or []
    if len(names) != len(files):
        raise UserError(
            f"{len(names)} --dataset and {len(files)} --annotations were given", "Each data set needs its file"
        )
    if not names:
        return {}
    from p3d_eval.protocols.annotations import read_official

    return {name: read_official(name, path) for name, path in zip(names, files, strict=True)}
