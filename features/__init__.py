"""Videos to clips to activations to one HDF5 file; reading that file.

The names below are imported when first used: a decoding process needs none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from p3d_eval.features.embedding import embed_annotations
    from p3d_eval.features.memory import write_store
    from p3d_eval.features.store import FeatureStore, open_features

_HOME = {
    "FeatureStore": "store",
    "embed_annotations": "embedding",
    "open_features": "store",
    "write_store": "memory",
}

__all__ = ["FeatureStore", "embed_annotations", "open_features", "write_store"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"p3d_eval.features.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
