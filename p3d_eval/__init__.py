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
    "annotate": "p3d_eval.file_verbs",
    "check_backbone": "p3d_eval.network_verbs",
    "check_videos": "p3d_eval.file_verbs",
    "compare": "p3d_eval.api",
    "convert_weights": "p3d_eval.weights_verbs",
    "describe_backbone": "p3d_eval.weights_verbs",
    "describe_features": "p3d_eval.file_verbs",
    "describe_weights": "p3d_eval.weights_verbs",
    "evaluate": "p3d_eval.api",
    "extract": "p3d_eval.api",
    "fetch_weights": "p3d_eval.weights_verbs",
    "import_features": "p3d_eval.file_verbs",
    "inflate_weights": "p3d_eval.weights_verbs",
    "leaderboard": "p3d_eval.reports.leaderboard",
    "list_backbones": "p3d_eval.weights_verbs",
    "list_weights": "p3d_eval.weights_verbs",
    "load_backbone": "p3d_eval.api",
    "merge_features": "p3d_eval.file_verbs",
    "open_features": "p3d_eval.file_verbs",
    "plot": "p3d_eval.reports.figures.plotting",
    "prepare": "p3d_eval.file_verbs",
    "preview": "p3d_eval.network_verbs",
    "profile": "p3d_eval.network_verbs",
    "prune_study": "p3d_eval.study.pruning",
    "report": "p3d_eval.api",
    "run_study": "p3d_eval.study.run",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
