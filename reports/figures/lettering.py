"""How much room words take, measured in the fonts in use, and what fits a room."""

import textwrap

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from p3d_eval.reports.figures.style import shown

POINTS = 72  # an inch
_HINTED = 1.03  # letters of pictures made of dots are whole dots wide, and so a little wider
_THINNEST = 0.2  # width of a letter, of its font's size
_PATHS = TextToPath()


def width_of(text: str, points: float) -> float:
    """Width of one line in inches, in a font of so many points."""
    width, _, _ = _PATHS.get_text_width_height_descent(text, FontProperties(size=points), ismath=False)
    return float(width) / POINTS


def fitted(name: str, inches: float, points: float) -> str:
    """Shorten a name in its middle until it fits; one letter always stays."""
    text = shown(name, max(1, int(inches * POINTS / (_THINNEST * points))))
    while len(text) > 1 and not _fits(text, inches, points):
        text = shown(name, len(text) - 1)
    return text


def wrapped(text: str, inches: float, points: float) -> list[str]:
    """Break a text into lines that fit."""
    line = max(1, int(1.2 * len(text) * inches / max(width_of(text, points), inches / 10)))
    while line > 1 and not all(_fits(one, inches, points) for one in textwrap.wrap(text, line)):
        line -= 1
    return textwrap.wrap(text, line)


def _fits(text: str, inches: float, points: float) -> bool:
    return _HINTED * width_of(text, points) <= inches
