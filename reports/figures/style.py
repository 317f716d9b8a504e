"""How figures look: one set of colours, sizes and fonts, told apart by more than colour."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from matplotlib import font_manager, style
from matplotlib.ft2font import FT2Font

from p3d_eval.errors import UnknownNameError

# Okabe and Ito, "Color Universal Design" (2008), without the yellow, which is faint on white; black comes last.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d", "8", "H")
DASHES = ("-", "--", "-.", ":")
GREY = "#595959"  # 7 : 1 on white, the contrast that WCAG 2 asks of small text
FAINT = "#D9D9D9"
SHADES = (
    "cividis_r"  # of the shades that matplotlib has, the one made for colour-blind readers (Nuñez et al. 2018)
)

DEFAULT_FONT = "DejaVu Sans"  # comes with matplotlib, so that figures look the same everywhere
_BOXES = "Last Resort"  # matplotlib's font of boxes, one for each script
_LONGEST = 40  # characters of a name that are drawn; the data has the whole

_STYLE: Mapping[str, Any] = {
    "figure.dpi": 300,  # at which words are measured: where there are fewer dots, letters are wider
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "text.parse_math": False,  # a class may be called $_$
    "pdf.fonttype": 42,  # whole TrueType fonts: many conferences refuse Type 3
    "svg.fonttype": "path",  # looks the same where the font is not installed
    "svg.hashsalt": "p3d-eval",  # the same figure gives the same bytes
}


def colour_of(place: int) -> str:
    """Colour of the series, or class, at a place."""
    return COLOURS[place % len(COLOURS)]


def marker_of(place: int) -> str:
    """Marker of a class: with its colour unlike all others' up to 105 classes."""
    return MARKERS[place // len(COLOURS) % len(MARKERS)]


def dash_of(place: int) -> str:
    """Dashes of a curve, told apart without colour, too."""
    return DASHES[place % len(DASHES)]


def shown(name: str, longest: int = _LONGEST) -> str:
    """Shorten a name to what fits a figure, in one line, its end kept: ``a_very_…_g01_c02``."""
    text = "".join(one if one.isprintable() else " " for one in name)
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[: longest - 1 - half]}…{text[len(text) - half :]}"


def isolated(name: str) -> str:
    """Mark a name that is written from right to left, so that it turns no words around it.

    The marks (Unicode Standard Annex 9, section 2.4) are drawn as nothing; other names have no need of them.
    """
    turned = any(unicodedata.bidirectional(one) in ("R", "AL") for one in name)
    return f"\u2068{name}\u2069" if turned else name


@contextmanager
def styled(texts: Iterable[str] = (), font: str | None = None) -> Iterator[tuple[str, ...]]:
    """Draw in the project's style; yields the characters that no installed font has.

    Parameters
    ----------
    texts : iterable of str
        Everything that will be written: other installed fonts help out where the first lacks characters.
    font : str, optional
        Family to write in.

    Raises
    ------
    UnknownNameError
        When no such font is installed.
    """
    families, missing = _families("".join(texts), font)
    with style.context(["default", {**_STYLE, "font.family": families}]):  # whatever the user has set
        yield missing


def require_font(font: str | None) -> None:
    """Check that a font is installed, before the work whose result is to be written in it.

    Raises
    ------
    UnknownNameError
        When it is not.
    """
    if font is not None and font not in _installed():
        raise UnknownNameError("font", font, _installed())


def _installed() -> dict[str, str]:
    """Font families and a file of each."""
    fonts = reversed(font_manager.fontManager.ttflist)
    return {entry.name: entry.fname for entry in fonts if not entry.name.startswith(_BOXES)}


def _families(text: str, font: str | None) -> tuple[list[str], tuple[str, ...]]:
    """Find fonts that together have all characters, the wanted one first; and characters that none has."""
    require_font(font)
    known = _installed()
    chosen = [font] if font is not None else []
    chosen += [DEFAULT_FONT] if font != DEFAULT_FONT else []
    wanted = {one for one in text if one.isprintable() and not one.isspace()}
    for name in chosen:
        wanted -= _characters(font_manager.findfont(name), "".join(sorted(wanted)))
    for name, file in sorted(known.items()):
        if not wanted:
            break
        found = _characters(file, "".join(sorted(wanted)))
        if found:
            chosen.append(name)
            wanted -= found
    return chosen, tuple(sorted(wanted))


@cache
def _characters(file: str, wanted: str) -> frozenset[str]:
    """Those of the wanted characters that a font file has."""
    try:
        charmap = FT2Font(file).get_charmap()
    except RuntimeError:  # a font file that FreeType cannot read
        return frozenset()
    return frozenset(one for one in wanted if ord(one) in charmap)
