"""A confusion matrix whose classes can be read, and its largest confusions in words."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from p3d_eval.reports.figures.confusion import largest_confusions, shares
from p3d_eval.reports.figures.data import FigureData, Matrix
from p3d_eval.reports.figures.style import FAINT, GREY, SHADES, shown

_ROW = 0.108  # inches: a line of 6 points with its space
_SMALLEST = 2.4
_FONT = 6
_LISTED_WIDTH = 2.9  # inches of the list of confusions
_LINE = 0.14  # inches of a line of it
_SHARE_WIDTH = 0.33  # inches of its first column
_MOST_LISTED = 40
_FEW = 12  # classes whose cells have their numbers written in
_GAMMA = 0.5  # shades grow with the root, so that one video of a hundred is seen
_LONGEST = 24
_POINTS = 72  # an inch
_LISTED = 19  # characters of a name in the list


def draw_confusion(data: FigureData, figure: Figure) -> None:
    """Draw shares of each true class, and list the largest off the diagonal."""
    matrix = data.matrix
    if matrix is None:
        raise ValueError("a confusion figure has a matrix")
    side = max(_SMALLEST, _ROW * len(matrix.rows))
    names = 0.055 * max((len(shown(name, _LONGEST)) for name in matrix.rows), default=0)
    figure.set_size_inches(side + names + _LISTED_WIDTH + 0.9, side + names + 0.7)
    left, right = figure.subplots(1, 2, width_ratios=(side + names, _LISTED_WIDTH))
    _draw_cells(matrix, data, left, figure)
    _list_confusions(matrix, right, min(_MOST_LISTED, int(side / _LINE) - 1))


def _draw_cells(matrix: Matrix, data: FigureData, axes: Axes, figure: Figure) -> None:
    values = np.asarray(shares(matrix), float).reshape(len(matrix.rows), len(matrix.columns))
    mesh = axes.pcolormesh(
        np.ma.masked_equal(values, 0), cmap=SHADES, norm=PowerNorm(_GAMMA, 0, 100), antialiased=False
    )
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.grid(visible=False)
    centres = np.arange(len(matrix.rows)) + 0.5
    font = _FONT if len(matrix.rows) > _FEW else _FONT + 1
    axes.set_xticks(centres, [shown(name, _LONGEST) for name in matrix.columns], rotation=90, fontsize=font)
    axes.set_yticks(centres, [shown(name, _LONGEST) for name in matrix.rows], fontsize=font)
    axes.tick_params(length=0, pad=2)
    for place in range(5, len(matrix.rows), 5) if len(matrix.rows) > _FEW else ():
        axes.axhline(place, color=FAINT, linewidth=0.3, zorder=0)
        axes.axvline(place, color=FAINT, linewidth=0.3, zorder=0)
    if len(matrix.rows) <= _FEW:
        _write_cells(values, axes)
    for spine in axes.spines.values():
        spine.set_visible(True)
    axes.set(xlabel=data.x_label, ylabel=data.y_label)
    bar = figure.colorbar(
        mesh, ax=axes, shrink=min(1.0, 2.4 / (_ROW * len(matrix.rows) + 1)), aspect=25, pad=0.02
    )
    bar.set_label("Share of the true class (%)")
    bar.set_ticks([0, 1, 5, 10, 25, 50, 75, 100])


def _write_cells(values: np.ndarray, axes: Axes) -> None:
    for (row, column), value in np.ndenumerate(values):
        if value:
            ink = "white" if value > 25 else "black"  # half of the shades, by their root
            axes.text(
                column + 0.5, row + 0.5, f"{value:.0f}", ha="center", va="center", color=ink, fontsize=_FONT
            )


def _list_confusions(matrix: Matrix, axes: Axes, count: int) -> None:
    """Write the largest confusions, one a line, below the upper left corner of the axes."""
    axes.axis("off")

    def write(text: str, line: int, left: float = 0, font: float = _FONT, ink: str = "black") -> None:
        down = -_POINTS * _LINE * (line + 1)  # of the baseline: the tops of lines depend on their letters
        axes.annotate(
            text,
            (0, 1),
            (left, down),
            "axes fraction",
            "offset points",
            va="baseline",
            fontsize=font,
            color=ink,
        )

    write("Largest confusions", 0, font=8)
    found = largest_confusions(matrix, max(1, count))
    for line, one in enumerate(found, 1):
        write(f"{one.share:.0f} %", line)
        write(f"{shown(one.true, _LISTED)} → {shown(one.predicted, _LISTED)}", line, _POINTS * _SHARE_WIDTH)
    if not found:
        write("none", 1, ink=GREY)
