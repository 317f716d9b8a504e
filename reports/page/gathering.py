"""Which figures a page shows: those named, those that lie beside results, those that results allow."""

from collections.abc import Iterable
from pathlib import Path

from p3d_eval.errors import UserError
from p3d_eval.reports.figures.catalogue import draw_everything
from p3d_eval.reports.figures.data import FigureData
from p3d_eval.reports.loading import Loaded
from p3d_eval.reports.suffixes import FIGURE_SUFFIX


def gather_figures(
    results: Iterable[Loaded], sources: Iterable[Path] = (), named: Iterable[Path] = ()
) -> tuple[list[FigureData], list[str]]:
    """Collect figures, each once.

    Parameters
    ----------
    results : iterable of Loaded
        What a report is made from; every figure that they allow is described.
    sources : iterable of Path
        Where they were read from; folders among them are searched for figures, hidden ones left out.
    named : iterable of Path
        Files of figures' data, shown first.

    Returns
    -------
    figures : list of FigureData
    left_out : list of str
        A line for each figure that could not be read or described.

    Raises
    ------
    UserError
        When a file that was named is not the data of a figure.
    """
    figures = {path.resolve(): FigureData.read(path) for path in named}
    left_out = []
    for folder in (source for source in sources if source.is_dir()):
        for path in sorted(folder.rglob(f"*{FIGURE_SUFFIX}")):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if hidden or path.resolve() in figures:
                continue
            try:
                figures[path.resolve()] = FigureData.read(path)
            except UserError as error:
                left_out.append(f"{error.message}; left out")
    described, problems = draw_everything(results)
    there = {_subject(figure) for figure in figures.values()}
    found = [*figures.values(), *(one for one in described.values() if _subject(one) not in there)]
    return found, list(dict.fromkeys([*left_out, *problems]))


def _subject(figure: FigureData) -> tuple[str, str, frozenset[tuple[str, str]]]:
    """Say what a figure is of: one that was drawn before, with other options, stands for it."""
    return figure.kind, figure.title, frozenset(figure.sources.items())
