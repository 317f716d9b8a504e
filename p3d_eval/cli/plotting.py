"""``p3d-eval plot``: figures from results and from features, each with its data beside it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p3d_eval.cli._shared import CommandGroup, Json, Overwrite, Quiet, Seed, choice, console, print_json
from p3d_eval.errors import UserError

if TYPE_CHECKING:
    from p3d_eval.reports.figures.picture import Figure

NAME = "plot"
command = typer.Typer(
    help="Draw figures as PDF, SVG or PNG, with the data they were drawn from beside them.",
    epilog="Example: p3d-eval plot roc results/aslan-*.json --out roc.pdf",
    add_completion=False,
    cls=CommandGroup,
)

Results = Annotated[
    list[Path],
    typer.Argument(help="Result files, or folders of them.", metavar="RESULT…", show_default=False),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out", "-o", help="File to write: .pdf, .svg or .png; without a suffix all three.", show_default=False
    ),
]
Font = Annotated[
    str | None, typer.Option("--font", help="Font family in place of DejaVu Sans.", show_default=False)
]
Bare = Annotated[bool, typer.Option("--bare", help="Leave out title and notes, for a paper with a caption.")]
Metric = Annotated[
    str | None, typer.Option("--metric", help="Default: the first of the results' metrics.", show_default=False)
]


_COSTS = (
    *("clips_per_second", "frames_per_second", "macs", "flops"),
    *("parameters", "model_bytes", "peak_bytes"),
)
Cost = Annotated[str, choice("--cost", _COSTS, "What of a profile.")]
Scaling = Annotated[str, choice("--normalise", ("l2", "signed-sqrt-l2", "none"), "Done to each video first.")]
Layer = Annotated[
    list[str] | None,
    typer.Option("--layer", help="Stored layer to map; repeat it to give each file its own. Default: pool5."),
]


@command.command()
def sweep(
    results: Results,
    out: Out,
    metric: Metric = None,
    font: Font = None,
    bare: Bare = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw accuracy against the number of dimensions (Figure 6), from results made with --pca.

    Example: p3d-eval plot sweep results/ucf101-*.json --out sweep.pdf
    """
    _draw("sweep", results, out, font, bare, overwrite, quiet, as_json, metric=metric)


@command.command()
def roc(
    results: Results,
    out: Out,
    font: Font = None,
    bare: Bare = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw ROC curves of results on pairs, as ASLAN's.

    Example: p3d-eval plot roc results/aslan-*.json --out roc.pdf
    """
    _draw("roc", results, out, font, bare, overwrite, quiet, as_json)


@command.command("precision-recall")
def precision_recall(
    results: Results,
    out: Out,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class", help="A class to draw; repeatable. Default: the mean of all.", show_default=False
        ),
    ] = None,
    font: Font = None,
    bare: Bare = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw precision against recall, interpolated as ActivityNet's average precision.

    Example: p3d-eval plot precision-recall results/activitynet-*.json --out pr.pdf
    """
    options = {"classes": tuple(classes or ())}
    _draw("precision-recall", results, out, font, bare, overwrite, quiet, as_json, **options)


@command.command()
def confusion(
    result: Annotated[Path, typer.Argument(help="Result file.", metavar="RESULT", show_default=False)],
    out: Out,
    font: Font = None,
    bare: Bare = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw which class is taken for which, and list the largest confusions.

    Example: p3d-eval plot confusion results/ucf101-i3d.json --out confusion.pdf
    """
    _draw("confusion", [result], out, font, bare, overwrite, quiet, as_json)


@command.command("per-class")
def per_class(
    results: Results,
    out: Out,
    most: Annotated[
        int | None,
        typer.Option(
            "--most", help="Only so many classes: those that differ most, or the lowest.", show_default=False
        ),
    ] = None,
    font: Font = None,
    bare: Bare = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw bars of every class, one network against another, ordered by the difference.

    Example: p3d-eval plot per-class results/ucf101-c3d.json results/ucf101-i3d.json --out classes.pdf
    """
    _draw("per-class", results, out, font, bare, overwrite, quiet, as_json, most=most)


@command.command("speed-accuracy")
def speed_accuracy(
    results: Results,
    out: Out,
    cost: Cost = "clips_per_second",
    metric: Metric = None,
    font: Font = None,
    bare: Bare = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw accuracy against speed or size, with the Pareto front, from profiles and results together.

    Example: p3d-eval plot speed-accuracy results/ucf101-*.json profiles/ --out trade-off.pdf
    """
    options = {"cost": cost, "metric": metric}
    _draw("speed-accuracy", results, out, font, bare, overwrite, quiet, as_json, **options)


@command.command()
def tsne(
    features: Annotated[
        list[Path],
        typer.Argument(help="Feature files, one a panel.", metavar="FEATURES…", show_default=False),
    ],
    out: Out,
    layer: Layer = None,
    videos: Annotated[int, typer.Option("--videos", help="How many, drawn at random.")] = 10_000,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            help="CSV of id,label[,group]. Default: a video's folder is its class.",
            show_default=False,
        ),
    ] = None,
    normalise: Scaling = "l2",
    pca: Annotated[int, typer.Option("--pca", help="Principal components to begin from.")] = 50,
    perplexity: Annotated[float, typer.Option("--perplexity", help="Neighbours that count, softly.")] = 30.0,
    neighbours: Annotated[int, typer.Option("--neighbours", help="k of the k-NN accuracy.")] = 20,
    thumbnails: Annotated[int, typer.Option("--thumbnails", help="Pictures of so many videos.")] = 0,
    video_source: Annotated[
        Path | None,
        typer.Option("--video-source", help="Folder or list of the videos, for pictures.", show_default=False),
    ] = None,
    seed: Seed = 0,
    font: Font = None,
    bare: Bare = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Map videos by t-SNE (Figure 7), networks side by side, with k-NN accuracy and silhouette.

    Example: p3d-eval plot tsne p3d.h5 i3d.h5 --layer pool5 --out map.pdf
    """
    options = {
        "layer": tuple(layer or ("pool5",)),
        "videos": videos,
        "table": table,
        "normalise": normalise,
        "components": pca,
        "perplexity": perplexity,
        "neighbours": neighbours,
        "thumbnails": thumbnails,
        "video_source": video_source,
        "seed": seed,
    }
    _draw("tsne", features, out, font, bare, overwrite, quiet, as_json, **options)


@command.command()
def again(
    data: Annotated[
        Path, typer.Argument(help="NAME.figure.json beside a picture.", metavar="DATA", show_default=False)
    ],
    out: Out,
    font: Font = None,
    bare: Bare = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw a figure again from the data beside it: in another format, font or without its title.

    Example: p3d-eval plot again map.figure.json --out slides/map.svg
    """
    _require_one_voice(quiet, as_json)
    from p3d_eval.reports.figures.picture import Figure

    figure = Figure(Figure.read(data).data, font, bare)
    _tell(figure, figure.save(out, overwrite), quiet, as_json)


def _draw(
    kind: str,
    sources: list[Path],
    out: Path,
    font: str | None,
    bare: bool,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Draw, save and tell which files were written."""
    _require_one_voice(quiet, as_json)
    from p3d_eval.reports.figures.picture import require_outputs
    from p3d_eval.reports.figures.plotting import plot

    files = require_outputs(out, overwrite)  # before the work
    figure = plot(kind, sources, out, font=font, bare=bare, overwrite=overwrite, quiet=quiet, **options)
    _tell(figure, files, quiet, as_json)


def _require_one_voice(quiet: bool, as_json: bool) -> None:
    if quiet and as_json:
        raise UserError("--quiet and --json contradict each other", "Choose one")


def _tell(figure: "Figure", files: list[Path], quiet: bool, as_json: bool) -> None:
    """Name the files, and what must be known."""
    screen = console(stderr=True)
    if figure.warning and not quiet:
        screen.print(f"warning: {figure.warning}", style="bold red", markup=False)
    if as_json:
        document = {"files": [str(file) for file in files], "warning": figure.warning}
        print_json(document | {"notes": list(figure.data.notes)})
    elif not quiet:
        for note in figure.data.notes:
            screen.print(note, style="dim", markup=False)
        screen.print("wrote " + ", ".join(map(str, files)), markup=False)
