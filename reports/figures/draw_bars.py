"""Bars of classes, one network beside another."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.lettering import fitted
from p3d_eval.reports.figures.sheet import add_key
from p3d_eval.reports.figures.style import colour_of

_WIDTH = 3.5  # inches of a column
_BAR = 0.062
_AXIS = 0.5  # inches of the axis below, with its label
_SPACE = 0.05  # inches between classes
_LEAST_ROW = 0.115  # inches: a name of 6 points
_ROWS = 60  # of a column; more classes stand in several columns
_FONT = 6
_NAME = 1.4  # inches of a class's name


def draw_bars(data: FigureData, figure: Figure) -> None:
    """Draw horizontal bars with intervals, the last class on top: there the second network gains most."""
    classes = data.series[0].classes if data.series else ()
    columns = max(1, -(-len(classes) // _ROWS))
    rows = max(1, -(-len(classes) // columns))
    row = max(_LEAST_ROW, _BAR * len(data.series) + _SPACE)
    figure.set_size_inches(_WIDTH * columns, row * rows + _AXIS)
    order = list(range(len(classes)))[::-1]
    for column in range(columns):
        axes = figure.add_subplot(1, columns, column + 1)
        _draw_column(data, axes, order[column * rows : (column + 1) * rows], rows)
        axes.set_xlabel(data.x_label)
    if len(data.series) > 1:
        signs = [Patch(color=colour_of(number)) for number in range(len(data.series))]
        add_key(figure, [(sign, one.name, _mean(one)) for sign, one in zip(signs, data.series, strict=True)])


def _draw_column(data: FigureData, axes: Axes, places: list[int], rows: int) -> None:
    thickness = 0.8 / len(data.series)
    for number, one in enumerate(data.series):
        heights = np.arange(len(places)) - 0.4 + thickness * (number + 0.5)
        values = [one.y[place] or 0.0 for place in places]
        axes.barh(heights, values, thickness, color=colour_of(number))
        if one.low and one.high:
            ends = [(one.low[place], one.high[place]) for place in places]
            for height, (low, high) in zip(heights, ends, strict=True):
                if low is not None and high is not None:
                    axes.plot([low, high], [height, height], color="black", linewidth=0.5)
    names = [fitted(data.series[0].classes[place], _NAME, _FONT) for place in places]
    axes.set_yticks(range(len(places)), names, fontsize=_FONT)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(rows - 0.5, -0.5)
    lows = [value for one in data.series for value in one.low if value is not None]
    axes.set_xlim(min([0.0, *lows]), 100)


def _mean(one: Series) -> str:
    mean = one.facts.get("mean of all classes")
    return f", mean {mean:.1f}" if isinstance(mean, float) else ""
