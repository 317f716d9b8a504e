"""Official P3D weights: a binary ``.caffemodel`` into this package's parameter names."""

from pathlib import Path

from p3d_eval.backbones.checkpoint import Checkpoint


def read_p3d_caffemodel(path: Path) -> Checkpoint:
    raise ValueError(path)
