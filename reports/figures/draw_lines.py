"""Curves: accuracy by dimension, ROC, precision against recall."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.legend import add_legend
from p3d_eval.reports.figures.style import GREY, MARKERS, colour_of, dash_of, shown

_SIZE = (3.5, 2.8)  # inches: one column of a two-column paper
_SQUARE = (3.5, 3.5)
_EDGE = 1.5  # percent beyond 0 and 100, so that curves along the border are seen
_BAND = 0.15
_TOLD = ("AUC (%)", "mAP (%)", "AP (%)")  # facts that the legend has


def draw_sweep(data: FigureData, figure: Figure) -> None:
    """Draw accuracy by dimension with its intervals, and the value without PCA as a dashed line."""
    figure.set_size_inches(*_SIZE)
    axes = figure.add_subplot()
    for place, one in enumerate(data.series):
        marker = MARKERS[place % len(MARKERS)]
        axes.plot(*_points(one), color=colour_of(place), marker=marker, label=shown(one.name))
        if one.low and one.high and None not in one.low + one.high:
            low, high = _numbers(one.low), _numbers(one.high)
            axes.fill_between(_numbers(one.x), low, high, color=colour_of(place), alpha=_BAND, linewidth=0)
        whole = one.facts.get("without PCA")
        if isinstance(whole, float):
            axes.axhline(whole, color=colour_of(place), linestyle="--", linewidth=0.8)
    ticks = sorted({x for one in data.series for x in _numbers(one.x)})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", labelrotation=45 if len(ticks) > 6 else 0)
    _finish(data, axes)


def draw_roc(data: FigureData, figure: Figure) -> None:
    """Draw ROC curves with the line of chance."""
    figure.set_size_inches(*_SQUARE)
    axes = figure.add_subplot()
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.6, linestyle=":")
    _draw_rates(data, axes)
    _finish(data, axes)


def draw_precision_recall(data: FigureData, figure: Figure) -> None:
    """Draw precision against recall."""
    figure.set_size_inches(*_SQUARE)
    axes = figure.add_subplot()
    _draw_rates(data, axes)
    _finish(data, axes)


def _draw_rates(data: FigureData, axes: Axes) -> None:
    for place, one in enumerate(data.series):
        label = ", ".join([shown(one.name), *_told(one)])
        axes.plot(*_points(one), color=colour_of(place), linestyle=dash_of(place), label=label)
    axes.set(xlim=(-_EDGE, 100 + _EDGE), ylim=(-_EDGE, 100 + _EDGE), aspect="equal")


def _told(one: Series) -> list[str]:
    """Write areas as a legend has them: ``AUC 87.9``."""
    found = {name.removesuffix(" (%)"): one.facts.get(name) for name in _TOLD}
    return [f"{name} {value:.1f}" for name, value in found.items() if isinstance(value, float)]


def _finish(data: FigureData, axes: Axes) -> None:
    axes.set(xlabel=data.x_label, ylabel=data.y_label)
    add_legend(axes)


def _points(one: Series) -> tuple[list[float], list[float]]:
    """Points that are defined."""
    pairs = [(x, y) for x, y in zip(one.x, one.y, strict=True) if x is not None and y is not None]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _numbers(values: tuple[float | None, ...]) -> list[float]:
    return [value for value in values if value is not None]
