"""Videos to clips to activations to one HDF5 file; reading that file."""

from p3d_eval.features.embedding import embed_annotations
from p3d_eval.features.memory import write_store
from p3d_eval.features.store import FeatureStore, open_features

__all__ = ["FeatureStore", "embed_annotations", "open_features", "write_store"]
