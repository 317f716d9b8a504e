"""``p3d-eval plot``: figures from results and from features, each with its data beside it."""

from pathlib import Path
from typing import Annotated

import typer

from p3d_eval.cli._drawing import Drawing, draws
from p3d_eval.cli._shared import CommandGroup, Seed, choice

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
@draws
def sweep(results: Results, drawing: Drawing, metric: Metric = None) -> None:
    """Draw accuracy against the number of dimensions (Figure 6), from results made with --pca.

    Example: p3d-eval plot sweep results/ucf101-*.json --out sweep.pdf
    """
    drawing.draw("sweep", results, metric=metric)


@command.command()
@draws
def roc(results: Results, drawing: Drawing) -> None:
    """Draw ROC curves of results on pairs, as ASLAN's.

    Example: p3d-eval plot roc results/aslan-*.json --out roc.pdf
    """
    drawing.draw("roc", results)


@command.command("precision-recall")
@draws
def precision_recall(
    results: Results,
    drawing: Drawing,
    classes: Annotated[
        list[str] | None,
        typer.Option(
            "--class", help="A class to draw; repeatable. Default: the mean of all.", show_default=False
        ),
    ] = None,
) -> None:
    """Draw precision against recall, interpolated as ActivityNet's average precision.

    Example: p3d-eval plot precision-recall results/activitynet-*.json --out pr.pdf
    """
    drawing.draw("precision-recall", results, classes=tuple(classes or ()))


@command.command()
@draws
def confusion(
    result: Annotated[Path, typer.Argument(help="Result file.", metavar="RESULT", show_default=False)],
    drawing: Drawing,
) -> None:
    """Draw which class is taken for which, and list the largest confusions.

    Example: p3d-eval plot confusion results/ucf101-i3d.json --out confusion.pdf
    """
    drawing.draw("confusion", [result])


@command.command("per-class")
@draws
def per_class(
    results: Results,
    drawing: Drawing,
    most: Annotated[
        int | None,
        typer.Option(
            "--most", help="Only so many classes: those that differ most, or the lowest.", show_default=False
        ),
    ] = None,
) -> None:
    """Draw bars of every class, one network against another, ordered by the difference.

    Example: p3d-eval plot per-class results/ucf101-c3d.json results/ucf101-i3d.json --out classes.pdf
    """
    drawing.draw("per-class", results, most=most)


@command.command("speed-accuracy")
@draws
def speed_accuracy(
    results: Results, drawing: Drawing, cost: Cost = "clips_per_second", metric: Metric = None
) -> None:
    """Draw accuracy against speed or size, with the Pareto front, from profiles and results together.

    Example: p3d-eval plot speed-accuracy results/ucf101-*.json profiles/ --out trade-off.pdf
    """
    drawing.draw("speed-accuracy", results, cost=cost, metric=metric)


@command.command()
@draws
def tsne(
    features: Annotated[
        list[Path],
        typer.Argument(help="Feature files, one a panel.", metavar="FEATURES…", show_default=False),
    ],
    drawing: Drawing,
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
) -> None:
    """Map videos by t-SNE (Figure 7), networks side by side, with k-NN accuracy and silhouette.

    Example: p3d-eval plot tsne p3d.h5 i3d.h5 --layer pool5 --out map.pdf
    """
    drawing.draw(
        "tsne",
        features,
        layer=tuple(layer or ("pool5",)),
        videos=videos,
        table=table,
        normalise=normalise,
        components=pca,
        perplexity=perplexity,
        neighbours=neighbours,
        thumbnails=thumbnails,
        video_source=video_source,
        seed=seed,
    )


@command.command()
@draws
def again(
    data: Annotated[
        Path, typer.Argument(help="NAME.figure.json beside a picture.", metavar="DATA", show_default=False)
    ],
    drawing: Drawing,
) -> None:
    """Draw a figure again from the data beside it: in another format, font or without its title.

    Example: p3d-eval plot again map.figure.json --out slides/map.svg
    """
    drawing.draw_again(data)
