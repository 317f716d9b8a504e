"""What a study reports: tables in every format, as PDF where there is TeX, figures and the page."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from p3d_eval.files import write_text
from p3d_eval.provenance import sha256_file
from p3d_eval.reports import Report
from p3d_eval.reports.failed import Failed
from p3d_eval.reports.pdf import PDFLATEX, compile_latex
from p3d_eval.study.settings import ReportSettings
from p3d_eval.study.tasks import Event, Tell

REPORT = "report"


@dataclass(frozen=True)
class ReportTask:
    """Write the report of a study.

    Parameters
    ----------
    folder : Path
        Where the report goes.
    results : tuple of Path
        Result files, in the study's order.
    failures : tuple of Failed
        Evaluations that failed.
    settings : ReportSettings
    """

    folder: Path
    results: tuple[Path, ...]
    failures: tuple[Failed, ...]
    settings: ReportSettings

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the report depends on."""
        return {
            "results": [[path.name, sha256_file(path)] for path in self.results],
            "failures": [asdict(one) for one in self.failures],
            "settings": asdict(self.settings),
            "tex": shutil.which(PDFLATEX) is not None,
        }

    def perform(self, tell: Tell) -> dict[str, Any]:
        """Write everything; return the hash of each file by its name below ``folder``."""
        report = Report.of(self.results, self.settings.published, self.failures)
        files = self._write_tables(report, tell)
        return {"files": {str(path.relative_to(self.folder)): sha256_file(path) for path in files}}

    def _write_tables(self, report: Report, tell: Tell) -> Sequence[Path]:
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
        files = [self.folder / name for name in texts]
        if shutil.which(PDFLATEX) is None:
            tell(Event("note", "no tables.pdf: there is no pdflatex here (make test-all installs it)"))
            return files
        compile_latex(self.folder / "tables.tex", self.folder / "tables.pdf")
        return [*files, self.folder / "tables.pdf"]
