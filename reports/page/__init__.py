"""One self-contained HTML page of a report: sorting tables, live figures, the source of every number."""

from p3d_eval.reports.page.document import TITLE, to_page
from p3d_eval.reports.page.gathering import gather_figures

__all__ = ["TITLE", "gather_figures", "to_page"]
