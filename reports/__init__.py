"""Results to tables and figures, with the published rows beside them."""

from p3d_eval.reports.comparison import build_tables
from p3d_eval.reports.document import FORMATS, Report, render
from p3d_eval.reports.failed import Failed

__all__ = ["FORMATS", "Failed", "Report", "build_tables", "render"]
