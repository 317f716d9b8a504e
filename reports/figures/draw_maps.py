"""Maps of videos side by side: a colour and a marker for each class, pictures of some."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.lettering import POINTS, fitted, width_of
from p3d_eval.reports.figures.sheet import EDGE, Entry, add_key
from p3d_eval.reports.figures.style import COLOURS, GREY, MARKERS, colour_of, marker_of
from p3d_eval.reports.figures.thumbnails import SIDE, read_thumbnail

_PANEL = 3.5  # inches
_LARGE_PANEL = 5.2  # of a single map of many classes
_HEADING = 0.4
_WIDEST = 3  # panels in a row
_FEW = 28  # classes that a key suffices for; names of more are written into the map, too
_KEY_FONT = 6
_NAME_FONT = 4.0
_PICTURE = 0.36  # inches of a thumbnail's longer side
_INK = 0.2  # share of a panel that markers would cover side by side
_LARGEST, _SMALLEST = 14.0, 3.0  # points² of a marker
_MARGIN = 1.06
_PICTURE_MARGIN = 1.2
_AS_DOTS = 2_000  # points from which they are stored as dots of 300 an inch, not as shapes: files stay small
_NAME = 1.0  # inches of a class's name

Array = NDArray[np.float64]


def draw_maps(data: FigureData, figure: Figure) -> None:
    """Draw one panel for each network, and below them the classes."""
    classes = sorted({name for one in data.series for name in one.classes})
    columns = min(_WIDEST, len(data.series)) if len(data.series) != 4 else 2
    rows = -(-len(data.series) // columns)
    panel = _LARGE_PANEL if columns == 1 and len(classes) > _FEW else _PANEL
    figure.set_size_inches(panel * columns, (panel + _HEADING) * rows)
    grid = figure.add_gridspec(rows, columns)
    panels = [figure.add_subplot(grid[divmod(place, columns)]) for place in range(len(data.series))]
    for one, axes in zip(data.series, panels, strict=True):
        _draw_panel(one, data, classes, axes, panel)
    if len(classes) > _FEW and not data.thumbnails:
        figure.draw_without_rendering()  # sets the panels' sizes
        for one, axes in zip(data.series, panels, strict=True):
            _write_classes(one, axes)
    if 1 < len(classes) <= len(COLOURS) * len(MARKERS):
        add_key(figure, _signs(classes), below=True, font=_KEY_FONT, sign=1)


def told(one: Series) -> str:
    """Write the two numbers of a map: ``20-NN 71.3 % [69.9, 72.6], silhouette 0.12``."""
    names = ("k", "k-NN accuracy (%)", "k-NN low (%)", "k-NN high (%)", "silhouette")
    k, accuracy, low, high, silhouette = (one.facts.get(name) for name in names)
    parts = []
    if isinstance(k, float) and isinstance(accuracy, float):
        interval = f" [{low:.1f}, {high:.1f}]" if isinstance(low, float) and isinstance(high, float) else ""
        parts.append(f"{k:.0f}-NN {accuracy:.1f} %{interval}")
    if isinstance(silhouette, float):
        parts.append(f"silhouette {round(silhouette, 2) + 0.0:.2f}".replace("-", "−"))  # no minus zero
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
    axes.set_title(f"{fitted(one.name, panel - 2 * EDGE, 8)}\n{told(one)}", fontsize=8)
    _draw_points(points, np.array(one.classes), classes, axes, panel)
    _draw_pictures(one, data, classes, axes)


def _draw_points(points: Array, names: NDArray[np.str_], classes: list[str], axes: Axes, panel: float) -> None:
    size = _INK * (panel * POINTS) ** 2 / len(points)
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


def _write_classes(one: Series, axes: Axes) -> None:
    """Write classes' names at the medians of their videos, the densest first, where they cover no other."""
    points, names = np.array([one.x, one.y], np.float64).T, np.array(one.classes)
    medians = {name: np.median(points[names == name], axis=0) for name in np.unique(names).tolist()}
    spread = {name: float(np.abs(points[names == name] - at).mean()) for name, at in medians.items()}
    lower, upper = np.array([axes.get_xlim(), axes.get_ylim()], np.float64).T
    inch = axes.figure.dpi * (upper - lower)[0] / axes.get_window_extent().width
    taken: list[Array] = []
    for name in sorted(medians, key=lambda name: (spread[name], name)):
        words = fitted(name, _NAME, _NAME_FONT)
        half = inch * np.array([width_of(words, _NAME_FONT), 1.2 * _NAME_FONT / POINTS]) / 2
        at = np.clip(medians[name], lower + half, upper - half)  # within the panel
        box = np.concatenate([at - half, at + half])
        if any((box[:2] < other[2:]).all() and (other[:2] < box[2:]).all() for other in taken):
            continue
        taken.append(box)
        x, y = at.tolist()
        text = axes.text(x, y, words, fontsize=_NAME_FONT, ha="center", va="center")
        text.set_path_effects([withStroke(linewidth=1, foreground="white")])


def _draw_pictures(one: Series, data: FigureData, classes: list[str], axes: Axes) -> None:
    places = {name: place for place, name in enumerate(classes)}
    for name, x, y, own in zip(one.ids, one.x, one.y, one.classes, strict=True):
        if name not in data.thumbnails or x is None or y is None:
            continue
        image = OffsetImage(read_thumbnail(data.thumbnails[name]), zoom=_PICTURE * POINTS / SIDE)
        frame = {"edgecolor": colour_of(places[own]), "linewidth": 1.0, "boxstyle": "square,pad=0"}
        axes.add_artist(AnnotationBbox(image, (x, y), pad=0, bboxprops=frame))


def _signs(classes: list[str]) -> list[Entry]:
    return [
        (Line2D([], [], color=colour_of(place), marker=marker_of(place), linestyle=""), name, "")
        for place, name in enumerate(classes)
    ]
