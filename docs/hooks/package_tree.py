"""Show mkdocstrings the four folders as the one package that they install as.

The API pages are made from the source without importing it; a copy puts ``features``, ``protocols`` and
``reports`` below ``p3d_eval``, where their names say they are. (Links would be resolved, and lose that place.)
"""

import shutil
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "build" / "docs" / "p3d_eval"


def on_startup(**_: Any) -> None:
    """Copy the modules before a page is read (called by mkdocs)."""
    shutil.rmtree(PACKAGE, ignore_errors=True)
    _copy(ROOT / "p3d_eval", PACKAGE)
    for folder in ("features", "protocols", "reports"):
        _copy(ROOT / folder, PACKAGE / folder)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
