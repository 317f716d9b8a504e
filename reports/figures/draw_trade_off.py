"""Networks by accuracy and cost, with the line of those that none beats."""

from matplotlib.figure import Figure

from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.legend import add_legend
from p3d_eval.reports.figures.style import COLOURS, GREY, marker_of, shown

_SIZE = (4.5, 3.2)
_WIDE = 20.0  # ratio of the largest cost to the smallest from which the axis is logarithmic
_ROOM = 0.18  # of the axis, for the labels at the right


def draw_trade_off(data: FigureData, figure: Figure) -> None:
    """Draw each network with its name and interval, and the front as steps."""
    figure.set_size_inches(*_SIZE)
    axes = figure.add_subplot()
    points, front = data.series
    best = set(front.ids)
    costs = [x for x in points.x if x is not None]
    logarithmic = min(costs) > 0 and max(costs) / min(costs) > _WIDE
    if logarithmic:
        axes.set_xscale("log")
    _draw_front(front, axes, more=data.facts.get("better") == "more")
    for place, name in enumerate(points.ids):
        x, y = points.x[place], points.y[place]
        if x is None or y is None:
            continue
        colour = COLOURS[0] if name in best else COLOURS[1]
        low, high = (one[place] if one else None for one in (points.low, points.high))
        if low is not None and high is not None:
            axes.plot([x, x], [low, high], color=colour, linewidth=0.8)
        axes.plot(x, y, marker_of(0 if name in best else len(COLOURS)), color=colour)
        axes.annotate(shown(name), (x, y), (5, 4), textcoords="offset points", fontsize=7)
    axes.margins(x=_ROOM, y=0.12)
    axes.set(xlabel=data.x_label, ylabel=data.y_label)
    add_legend(axes)


def _draw_front(front: Series, axes: "object", more: bool) -> None:
    """Draw the border of what is reached: down to the right where more of x is better, else up."""
    xs, ys = ([value for value in values if value is not None] for values in (front.x, front.y))
    where = "pre" if more else "post"
    axes.step(xs, ys, where=where, color=GREY, linestyle="--", linewidth=0.8, label=front.name)  # type: ignore[attr-defined]
