"""``p3d-eval annotate``: put a data set's official annotation files into a feature file."""

from pathlib import Path
from typing import Annotated

import typer

from p3d_eval.cli._shared import Json, Overwrite, Quiet, console, print_json

NAME = "annotate"

command = typer.Typer(add_completion=False, rich_markup_mode="rich")


@command.command(NAME)
def annotate(
    features: Annotated[Path, typer.Argument(help="Feature file.")],
    dataset: Annotated[str, typer.Argument(help="Data set: aslan, ucf101, …")],
    annotations: Annotated[Path, typer.Argument(help="Official file, or folder of the official lists.")],
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json_output: Json = False,
) -> None:
    """Embed a data set's official annotation files in a feature file, so that protocols find them.

    Example: p3d-eval annotate feats.h5 aslan View2.mat
    """
    from p3d_eval.features import embed_annotations
    from p3d_eval.protocols.annotations import read_official
    from p3d_eval.provenance import sha256_bytes

    files = read_official(dataset, annotations)
    embed_annotations(features, dataset, files, overwrite)
    hashes = {name: sha256_bytes(data) for name, data in files.items()}
    if json_output:
        print_json({"features": str(features), "dataset": dataset, "files": hashes})
    elif not quiet:
        for name, digest in hashes.items():
            console().print(f"{features}: embedded {dataset}/{name} (SHA-256 {digest[:12]}…)", markup=False)
