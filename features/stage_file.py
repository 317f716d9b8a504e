"""A text file of where the time of extractions went, one table below the other."""

from pathlib import Path
from typing import TYPE_CHECKING

from p3d_eval.errors import UserError
from p3d_eval.features.bottleneck import profile_lines
from p3d_eval.files import require_new, require_writable

if TYPE_CHECKING:
    from p3d_eval.features.extractor import ExtractSummary

_TITLE = "p3d-eval profile"


def require_stage_file(path: Path) -> None:
    """Check that a table can be added to a file: a new one, or one that holds such tables.

    Raises
    ------
    UserError
        When it cannot be written, or is somebody's.
    """
    require_new(path, overwrite=True)
    require_writable(path)
    if path.exists():
        with path.open("rb") as file:
            if file.read(len(_TITLE)) != _TITLE.encode():
                raise UserError(f"{path} exists and holds no profiles", "Choose another name for --profile")


def stage_table(summary: "ExtractSummary") -> str:
    """Write what each stage of an extraction took, and what to change."""
    title = f"{_TITLE} {summary.path}, {summary.seconds:.1f} s"
    return "\n".join([title, *profile_lines(summary.usage)]) + "\n"


def add_stages(path: Path, summary: "ExtractSummary") -> None:
    """Add the table of an extraction to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(stage_table(summary))
