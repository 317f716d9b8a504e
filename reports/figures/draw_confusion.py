"""A confusion matrix whose classes can be read, and its largest confusions in words."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from p3d_eval.reports.figures.confusion import Confusion, listed_confusions, shares
from p3d_eval.reports.figures.data import FigureData, Matrix
from p3d_eval.reports.figures.lettering import POINTS, fitted, width_of
from p3d_eval.reports.figures.style import FAINT, GREY, SHADES

_ROW = 0.108  # inches: a line of 6 points with its space
_SMALLEST = 2.4
_FONT = 6
_HEADING_FONT = 8
_LINE = 0.14  # inches of a line of the list of confusions
_SHARE_WIDTH = 0.33  # of its first column
_WORD_SPACE = 0.045
_MOST_LISTED = 40
_FEW = 12  # classes whose cells have their numbers written in
_GAMMA = 0.5  # shades grow with the root, so that one video of a hundred is seen
_NAME = 1.4  # inches of a class's name at the matrix
_LISTED = 1.1  # of one in the list
_LABEL = 0.25  # of an axis's label with its space
_BAR, _BAR_HEIGHT, _BAR_SPACE = 0.1, 2.2, 0.1  # inches of the bar of shades, and before it
_BAR_WORDS = 0.5  # of its numbers and label
_SPACE_X, _SPACE_Y = 0.25, 0.15  # that stay empty between and around all of these
_HEADING = "Largest confusions"

_Line = list[tuple[float, str]]  # words, and how many inches from the left each of them begins


def draw_confusion(data: FigureData, figure: Figure) -> None:
    """Draw shares of each true class, and list the largest off the diagonal."""
    matrix = data.matrix
    if matrix is None:
        raise ValueError("a confusion figure has a matrix")
    side = max(_SMALLEST, _ROW * len(matrix.rows))
    font = _FONT if len(matrix.rows) > _FEW else _FONT + 1
    rows = [fitted(name, _NAME, font) for name in matrix.rows]
    columns = [fitted(name, _NAME, font) for name in matrix.columns]
    upright = max((width_of(name, font) for name in columns), default=0) > 0.9 * side / max(1, len(columns))
    below = max((width_of(name, font) for name in columns), default=0) if upright else 1.2 * font / POINTS
    before = max((width_of(name, font) for name in rows), default=0)
    found, more = listed_confusions(matrix, min(_MOST_LISTED, int(side / _LINE) - 1))
    lines = [_line(one) for one in found]
    listed = _list_width(lines, more)
    bar = _BAR_SPACE + _BAR + _BAR_WORDS
    figure.set_size_inches(_LABEL + before + side + bar + listed + _SPACE_X, side + below + _LABEL + _SPACE_Y)
    left, right = figure.subplots(1, 2, width_ratios=(side, listed))
    left.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=90 if upright else 0, fontsize=font)
    left.set_yticks(np.arange(len(rows)) + 0.5, rows, fontsize=font)
    left.set(xlabel=data.x_label, ylabel=data.y_label)
    _draw_cells(matrix, left, side, figure)
    _write_list(lines, more, right)


def _draw_cells(matrix: Matrix, axes: Axes, side: float, figure: Figure) -> None:
    """Fill cells of a matrix that is ``side`` inches high, and explain their shades beside it."""
    values = np.asarray(shares(matrix), float).reshape(len(matrix.rows), len(matrix.columns))
    mesh = axes.pcolormesh(
        np.ma.masked_equal(values, 0), cmap=SHADES, norm=PowerNorm(_GAMMA, 0, 100), antialiased=False
    )
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.tick_params(length=0, pad=2)
    for place in range(5, len(matrix.rows), 5) if len(matrix.rows) > _FEW else ():
        axes.axhline(place, color=FAINT, linewidth=0.3, zorder=0)
        axes.axvline(place, color=FAINT, linewidth=0.3, zorder=0)
    if len(matrix.rows) <= _FEW:
        _write_cells(values, axes)
    for spine in axes.spines.values():
        spine.set_visible(True)
    height = min(1.0, _BAR_HEIGHT / side)
    beside = axes.inset_axes((1 + _BAR_SPACE / side, 1 - height, _BAR / side, height))
    bar = figure.colorbar(mesh, cax=beside)
    bar.set_label("Share of the true class (%)")
    bar.set_ticks([0, 1, 5, 10, 25, 50, 75, 100])


def _write_cells(values: np.ndarray, axes: Axes) -> None:
    for (row, column), value in np.ndenumerate(values):
        if value:
            ink = "white" if value > 25 else "black"  # half of the shades, by their root
            axes.text(
                column + 0.5, row + 0.5, f"{value:.0f}", ha="center", va="center", color=ink, fontsize=_FONT
            )


def _line(one: Confusion) -> _Line:
    """Place share, true class, arrow and predicted class, each for itself: some are written leftwards."""
    line, left = [(0.0, one.told)], _SHARE_WIDTH
    for word in (fitted(one.true, _LISTED, _FONT), "→", fitted(one.predicted, _LISTED, _FONT)):
        line.append((left, word))
        left += width_of(word, _FONT) + _WORD_SPACE
    return line


def _list_width(lines: Sequence[_Line], more: str) -> float:
    widths = [left + width_of(word, _FONT) for line in lines for left, word in line]
    return max([width_of(_HEADING, _HEADING_FONT), width_of(more, _FONT), *widths])


def _write_list(lines: Sequence[_Line], more: str, axes: Axes) -> None:
    """Write the largest confusions, one a line, below the upper left corner of the axes."""
    axes.axis("off")

    def write(text: str, line: int, left: float = 0, font: float = _FONT, ink: str = "black") -> None:
        down = -POINTS * _LINE * (line + 1)  # of the baseline: the tops of lines depend on their letters
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

    write(_HEADING, 0, font=_HEADING_FONT)
    for place, line in enumerate(lines, 1):
        for left, word in line:
            write(word, place, POINTS * left)
    if more or not lines:
        write(more or "none", len(lines) + 1, ink=GREY)
