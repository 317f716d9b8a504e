"""Write a study's report: tables in every format, as PDF where there is TeX, figures and the page."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from p3d_eval.errors import UserError
from p3d_eval.files import write_text
from p3d_eval.reports import Report
from p3d_eval.reports.figures.catalogue import draw_everything
from p3d_eval.reports.figures.data import FigureData
from p3d_eval.reports.figures.picture import Figure
from p3d_eval.reports.page import to_page
from p3d_eval.reports.pdf import PDFLATEX, compile_latex
from p3d_eval.study.reporting import FIGURES, PAGE, ReportTask
from p3d_eval.study.tasks import Event, Tell, ToldProgress


def write_report(task: ReportTask, tell: Tell) -> None:
    """Write everything into the task's folder, which is emptied first; what cannot be made is told."""
    shutil.rmtree(task.folder, ignore_errors=True)
    report = Report.of(task.results, task.settings.published, task.failures)
    _write_tables(report, task.folder, tell)
    figures = _describe_figures(task, report, tell) if task.settings.figures else {}
    _write_figures(figures, task.folder / FIGURES, tell)
    page = to_page(report, list(figures.values()), title=task.title, command=task.command)
    write_text(task.folder / PAGE, page)


def _write_tables(report: Report, folder: Path, tell: Tell) -> None:
    texts = {
        "tables.csv": report.to_csv(),
        "tables.md": report.to_markdown(),
        "tables.txt": report.to_text(),
        "tables.json": report.to_json(),
        "tables.tex": report.to_latex(),
        "tables-input.tex": report.to_latex(standalone=False),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    if shutil.which(PDFLATEX) is None:
        tell(Event("note", "no tables.pdf: there is no pdflatex here (Debian: texlive-latex-recommended)"))
        return
    try:
        compile_latex(folder / "tables.tex", folder / "tables.pdf")
    except UserError as error:
        tell(Event("note", f"no tables.pdf: {error.message}"))


def _describe_figures(task: ReportTask, report: Report, tell: Tell) -> dict[str, FigureData]:
    """Describe every figure that can be made; tell of the others."""
    figures, problems = draw_everything(report.results)
    for one in task.maps:
        try:
            figures[one.name] = one.describe(tell)
        except UserError as error:
            problems = (*problems, f"{one.name}: {error.message}")
    if task.settings.tsne_videos and not task.maps:
        layer = task.settings.tsne_layer
        problems = (*problems, f"t-SNE: no finished feature file has the layer {layer!r} (tsne_layer)")
    for problem in problems:
        tell(Event("note", f"no figure: {problem}"))
    return figures


def _write_figures(figures: Mapping[str, FigureData], folder: Path, tell: Tell) -> None:
    progress = ToldProgress("figures", len(figures), "figures", tell)
    for name, data in figures.items():
        figure = Figure(data)
        if figure.warning:
            tell(Event("note", f"{name}: {figure.warning}"))
        try:
            figure.save(folder / name)
        except UserError as error:
            tell(Event("note", f"no figure {name}: {error.message}"))
        progress.advance()
