"""The sheet of a figure: title, key, plots and notes, one below the other, each as high as it has to be."""

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend

from p3d_eval.reports.figures.lettering import POINTS, fitted, width_of, wrapped
from p3d_eval.reports.figures.style import GREY, isolated

EDGE = 0.05  # inches that stay empty around everything
_GAP = 0.06  # between title, key, plots and notes
_LINE = 1.3  # height of a line, of its font's size
_TITLE_FONT, _NOTE_FONT = 9, 6
_KEY_FONT = 7
_KEY_SPACING = 2.0  # between columns of a key, of its font's size, as are the two below
_PAD = 0.8  # between a sign and its name
_BELOW = "key below"  # marks a key that stands below the plots

Entry = tuple[Artist, str, str]  # a sign, its name, which may be shortened, and what follows it, which may not


def add_key(
    figure: Figure, entries: Sequence[Entry], *, below: bool = False, font: float = _KEY_FONT, sign: float = 2.0
) -> None:
    """Write a key of a figure whose width is set: in columns below the plots, else one entry a line above.

    Parameters
    ----------
    figure : Figure
    entries : sequence of Entry
    below : bool
    font : float
        Points.
    sign : float
        Width of a sign, of the font's size.
    """
    room = figure.get_size_inches()[0] - 2 * EDGE
    head = (sign + _PAD) * font / POINTS
    texts = [
        isolated(fitted(name, (room / 2 if below else room) - head - width_of(ending, font), font)) + ending
        for _, name, ending in entries
    ]
    column = head + max(width_of(text, font) for text in texts) + _KEY_SPACING * font / POINTS
    legend = figure.legend(
        [handle for handle, _, _ in entries],
        texts,
        loc="upper center" if below else "upper left",
        ncols=max(1, int((room + _KEY_SPACING * font / POINTS) / column)) if below else 1,
        fontsize=font,
        handlelength=sign,
        handletextpad=_PAD,
        columnspacing=_KEY_SPACING,
        labelspacing=0.3,
        borderpad=0,
        borderaxespad=0,
    )
    legend.set_gid(_BELOW if below else None)


def arrange(figure: Figure, title: str = "", notes: Sequence[str] = ()) -> None:
    """Make a figure, whose size is that of its plots, higher by its title, its key and its notes."""
    width, plots = figure.get_size_inches()
    room = width - 2 * EDGE
    heading = wrapped(title, room, _TITLE_FONT)
    lines = [line for note in notes for line in wrapped(note, room, _NOTE_FONT)]
    keys = {legend.get_gid() == _BELOW: legend for legend in figure.legends}
    heights = [
        len(heading) * _LINE * _TITLE_FONT / POINTS,
        _height(keys.get(False)),
        plots,
        _height(keys.get(True)),
        len(lines) * _LINE * _NOTE_FONT / POINTS,
    ]
    heights = [height + _GAP * (height > 0) for height in heights]
    total = sum(heights) + EDGE
    figure.set_size_inches(width, total)
    tops = [(total - EDGE - sum(heights[:place])) / total for place in range(len(heights))]
    figure.text(0.5, tops[0], "\n".join(heading), ha="center", va="top", fontsize=_TITLE_FONT)
    for below, legend in keys.items():
        x, y = (0.5, tops[3]) if below else (EDGE / width, tops[1])
        legend.set_bbox_to_anchor((x, y), figure.transFigure)
    figure.text(EDGE / width, tops[4], "\n".join(lines), va="top", fontsize=_NOTE_FONT, color=GREY)
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, tops[2] - plots / total, 1, plots / total))


def _height(key: Legend | None) -> float:
    """Height of a key in inches."""
    if key is None:
        return 0.0
    figure = key.get_figure(root=True)
    return float(key.get_window_extent().height / figure.dpi) if figure is not None else 0.0
