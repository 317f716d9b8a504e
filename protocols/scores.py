"""Decision values behind a result, in a file of their own that loads without pickle."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError
from p3d_eval.files import atomic_output
from p3d_eval.provenance import sha256_file

_ARRAYS = ("ids", "split", "labels", "classes", "scores")
_OPTIONAL = ("clusters", "cluster_kind")


def scores_path(path: Path) -> Path:
    """Where the scores of the result at ``path`` are saved."""
    return path.with_suffix(".scores.npz")


@dataclass(frozen=True)
class Scores:
    """Decision values behind a result, for fusion, significance tests, confusion matrices and ROC curves.

    Parameters
    ----------
    ids : ndarray of str, shape (n,) or (n, 2)
        Video ids, or pairs of them.
    split : ndarray of int, shape (n,)
        Index of the split or fold, from 0.
    labels : ndarray of int, shape (n,) or (n, classes)
        Class index, multi-label indicator, or 1 for a pair of the same class.
    classes : ndarray of str, shape (classes,)
        Class names in the order of the columns of ``scores``.
    scores : ndarray of float32, shape (n, classes) or (n,)
        Decision values.
    clusters : ndarray of str, shape (n,), optional
        What succeeds or fails together, by name; None where each video stands alone.
    cluster_kind : str
        What the clusters are, e.g. ``"(class, group) clusters"``.
    """

    ids: NDArray[np.str_]
    split: NDArray[np.integer[Any]]
    labels: NDArray[np.integer[Any]]
    classes: NDArray[np.str_]
    scores: NDArray[np.float32]
    clusters: NDArray[np.str_] | None = None
    cluster_kind: str = "videos"

    def save(self, path: Path, overwrite: bool = False) -> str:
        """Write an ``.npz`` that loads with ``allow_pickle=False``; return its SHA-256."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.clusters is not None:
            arrays |= {"clusters": self.clusters, "cluster_kind": np.array(self.cluster_kind)}
        with atomic_output(path, overwrite) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays | {"scores": self.scores.astype(np.float32)})
        return sha256_file(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        UserError
            When the file is not such an archive.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                arrays = {name: data[name] for name in _ARRAYS}
                more = {name: data[name] for name in _OPTIONAL if name in data}
                if more:
                    more["cluster_kind"] = str(more["cluster_kind"])
                return cls(**arrays, **more)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: not the scores of a result ({error})") from error
