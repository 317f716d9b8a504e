"""Maps of videos by t-SNE (P3D paper, Figure 7), with numbers on how well the classes are separated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p3d_eval.errors import UnknownNameError, UserError, counted, shorten
from p3d_eval.features import FeatureStore
from p3d_eval.features.ids import list_videos
from p3d_eval.progress import Progress
from p3d_eval.protocols.normalisation import SPOKEN, Normalisation
from p3d_eval.protocols.separation import Separation, separation
from p3d_eval.protocols.task_features import match_task, read_features
from p3d_eval.protocols.tasks import Task
from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.embedding import (
    COMPONENTS,
    ITERATIONS,
    PERPLEXITY,
    Embedding,
    embed,
    require_settings,
)
from p3d_eval.reports.figures.labelled import percent
from p3d_eval.reports.figures.mapped_videos import Chosen, choose_videos
from p3d_eval.reports.figures.thumbnails import make_thumbnails, spread

VIDEOS = 10_000  # of Figure 7
_NORMALISATIONS: tuple[Normalisation, ...] = ("none", "l2", "signed-sqrt-l2")


@dataclass(frozen=True)
class MapOptions:
    """Options of a map.

    Parameters
    ----------
    layers : tuple of str
        Layer of each file, or one for all.
    videos : int
        Videos drawn at random; all where there are fewer.
    normalise : {"l2", "signed-sqrt-l2", "none"}
        What is done to each video's features first.
    perplexity : float
        Neighbours that count for each video, softly.
    components : int
        Principal components that wider features are replaced by.
    neighbours : int
        k of the k-NN number.
    seed : int
        Of the draw, of t-SNE's start and of the bootstrap.
    thumbnails : int
        Videos whose picture stands in the map.
    """

    layers: tuple[str, ...] = ("pool5",)
    videos: int = VIDEOS
    normalise: Normalisation = "l2"
    perplexity: float = PERPLEXITY
    components: int = COMPONENTS
    neighbours: int = 20
    seed: int = 0
    thumbnails: int = 0

    def __post_init__(self) -> None:
        if self.normalise not in _NORMALISATIONS:
            raise UnknownNameError("value of normalise", str(self.normalise), _NORMALISATIONS)
        require_settings(self.perplexity, self.components)
        if self.neighbours < 1:
            raise UserError(f"neighbours: {self.neighbours} is not positive")
        if self.thumbnails < 0:
            raise UserError(f"thumbnails: {self.thumbnails} is negative")


def tsne_figure(
    stores: Sequence[FeatureStore],
    options: MapOptions | None = None,
    *,
    table: tuple[str, bytes] | None = None,
    videos: Path | None = None,
    progress: Callable[[str, int], Progress] | None = None,
) -> FigureData:
    """Map the same videos by the features of one network or several, side by side.

    Parameters
    ----------
    stores : sequence of FeatureStore
        One a panel.
    options : MapOptions, optional
    table : tuple of str and bytes, optional
        Name and content of a CSV with each video's class (see :func:`choose_videos`).
    videos : Path, optional
        Where the videos are, for thumbnails.
    progress : callable, optional
        ``progress(description, total)`` makes the bar that counts t-SNE's iterations.

    Returns
    -------
    FigureData
        One series a panel; its facts are ``k``, ``k-NN accuracy (%)`` with ``k-NN low (%)`` and
        ``k-NN high (%)``, ``silhouette``, and how the map was made. The two numbers are of the features, not
        of the map: a map shows clusters that are not there.

    Raises
    ------
    UserError
        When an option is out of range, a layer is unknown, or videos or classes are too few.
    """
    given = options or MapOptions()
    layers = _layers(stores, given.layers)
    names = _names(stores, layers)
    if given.thumbnails:
        if videos is None:
            some = counted(given.thumbnails, "thumbnail")
            raise UserError(f"{some} of videos that are nowhere", "Give --video-source")
        list_videos(videos)  # an error now, not after the work
    chosen = choose_videos(stores, given.videos, given.seed, table)
    make_bar = progress or _silent
    with make_bar("t-SNE", sum(ITERATIONS) * len(stores)) as bar:
        series = tuple(
            _panel(store, layer, name, chosen.task, given, bar)
            for store, layer, name in zip(stores, layers, names, strict=True)
        )
    pictures, problems = _pictures(series[0], given.thumbnails, videos)
    return FigureData(
        kind="tsne",
        title=f"t-SNE of {len(chosen.task.names):,} videos of {len(chosen.task.classes)} classes",
        x_label="",
        y_label="",
        series=series,
        facts={"videos": float(len(chosen.task.names)), "seed": float(given.seed)},
        notes=_notes(stores, chosen, given, series[0], problems),
        sources={one.name: store.identity for one, store in zip(series, stores, strict=True)},
        thumbnails=pictures,
    )


def _silent(description: str, total: int) -> Progress:
    return Progress(description, total, "iterations", quiet=True)


def _layers(stores: Sequence[FeatureStore], layers: Sequence[str]) -> list[str]:
    """Give every file its layer, and look whether it has it."""
    if not stores:
        raise UserError("no feature file to map", "Give one, or several to compare")
    if len(layers) not in (1, len(stores)):
        raise UserError(
            f"{counted(len(layers), 'layer')} for {counted(len(stores), 'file')}",
            "Give one layer, or one for each file",
        )
    named = list(layers) * len(stores) if len(layers) == 1 else list(layers)
    for store, layer in zip(stores, named, strict=True):
        store.shape(layer)  # an unknown one is an error
    return named


def _names(stores: Sequence[FeatureStore], layers: Sequence[str]) -> list[str]:
    """Tell panels apart by as little as suffices: the network, its layer, its file."""
    for names in (
        [store.label for store in stores],
        [f"{store.label}, {layer}" for store, layer in zip(stores, layers, strict=True)],
        [f"{store.label}, {layer}, {store.path}" for store, layer in zip(stores, layers, strict=True)],
    ):
        if len(set(names)) == len(names):
            return names
    raise UserError(f"{stores[0].path} and its layer {layers[0]} are given twice", "Give each once")


def _panel(
    store: FeatureStore, layer: str, name: str, task: Task, options: MapOptions, bar: Progress
) -> Series:
    """Map the videos by one file."""
    bar.describe(name)
    data = read_features(store, match_task(store, task, None), layer, options.normalise)
    labels = task.first_labels(np.arange(len(task.names)))
    # With more neighbours than a class has videos, every class is outvoted.
    k = min(options.neighbours, max(1, int(np.median(np.unique(labels, return_counts=True)[1])) - 1))
    found = separation(data.X, labels, task.groups, neighbours=k, seed=options.seed)
    mapped = embed(
        data.X,
        perplexity=options.perplexity,
        components=options.components,
        seed=options.seed,
        advance=bar.advance,
    )
    return Series(
        name=name,
        x=tuple(mapped.points[:, 0].tolist()),
        y=tuple(mapped.points[:, 1].tolist()),
        ids=task.names,
        classes=tuple(task.classes[label] for label in labels.tolist()),
        facts=_facts(layer, store[layer].shape[1], found, mapped),
    )


def _facts(layer: str, width: int, found: Separation, mapped: Embedding) -> dict[str, float | str | None]:
    return {
        "layer": layer,
        "values": float(width),
        "k": float(found.neighbours),
        "k-NN accuracy (%)": percent(found.accuracy.value),
        "k-NN low (%)": percent(found.accuracy.low),
        "k-NN high (%)": percent(found.accuracy.high),
        "k-NN interval": found.accuracy.method,
        "silhouette": found.silhouette,
        "principal components": None if mapped.components is None else float(mapped.components),
        "perplexity": mapped.perplexity,
        "Kullback–Leibler divergence": mapped.divergence,
    }


def _pictures(first: Series, count: int, videos: Path | None) -> tuple[dict[str, str], list[str]]:
    """Cut pictures of videos that lie far apart in the first map."""
    if not count or videos is None:
        return {}, []
    points = np.array([first.x, first.y], np.float64).T
    return make_thumbnails(videos, [first.ids[place] for place in spread(points, count)])


def _notes(
    stores: Sequence[FeatureStore], chosen: Chosen, options: MapOptions, first: Series, problems: Sequence[str]
) -> tuple[str, ...]:
    """Say how the map was made, and what a reader must know."""
    shown, facts = len(chosen.task.names), first.facts
    drawn = f"{shown:,} of {chosen.common:,} videos, drawn with seed {options.seed}"
    components = facts["principal components"]
    steps = f"PCA to {components:g} dimensions, " if components is not None else ""
    grouped = len(set(chosen.task.groups)) < shown
    others = "videos of other groups" if grouped else "other videos"
    lacking = chosen.known - chosen.common
    which = drawn if shown < chosen.common else f"All {shown:,} videos"
    made = f"{SPOKEN[options.normalise]}, {steps}openTSNE, perplexity {facts['perplexity']:.3g}"
    measured = f"{facts['k']:g}-NN: accuracy by cosine among {others}"
    notes = [
        f"{which}; {made}.",
        f"{measured}; it and the silhouette, by cosine, are of the features, not of the map.",
    ]
    if lacking:
        notes.append(f"Not in every file: {lacking:,} of {chosen.known:,} videos.")
    if problems:
        notes.append(f"No picture of {counted(len(problems), 'video')}: {shorten(problems, 2)}.")
    if any(store.provenance["weights"].get("random") for store in stores):  # as the names of its panels say
        notes.append("Random weights say nothing about a trained network.")
    return tuple(notes)
