"""What a study reports: tables in every format, as PDF where there is TeX, figures and the page."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from p3d_eval.errors import UserError
from p3d_eval.files import write_text
from p3d_eval.provenance import sha256_file
from p3d_eval.reports import Report
from p3d_eval.reports.failed import Failed
from p3d_eval.reports.figures.catalogue import draw_everything
from p3d_eval.reports.figures.data import FigureData
from p3d_eval.reports.figures.picture import Figure
from p3d_eval.reports.page import to_page
from p3d_eval.reports.pdf import PDFLATEX, compile_latex
from p3d_eval.study.settings import ReportSettings
from p3d_eval.study.tasks import Event, Tell, ToldProgress

REPORT, FIGURES, PAGE = "report", "figures", "report.html"


@dataclass(frozen=True)
class ReportTask:
    """Write the report of a study.

    Parameters
    ----------
    folder : Path
        Where the report goes; what is there is removed first.
    results : tuple of Path
        Result files, in the study's order.
    failures : tuple of Failed
        Evaluations that failed.
    settings : ReportSettings
    title : str
        Of the page.
    command : str
        What makes the report, for whoever reads the page.
    """

    folder: Path
    results: tuple[Path, ...]
    failures: tuple[Failed, ...]
    settings: ReportSettings
    title: str
    command: str

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the report depends on."""
        return {
            "results": [[path.name, sha256_file(path)] for path in self.results],
            "failures": [asdict(one) for one in self.failures],
            "settings": asdict(self.settings),
            "title": self.title,
            "tex": shutil.which(PDFLATEX) is not None,
        }

    def perform(self, tell: Tell) -> dict[str, Any]:
        """Write everything into the empty ``folder``; return nothing."""
        shutil.rmtree(self.folder, ignore_errors=True)
        report = Report.of(self.results, self.settings.published, self.failures)
        self._write_tables(report, tell)
        figures: dict[str, FigureData] = {}
        if self.settings.figures:
            figures, problems = draw_everything(report.results)
            for problem in problems:
                tell(Event("note", f"no figure: {problem}"))
            self._write_figures(figures, tell)
        page = to_page(report, list(figures.values()), title=self.title, command=self.command)
        write_text(self.folder / PAGE, page, overwrite=True)
        return {}

    def _write_tables(self, report: Report, tell: Tell) -> None:
        texts = {
            "tables.csv": report.to_csv(),
            "tables.md": report.to_markdown(),
            "tables.txt": report.to_text(),
            "tables.json": report.to_json(),
            "tables.tex": report.to_latex(),
            "tables-input.tex": report.to_latex(standalone=False),
        }
        for name, text in texts.items():
            write_text(self.folder / name, text, overwrite=True)
        if shutil.which(PDFLATEX) is None:
            tell(Event("note", "no tables.pdf: there is no pdflatex here (Debian: texlive-latex-recommended)"))
            return
        try:
            compile_latex(self.folder / "tables.tex", self.folder / "tables.pdf")
        except UserError as error:
            tell(Event("note", f"no tables.pdf: {error.message}"))

    def _write_figures(self, figures: Mapping[str, FigureData], tell: Tell) -> None:
        progress = ToldProgress("figures", len(figures), "figures", tell)
        for name, data in figures.items():
            figure = Figure(data)
            if figure.warning:
                tell(Event("note", f"{name}: {figure.warning}"))
            try:
                figure.save(self.folder / FIGURES / name, overwrite=True)
            except UserError as error:
                tell(Event("note", f"no figure {name}: {error.message}"))
            progress.advance()
