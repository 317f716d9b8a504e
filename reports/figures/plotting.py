"""One function for every figure: results or feature files in, a figure out."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path
from typing import Any

from p3d_eval.arguments import explained
from p3d_eval.errors import UnknownNameError, UserError, counted
from p3d_eval.features import FeatureStore, open_features
from p3d_eval.progress import Progress
from p3d_eval.protocols.result import Result
from p3d_eval.reports.figures.confusion import confusion_figure
from p3d_eval.reports.figures.curves import precision_recall_figure, roc_figure
from p3d_eval.reports.figures.data import KINDS, FigureData
from p3d_eval.reports.figures.labelled import Labelled, load_labelled
from p3d_eval.reports.figures.per_class import per_class_figure
from p3d_eval.reports.figures.picture import Figure, require_outputs
from p3d_eval.reports.figures.style import require_font
from p3d_eval.reports.figures.sweep import has_sweep, sweep_figure
from p3d_eval.reports.figures.trade_off import trade_off_figure
from p3d_eval.reports.figures.tsne import MapOptions, tsne_figure

StrPath = str | PathLike[str]
Sources = Result | FeatureStore | StrPath | Iterable[Result | FeatureStore | StrPath]


@explained
def plot(
    kind: str,
    sources: Sources,
    out: StrPath | None = None,
    *,
    font: str | None = None,
    bare: bool = False,
    overwrite: bool = False,
    quiet: bool = True,
    **options: Any,
) -> Figure:
    """Draw a figure from results, or a map from feature files.

    Parameters
    ----------
    kind : str
        ``"sweep"``, ``"roc"``, ``"precision-recall"``, ``"confusion"``, ``"per-class"``,
        ``"speed-accuracy"`` or ``"tsne"``.
    sources : Result, FeatureStore or path, or an iterable of these
        Results, their files or folders of them; for ``tsne`` feature files.
    out : path, optional
        ``.pdf``, ``.svg`` or ``.png``, or no suffix for all three; the data stands beside it.
    font : str, optional
        Font family in place of DejaVu Sans.
    bare : bool
        Leave out title and notes.
    overwrite : bool
        Whether existing outputs may be replaced.
    quiet : bool
        Show no progress of t-SNE.
    **options
        ``sweep``: ``metric``; ``precision-recall``: ``classes``; ``per-class``: ``most``;
        ``speed-accuracy``: ``cost``, ``metric``; ``tsne``: ``layer`` (one, or one for each file), ``table``,
        ``video_source`` and the fields of :class:`p3d_eval.reports.figures.tsne.MapOptions`.

    Returns
    -------
    Figure
        Its ``data`` is what is drawn, its ``save`` writes it; a notebook shows it.

    Raises
    ------
    UserError
        When a kind, an option, a source or the output is wrong.
    """
    if kind not in KINDS:
        raise UnknownNameError("figure", kind, KINDS)
    require_font(font)  # before the work, as are the outputs
    if out is not None:
        require_outputs(Path(out), overwrite)
    alone = isinstance(sources, Result | FeatureStore | str | PathLike)
    given: list[Any] = [sources] if alone else list(sources)  # type: ignore[arg-type]  # mypy sees no `alone`
    data = _map(given, options, quiet) if kind == "tsne" else _of_results(kind, given, options)
    figure = Figure(data, font, bare)
    if out is not None:
        figure.save(out, overwrite)
    return figure


def _of_results(kind: str, sources: Sequence[Any], options: Mapping[str, Any]) -> FigureData:
    for source in sources:
        if isinstance(source, FeatureStore):
            raise UserError(f"{source.path} holds features, and {kind} is drawn from results", "Run a protocol")
    describe, known = _DESCRIBED[kind]
    _require_known(kind, options, known)
    results, left_out = load_labelled(sources)
    data = describe(_suited(kind, results, sources), **options)
    return replace(data, notes=(*data.notes, *left_out))


def _suited(kind: str, results: list[Labelled], sources: Sequence[Any]) -> list[Labelled]:
    """Leave out what a folder holds besides results that the figure can be drawn of; files named all count."""
    named = {Path(source) for source in sources if isinstance(source, str | PathLike)}
    fit = [one for one in results if one.loaded.path is None or one.loaded.path in named or _FITS[kind](one)]
    return fit or results


def _confusion(results: Sequence[Labelled]) -> FigureData:
    if len(results) != 1:
        raise UserError(f"{counted(len(results), 'result')} for one confusion matrix", "Give one result")
    return confusion_figure(results[0])


_DESCRIBED: Mapping[str, tuple[Callable[..., FigureData], tuple[str, ...]]] = {
    "sweep": (sweep_figure, ("metric",)),
    "roc": (roc_figure, ()),
    "precision-recall": (precision_recall_figure, ("classes",)),
    "confusion": (_confusion, ()),
    "per-class": (per_class_figure, ("most",)),
    "speed-accuracy": (trade_off_figure, ("cost", "metric")),
}
_FITS: Mapping[str, Callable[[Labelled], bool]] = {
    "sweep": has_sweep,
    "roc": lambda one: "auc" in one.result.metrics,
    "precision-recall": lambda one: "map" in one.result.metrics and "r1" not in one.result.metrics,
    "confusion": lambda one: bool(one.result.per_class),
    "per-class": lambda one: bool(one.result.per_class),
    "speed-accuracy": lambda one: True,  # noqa: ARG005 (all results may have a profile)
}


def _map(sources: Sequence[Any], options: Mapping[str, Any], quiet: bool) -> FigureData:
    own = tuple(field.name for field in fields(MapOptions) if field.name != "layers")
    _require_known("tsne", options, (*own, "layer", "table", "video_source"))
    layer = options.get("layer", "pool5")
    layers = (layer,) if isinstance(layer, str) else tuple(layer)
    chosen = MapOptions(layers, **{name: value for name, value in options.items() if name in own})
    table, videos = options.get("table"), options.get("video_source")
    stores = [one if isinstance(one, FeatureStore) else open_features(one) for one in sources]
    return tsne_figure(
        stores,
        chosen,
        table=None if table is None else _read_table(Path(table)),
        videos=None if videos is None else Path(videos),
        progress=lambda description, total: Progress(description, total, "iterations", quiet),
    )


def _read_table(path: Path) -> tuple[str, bytes]:
    try:
        return str(path), path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "Give a CSV of id,label[,group]") from error


def _require_known(kind: str, options: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in options:
        if name not in known:
            raise UnknownNameError(f"option of {kind}", name, known)
