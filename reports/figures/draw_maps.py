"""Maps of videos side by side: a colour and a marker for each class, pictures of some."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.style import COLOURS, GREY, MARKERS, colour_of, marker_of, shown
from p3d_eval.reports.figures.thumbnails import SIDE, read_thumbnail

_PANEL = 3.5  # inches
_LARGE_PANEL = 5.2  # of a single map of many classes
_HEADING = 0.4
_WIDEST = 3  # panels in a row
_FEW = 28  # classes that a legend suffices for; names of more are written into the map, too
_KEY_LINE, _KEY_WIDTH = 0.125, 1.3  # inches of a legend's entry
_KEY_FONT = 6
_NAME_FONT = 4.0
_LETTER = 0.62  # width of a letter, of its font's size
_PICTURE = 0.36  # inches of a thumbnail's longer side
_INK = 0.2  # share of a panel that markers would cover side by side
_LARGEST, _SMALLEST = 14.0, 3.0  # points² of a marker
_MARGIN = 1.06
_PICTURE_MARGIN = 1.2
_AS_DOTS = 2_000  # points from which they are stored as dots of 300 an inch, not as shapes: files stay small
_POINTS = 72  # an inch

Array = NDArray[np.float64]


def draw_maps(data: FigureData, figure: Figure) -> None:
    """Draw one panel for each network, and below them the classes."""
    classes = sorted({name for one in data.series for name in one.classes})
    columns = min(_WIDEST, len(data.series))
    rows = -(-len(data.series) // columns)
    panel = _LARGE_PANEL if columns == 1 and len(classes) > _FEW else _PANEL
    in_row = max(1, int(panel * columns / _KEY_WIDTH))
    listed = 1 < len(classes) <= len(COLOURS) * len(MARKERS)
    below = _KEY_LINE * -(-len(classes) // in_row) + 0.1 if listed else 0.01
    figure.set_size_inches(panel * columns, (panel + _HEADING) * rows + below)
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[*[panel + _HEADING] * rows, below])
    for place, one in enumerate(data.series):
        axes = figure.add_subplot(grid[place // columns, place % columns])
        _draw_panel(one, data, classes, axes, panel)
    keys = figure.add_subplot(grid[rows, :])
    keys.axis("off")
    if listed:
        keys.legend(
            handles=_keys(classes),
            loc="upper center",
            ncols=in_row,
            fontsize=_KEY_FONT,
            borderaxespad=0,
            labelspacing=0.3,
            handletextpad=0.2,
            columnspacing=1,
        )


def told(one: Series) -> str:
    """Write the two numbers of a map: ``20-NN 71.3 % [69.9, 72.6], silhouette 0.12``."""
    names = ("k", "k-NN accuracy (%)", "k-NN low (%)", "k-NN high (%)", "silhouette")
    k, accuracy, low, high, silhouette = (one.facts.get(name) for name in names)
    parts = []
    if isinstance(k, float) and isinstance(accuracy, float):
        interval = f" [{low:.1f}, {high:.1f}]" if isinstance(low, float) and isinstance(high, float) else ""
        parts.append(f"{k:.0f}-NN {accuracy:.1f} %{interval}")
    if isinstance(silhouette, float):
        parts.append(f"silhouette {silhouette:.2f}".replace("-", "−"))
    return ", ".join(parts)


def _draw_panel(one: Series, data: FigureData, classes: list[str], axes: Axes, panel: float) -> None:
    points = np.array([one.x, one.y], np.float64).T
    low, high = points.min(axis=0), points.max(axis=0)
    half = max(float((high - low).max()) / 2 * (_PICTURE_MARGIN if data.thumbnails else _MARGIN), 1e-9)
    middle = (low + high) / 2
    axes.set(
        xticks=[],
        yticks=[],
        xlim=(middle[0] - half, middle[0] + half),
        ylim=(middle[1] - half, middle[1] + half),
    )
    axes.set_box_aspect(1)
    for spine in axes.spines.values():
        spine.set(visible=True, color=GREY, linewidth=0.4)
    axes.set_title(f"{shown(one.name)}\n{told(one)}", fontsize=8)
    _draw_points(points, np.array(one.classes), classes, axes, panel)
    _draw_pictures(one, data, classes, axes)
    if len(classes) > _FEW and not data.thumbnails:
        _write_classes(points, np.array(one.classes), axes, 2 * half / panel)


def _draw_points(points: Array, names: NDArray[np.str_], classes: list[str], axes: Axes, panel: float) -> None:
    size = _INK * (panel * _POINTS) ** 2 / len(points)
    for place, name in enumerate(classes):
        own = points[names == name]
        axes.scatter(
            own[:, 0],
            own[:, 1],
            min(_LARGEST, max(_SMALLEST, size)),
            color=colour_of(place),
            marker=marker_of(place),
            linewidths=0,
            alpha=0.8,
            rasterized=len(points) > _AS_DOTS,
        )


def _write_classes(points: Array, names: NDArray[np.str_], axes: Axes, inch: float) -> None:
    """Write classes' names at the medians of their videos, the densest first, where they cover no other.

    ``inch`` is one in the units of the map.
    """
    medians = {name: np.median(points[names == name], axis=0) for name in np.unique(names).tolist()}
    width = {name: float(np.abs(points[names == name] - at).mean()) for name, at in medians.items()}
    height = 1.2 * _NAME_FONT / _POINTS * inch
    taken: list[Array] = []
    for name in sorted(medians, key=lambda name: (width[name], name)):
        half = np.array([_LETTER * _NAME_FONT / _POINTS * len(shown(name, 20)) * inch, height]) / 2
        box = np.concatenate([medians[name] - half, medians[name] + half])
        if any((box[:2] < other[2:]).all() and (other[:2] < box[2:]).all() for other in taken):
            continue
        taken.append(box)
        x, y = medians[name].tolist()
        words = axes.text(x, y, shown(name, 20), fontsize=_NAME_FONT, ha="center", va="center")
        words.set_path_effects([withStroke(linewidth=1, foreground="white")])


def _draw_pictures(one: Series, data: FigureData, classes: list[str], axes: Axes) -> None:
    places = {name: place for place, name in enumerate(classes)}
    for name, x, y, own in zip(one.ids, one.x, one.y, one.classes, strict=True):
        if name not in data.thumbnails or x is None or y is None:
            continue
        image = OffsetImage(read_thumbnail(data.thumbnails[name]), zoom=_PICTURE * _POINTS / SIDE)
        frame = {"edgecolor": colour_of(places[own]), "linewidth": 1.0, "boxstyle": "square,pad=0"}
        axes.add_artist(AnnotationBbox(image, (x, y), pad=0, bboxprops=frame))


def _keys(classes: list[str]) -> list[Line2D]:
    return [
        Line2D([], [], color=colour_of(place), marker=marker_of(place), linestyle="", label=shown(name, 22))
        for place, name in enumerate(classes)
    ]
