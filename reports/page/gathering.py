"""Which figures a page shows: those that were named, then those that lie in the folders of results."""

from collections.abc import Iterable
from pathlib import Path

from p3d_eval.errors import UserError
from p3d_eval.reports.figures.data import FigureData
from p3d_eval.reports.suffixes import FIGURE_SUFFIX


def gather_figures(sources: Iterable[Path], named: Iterable[Path] = ()) -> tuple[list[FigureData], list[str]]:
    """Read figures, each once.

    Parameters
    ----------
    sources : iterable of Path
        What a report is made from; folders among them are searched, hidden ones left out.
    named : iterable of Path
        Files of figures' data.

    Returns
    -------
    figures : list of FigureData
    left_out : list of str
        A line for each file in a folder that could not be read.

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
    return list(figures.values()), list(dict.fromkeys(left_out))
