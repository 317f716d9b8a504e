"""Networks by accuracy and cost, with the line of those that none beats."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.lettering import POINTS, fitted, width_of
from p3d_eval.reports.figures.sheet import add_key
from p3d_eval.reports.figures.style import COLOURS, GREY, marker_of

_SIZE = (4.5, 3.2)
_WIDE = 20.0  # ratio of the largest cost to the smallest from which the axis is logarithmic
_FONT = 7
_NAME = 1.6  # inches of a name
_AWAY = 4.0  # points from a network to its name
_MARK, _THIN = 3.0, 0.5  # half of a network's marker, and of the front, in points
_LINE = 1.2  # height of a name, of its font's size
_CORNERS = ((1, 1), (-1, 1), (1, -1), (-1, -1))  # where a name may stand at its network, the best first

Array = NDArray[np.float64]


def draw_trade_off(data: FigureData, figure: Figure) -> None:
    """Draw each network with its name and interval, and the front as steps."""
    figure.set_size_inches(*_SIZE)
    axes = figure.add_subplot()
    points, front = data.series
    costs = [x for x in points.x if x is not None]
    if min(costs) > 0 and max(costs) / min(costs) > _WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    line = _draw_front(front, axes, more=data.facts.get("better") == "more")
    places = _draw_networks(points, set(front.ids), axes)
    axes.margins(x=0.1, y=0.12)
    axes.set(xlabel=data.x_label, ylabel=data.y_label)
    add_key(figure, [(line, front.name, "")])
    figure.draw_without_rendering()  # sets the axes' size, and so how far networks are apart
    _write_names(places, line, axes)


def _draw_front(front: Series, axes: Axes, more: bool) -> Line2D:
    """Draw the border of what is reached: down to the right where more of x is better, else up."""
    xs, ys = ([value for value in values if value is not None] for values in (front.x, front.y))
    corners = [(xs[0], ys[0])]
    for (x, y), after in pairwise(zip(xs, ys, strict=True)):
        corners += [(x, after[1]) if more else (after[0], y), after]
    (line,) = axes.plot(*zip(*corners, strict=True), color=GREY, linestyle="--", linewidth=0.8)
    return line


@dataclass(frozen=True)
class _Place:
    """A network's name, and where it stands."""

    name: str
    x: float
    y: float


def _draw_networks(points: Series, best: set[str], axes: Axes) -> list[_Place]:
    places = []
    for place, name in enumerate(points.ids):
        x, y = points.x[place], points.y[place]
        if x is None or y is None:
            continue
        colour = COLOURS[0] if name in best else COLOURS[1]
        low, high = (one[place] if one else None for one in (points.low, points.high))
        if low is not None and high is not None:
            axes.plot([x, x], [low, high], color=colour, linewidth=0.8)
        axes.plot(x, y, marker_of(0 if name in best else len(COLOURS)), color=colour)
        places.append(_Place(fitted(name, _NAME, _FONT), x, y))
    return places


def _write_names(places: list[_Place], front: Line2D, axes: Axes) -> None:
    """Write each name at the corner of its network where it covers least of networks, front and other names."""
    dots = axes.figure.dpi / POINTS  # of a point
    marks = [axes.transData.transform((place.x, place.y)) / dots for place in places]
    taken = [Bbox([mark - _MARK, mark + _MARK]) for mark in marks]
    thin = np.array([[-_THIN], [_THIN]])
    ends = axes.transData.transform(front.get_xydata()) / dots
    taken += [Bbox(np.sort([one, two], axis=0) + thin) for one, two in pairwise(ends)]
    room = Bbox(axes.get_window_extent().get_points() / dots)
    for place, mark in zip(places, marks, strict=True):
        size = np.array([width_of(place.name, _FONT) * POINTS, _LINE * _FONT])
        boxes = {corner: _beside(mark, size, corner) for corner in _CORNERS}
        corner = min(boxes, key=lambda one: _covered(boxes[one], taken) + _outside(boxes[one], room))
        taken.append(boxes[corner])
        axes.annotate(
            place.name,
            (place.x, place.y),
            (_AWAY * corner[0], _AWAY * corner[1]),
            textcoords="offset points",
            ha="left" if corner[0] > 0 else "right",
            va="bottom" if corner[1] > 0 else "top",
            fontsize=_FONT,
        )


def _beside(mark: Array, size: Array, corner: tuple[int, int]) -> Bbox:
    """Box of a name at a corner of its network, in points."""
    near = mark + _AWAY * np.array(corner)
    return Bbox(np.sort([near, near + size * corner], axis=0))


def _covered(box: Bbox, taken: list[Bbox]) -> float:
    """Area of a box that others take."""
    return sum(_area(Bbox.intersection(box, other)) for other in taken)


def _outside(box: Bbox, room: Bbox) -> float:
    return _area(box) - _area(Bbox.intersection(box, room))


def _area(box: Bbox | None) -> float:
    return 0.0 if box is None else float(box.width * box.height)
