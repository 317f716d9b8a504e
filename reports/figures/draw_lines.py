"""Curves: accuracy by dimension, ROC, precision against recall."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.sheet import add_key
from p3d_eval.reports.figures.style import GREY, MARKERS, colour_of, dash_of

_SIZE = (3.5, 2.8)  # inches: one column of a two-column paper
_SQUARE = (3.5, 3.38)  # the plot itself is square, beside its labels
_EDGE = 1.5  # percent beyond 0 and 100, so that curves along the border are seen
_BAND = 0.15
_TOLD = ("AUC (%)", "mAP (%)", "AP (%)")  # facts that the key has


def draw_sweep(data: FigureData, figure: Figure) -> None:
    """Draw accuracy by dimension with its intervals, and the value without PCA as a dashed line."""
    figure.set_size_inches(*_SIZE)
    axes = figure.add_subplot()
    curves: list[Line2D] = []
    for place, one in enumerate(data.series):
        marker = MARKERS[place % len(MARKERS)]
        curves += axes.plot(*_points(one), color=colour_of(place), marker=marker)
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
    _finish(data, curves, axes, figure)


def draw_roc(data: FigureData, figure: Figure) -> None:
    """Draw ROC curves with the line of chance."""
    figure.set_size_inches(*_SQUARE)
    axes = figure.add_subplot()
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.6, linestyle=":")
    _finish(data, _draw_rates(data, axes), axes, figure)


def draw_precision_recall(data: FigureData, figure: Figure) -> None:
    """Draw precision against recall."""
    figure.set_size_inches(*_SQUARE)
    axes = figure.add_subplot()
    _finish(data, _draw_rates(data, axes), axes, figure)


def _draw_rates(data: FigureData, axes: Axes) -> list[Line2D]:
    curves: list[Line2D] = []
    for place, one in enumerate(data.series):
        curves += axes.plot(*_points(one), color=colour_of(place), linestyle=dash_of(place))
    axes.set(xlim=(-_EDGE, 100 + _EDGE), ylim=(-_EDGE, 100 + _EDGE), aspect="equal")
    return curves


def _told(one: Series) -> str:
    """Write areas as a key has them: ``, AUC 87.9``."""
    found = {name.removesuffix(" (%)"): one.facts.get(name) for name in _TOLD}
    return "".join(f", {name} {value:.1f}" for name, value in found.items() if isinstance(value, float))


def _finish(data: FigureData, curves: list[Line2D], axes: Axes, figure: Figure) -> None:
    axes.set(xlabel=data.x_label, ylabel=data.y_label)
    add_key(figure, [(curve, one.name, _told(one)) for curve, one in zip(curves, data.series, strict=True)])


def _points(one: Series) -> tuple[list[float], list[float]]:
    """Points that are defined."""
    pairs = [(x, y) for x, y in zip(one.x, one.y, strict=True) if x is not None and y is not None]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _numbers(values: tuple[float | None, ...]) -> list[float]:
    return [value for value in values if value is not None]
