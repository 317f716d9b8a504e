"""``p3d-eval import``: features made elsewhere into a feature file."""

from pathlib import Path
from typing import Annotated

import typer

from p3d_eval.cli._embedding import Annotations, Dataset, read_embedded
from p3d_eval.cli._shared import Json, Overwrite, Quiet, console, print_json
from p3d_eval.errors import counted

NAME = "import"
command = typer.Typer(add_completion=False)

Source = Annotated[
    Path,
    typer.Argument(help="Folder of .npy/.npz (one a video), one .npy (with --ids), or .csv (id, numbers)."),
]
Out = Annotated[Path, typer.Option("--out", help="Feature file to make.")]
Name = Annotated[str, typer.Option("--name", help="What made the features, e.g. idt; tables call the row so.")]
LayerName = Annotated[
    str, typer.Option("--layer", help="Name to store them under (.npz: the keys are the names).")
]
Ids = Annotated[Path | None, typer.Option("--ids", help="Text file with one id a line, in the .npy's order.")]
Classes = Annotated[
    Path | None, typer.Option("--classes", help="Text file with one class name a line, in prob's order.")
]
Dtype = Annotated[str, typer.Option("--dtype", help="Stored type: float32, float16 or float64.")]


@command.command(
    NAME, epilog="Example: p3d-eval import fv.npy --ids ids.txt --name idt --layer fv --out idt.h5"
)
def import_features(
    source: Source,
    out: Out,
    name: Name,
    layer: LayerName = "features",
    ids: Ids = None,
    classes: Classes = None,
    dtype: Dtype = "float32",
    dataset: Dataset = None,
    annotations: Annotations = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Turn features made elsewhere (IDT, another program's network) into a feature file.

    Ids are paths without extension, as extract makes them, so that the same protocols find the videos.
    """
    from p3d_eval.features import importers, open_features

    embedded = read_embedded(dataset, annotations)
    importers.import_features(
        source,
        out,
        name=name,
        layer=layer,
        ids=ids,
        classes=classes,
        dtype=dtype,
        annotations=embedded,
        overwrite=overwrite,
    )
    store = open_features(out)
    if as_json:
        print_json(
            {"out": str(out), "videos": len(store.ids), "layers": {x: store.shape(x) for x in store.layers}}
        )
    if not quiet:
        layers = ", ".join(f"{x} {'×'.join(map(str, store.shape(x)))}" for x in store.layers)
        console(stderr=True).print(f"{out}: {counted(len(store.ids), 'video')}, {layers}", markup=False)
