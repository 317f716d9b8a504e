"""C3D's released files: the Caffe network and its mean cube, in this package's names."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from p3d_eval.backbones.caffe import C3D_CAFFE, CAFFE, CaffeLayer, read_blob, read_layers, weight_and_bias
from p3d_eval.backbones.checkpoint import Checkpoint
from p3d_eval.errors import UserError, shorten

FRAMES, CROP = 16, 112
MEAN_FILE = "sport1m_train16_128_mean.binaryproto"
MEAN_FILE_PLACE = f"C3D-v1.0/examples/c3d_feature_extraction/{MEAN_FILE} of facebookarchive/C3D"
_CLASSIFIER = "fc8"


def _vector(blob: NDArray[np.float32]) -> NDArray[np.float32]:
    return blob.reshape(-1)


def _matrix(blob: NDArray[np.float32]) -> NDArray[np.float32]:
    return blob.reshape(blob.shape[-2:]) if blob.size == np.prod(blob.shape[-2:]) else blob


def _module_name(layer: str) -> str:
    """Name of ours for a Caffe layer: ``fc6-1`` is fc6, and every fc8 is the classifier (``fc8_ucf101``)."""
    return _CLASSIFIER if layer.startswith(_CLASSIFIER) else layer.removesuffix("-1")


def _parameters(layer: CaffeLayer, path: Path) -> dict[str, Tensor]:
    weight, bias = weight_and_bias(path, layer)
    name = _module_name(layer.name)
    weight = _matrix(weight) if name.startswith("fc") else weight
    return {f"{name}.0.weight": torch.from_numpy(weight), f"{name}.0.bias": torch.from_numpy(_vector(bias))}


def read_mean_cube(path: Path) -> Tensor:
    """Read the mean over the training clips and take what the centre crop sees of it.

    Parameters
    ----------
    path : Path
        A ``.binaryproto`` of 3 × 16 × H × W numbers, blue first; the released one is 128 × 171.

    Returns
    -------
    Tensor
        float32, 3 × 16 × 112 × 112.

    Raises
    ------
    UserError
        When the file is not a mean of clips, or is smaller than the crop.
    """
    cube = read_blob(path)
    size = cube.shape[-4:]
    if cube.size != np.prod(size) or size[:2] != (3, FRAMES) or min(size[2:]) < CROP:
        shape = " × ".join(map(str, cube.shape))
        raise UserError(
            f"{path} is {shape}, not a mean of clips (3 × {FRAMES} × {CROP} × {CROP} at least)",
            f"Take {MEAN_FILE_PLACE}",
        )
    top, left = ((length - CROP) // 2 for length in size[2:])
    crop = cube.reshape(size)[:, :, top : top + CROP, left : left + CROP]
    return torch.from_numpy(np.ascontiguousarray(crop))


def _mean_file_beside(path: Path) -> Path:
    official = path.with_name(MEAN_FILE)
    found = [official] if official.is_file() else sorted(path.parent.glob("*mean*.binaryproto"))
    if len(found) != 1:
        what = f"{len(found)} mean cubes ({shorten(p.name for p in found)})" if found else "no mean cube"
        raise UserError(
            f"{path} has {what} beside it, and C3D subtracts one",
            f"Put one into the same folder: {MEAN_FILE_PLACE}",
        )
    return found[0]


def read_c3d_caffemodel(path: Path) -> Checkpoint:
    """Read C3D's released network (C3D-v1.0's Caffe, or a current one) and the mean cube beside it.

    Raises
    ------
    UserError
        When either file cannot be read, or the mean cube is not in the same folder.
    """
    tensors: dict[str, Tensor] = {}
    heads: list[str] = []
    for layer in read_layers(path, (C3D_CAFFE, CAFFE)):
        if _module_name(layer.name) == _CLASSIFIER:
            heads.append(layer.name)
        tensors |= _parameters(layer, path)
    if len(heads) > 1:
        raise UserError(f"{path} has {len(heads)} classifiers: {shorten(heads)}", "Keep the one to use")
    mean = _mean_file_beside(path)
    tensors["mean.cube"] = read_mean_cube(mean)
    return Checkpoint(tensors, options={"subtract": "cube"}, beside=(mean,))
