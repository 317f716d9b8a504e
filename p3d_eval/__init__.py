"""p3d-eval: how well does a frozen video network transfer?

The names below are the public Python interface; each is imported when first used, so that
``import p3d_eval`` stays light.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_root = Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file() and (_root / "protocols" / "__init__.py").is_file():
    # A checkout: features/, protocols/ and reports/ lie beside this package and import from below it.
    __path__.append(str(_root))

_PUBLIC = {
    "check_backbone": "p3d_eval.network_verbs",
    "compare": "p3d_eval.api",
    "evaluate": "p3d_eval.api",
    "extract": "p3d_eval.api",
    "leaderboard": "p3d_eval.reports.leaderboard",
    "load_backbone": "p3d_eval.api",
    "open_features": "p3d_eval.api",
    "preview": "p3d_eval.network_verbs",
    "profile": "p3d_eval.network_verbs",
    "report": "p3d_eval.api",
    "run_study": "p3d_eval.study.run",
}

__all__ = [
    "__version__",
    "check_backbone",
    "compare",
    "evaluate",
    "extract",
    "leaderboard",
    "load_backbone",
    "open_features",
    "preview",
    "profile",
    "report",
    "run_study",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
