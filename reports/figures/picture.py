"""A figure as a picture: drawn from its data, saved with the data beside it."""

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

from matplotlib.figure import Figure as Drawing
from matplotlib.layout_engine import ConstrainedLayoutEngine

from p3d_eval.errors import UserError, shorten
from p3d_eval.files import atomic_output, require_new, require_writable
from p3d_eval.reports.figures.data import FigureData, csv_path, data_path
from p3d_eval.reports.figures.draw_bars import draw_bars
from p3d_eval.reports.figures.draw_confusion import draw_confusion
from p3d_eval.reports.figures.draw_lines import draw_precision_recall, draw_roc, draw_sweep
from p3d_eval.reports.figures.draw_maps import draw_maps
from p3d_eval.reports.figures.draw_trade_off import draw_trade_off
from p3d_eval.reports.figures.sheet import arrange
from p3d_eval.reports.figures.style import shown, styled

PICTURES = ("pdf", "svg", "png")

_DRAWN: Mapping[str, Callable[[FigureData, Drawing], None]] = {
    "tsne": draw_maps,
    "sweep": draw_sweep,
    "roc": draw_roc,
    "precision-recall": draw_precision_recall,
    "confusion": draw_confusion,
    "per-class": draw_bars,
    "speed-accuracy": draw_trade_off,
}
# Without the time of day, the same figure gives the same bytes.
_METADATA: Mapping[str, Mapping[str, None]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
_DOTS = 300  # an inch, of PNG and of dots inside PDF and SVG
_MOST_PIXELS = 10_000  # of a side: a matrix of 1,000 classes is 9 feet wide


@dataclass(frozen=True)
class Figure:
    """A figure: its data, and how it is written.

    Parameters
    ----------
    data : FigureData
    font : str, optional
        Font family in place of DejaVu Sans.
    bare : bool
        Leave out title and notes, for a paper that has a caption.

    Examples
    --------
    >>> figure = Figure.read("roc.figure.json")  # doctest: +SKIP
    >>> figure.save("roc.pdf")  # doctest: +SKIP
    """

    data: FigureData
    font: str | None = None
    bare: bool = False

    @classmethod
    def read(cls, path: str | PathLike[str]) -> "Figure":
        """Take the data that stands beside a picture; see :meth:`FigureData.read`."""
        return cls(FigureData.read(Path(path)))

    @cached_property
    def missing_characters(self) -> tuple[str, ...]:
        """Characters that no installed font has: they are drawn as boxes."""
        with styled(_texts(self.data), self.font) as missing:
            return missing

    @property
    def warning(self) -> str | None:
        """One line on characters that cannot be drawn; None where all can."""
        missing = self.missing_characters
        if not missing:
            return None
        return (
            f"no installed font has {shorten(missing)}: drawn as boxes; install one that has "
            "(Debian: fonts-noto-cjk, fonts-noto-core) and draw again"
        )

    def save(self, out: str | PathLike[str], overwrite: bool = False) -> list[Path]:
        """Write the picture, and beside it the data as JSON and CSV.

        Parameters
        ----------
        out : path
            ``.pdf``, ``.svg`` or ``.png``; without a suffix all three are written.
        overwrite : bool
            Whether existing files may be replaced.

        Returns
        -------
        list of Path
            The pictures, then the data.

        Raises
        ------
        UserError
            When the suffix names no format, a file exists, or the folder cannot be written.
        """
        *pictures, data, table = require_outputs(Path(out), overwrite)
        for path, content in self._render(pictures).items():
            with atomic_output(path, overwrite) as temporary:
                temporary.write_bytes(content)
        self.data.write(data, overwrite)
        return [*pictures, data, table]

    def _repr_png_(self) -> bytes:
        """Show the picture in a notebook."""
        return self._render([Path("figure.png")])[Path("figure.png")]

    def _render(self, pictures: list[Path]) -> dict[Path, bytes]:
        """Draw once and give the bytes of each picture."""
        with styled(_texts(self.data), self.font), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # told by `warning`
            drawing = compose(self.data, self.bare)
            return {path: _encode(drawing, path.suffix.lower()[1:]) for path in pictures}


def require_outputs(out: Path, overwrite: bool) -> list[Path]:
    """Return the files that ``out`` stands for, pictures first, after a check that they can be written.

    Raises
    ------
    UserError
        As :meth:`Figure.save` does.
    """
    suffix = out.suffix.lower()[1:]
    if suffix and suffix not in PICTURES:
        raise UserError(
            f"{out}: no figure has the suffix .{suffix}",
            f"Use {', '.join('.' + one for one in PICTURES)}, or none for all of them",
        )
    pictures = [out] if suffix else [out.with_suffix(f".{one}") for one in PICTURES]
    data = data_path(pictures[0])
    files = [*pictures, data, csv_path(data)]
    for path in files:
        require_new(path, overwrite)
    require_writable(pictures[0])
    return files


def _encode(drawing: Drawing, kind: str) -> bytes:
    content = io.BytesIO()
    dots = min(_DOTS, _MOST_PIXELS / max(drawing.get_size_inches()))
    drawing.savefig(content, format=kind, dpi=dots, metadata=dict(_METADATA[kind]))
    return content.getvalue()


def compose(data: FigureData, bare: bool = False) -> Drawing:
    """Draw a figure with title, key and notes, in the style in force; ``bare`` leaves out title and notes."""
    drawing = Drawing(layout=ConstrainedLayoutEngine())
    _DRAWN[data.kind](data, drawing)
    title = "" if bare else shown(data.title, longest=300)
    arrange(drawing, title, [] if bare else [shown(note, longest=1000) for note in data.notes])
    return drawing


def _texts(data: FigureData) -> list[str]:
    """Everything that is written."""
    matrix = () if data.matrix is None else (*data.matrix.rows, *data.matrix.columns)
    series = [text for one in data.series for text in (one.name, *one.ids, *one.classes)]
    return [data.title, data.x_label, data.y_label, *data.notes, *matrix, *series, "→…"]
