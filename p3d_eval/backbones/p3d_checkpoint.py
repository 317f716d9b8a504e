"""P3D's published weights in this package's names: the authors' Caffe files and the files of the PyTorch port.

A batch-norm layer of the authors' Caffe holds slope, bias, mean and variance in that order. Blobs with the
four sizes of before 2014 (num, channels, height, width) have no time axis, and get it here.

The README of the port, qijiezhao/pseudo-3d-pytorch, says that its files were converted from the authors';
its code computes something else with them (blocks B and C, pool1). So the official arithmetic is the
default for both, with a notice.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from p3d_eval.backbones.bottleneck import BLOCKS
from p3d_eval.backbones.caffe import CaffeLayer, read_layers
from p3d_eval.backbones.checkpoint import Checkpoint, Reader
from p3d_eval.backbones.resnet_checkpoint import renamed
from p3d_eval.backbones.state_dict import read_state_dict, torch_readers
from p3d_eval.errors import UserError, counted, shorten

_BN_TENSORS = ("weight", "bias", "running_mean", "running_var")
_BLOCK_LAYER = re.compile(r"(?P<kind>res|bn)(?P<block>[2-5][a-z]\d*)_(?P<branch>branch\w+)")
_TEMPORAL, _FLAT_STAGE = "_t", "res5"

_PORT_STEM = {"conv1_custom": "conv1", "bn1": "bn_conv1", "fc": "fc"}
# Convolutions of the port's blocks; res5 has conv_normal in the middle.
_PORT_PLACES = {"1": "2a", "2": "2b", "3": "2b_t", "4": "2c", "_normal": "2b"}
_PORT_PARTS = {
    **{f"conv{there}": f"branch{here}" for there, here in _PORT_PLACES.items()},
    **{f"bn{there}": f"bn_branch{here}" for there, here in _PORT_PLACES.items()},
    "downsample.0": "branch1",
    "downsample.1": "bn_branch1",
}
_PORT_ARITHMETIC = {"sum_rule": "port", "pool1": "padded"}


def p3d_readers(depth: int) -> dict[str, Reader]:
    """Return the readers of published P3D weights by suffix.

    Parameters
    ----------
    depth : int
        Of the ResNet that it is made of: 50, 101 or 152.
    """
    blocks = BLOCKS[depth]

    def read_port(path: Path) -> Checkpoint:
        found = read_state_dict(path)
        if "conv1.weight" in found and "conv1_custom.weight" not in found:
            raise UserError(
                f"{path} holds the weights of a 2-D ResNet, not of P3D",
                f"Inflate them: p3d-eval weights inflate {path} --backbone NAME --out NEW.safetensors",
            )
        tensors = renamed(found, blocks, _PORT_PARTS, _PORT_STEM)
        return Checkpoint(
            tensors,
            options=_modality_of(tensors),
            native=_PORT_ARITHMETIC,
            notice=f"{path} was made for qijiezhao/pseudo-3d-pytorch, whose code computes blocks B and C and "
            "pool1 otherwise than the official network; the options sum_rule=port and pool1=padded do so too",
        )

    return {".caffemodel": read_p3d_caffemodel, **torch_readers(read_port)}


def _modality_of(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Option that the first convolution's input channels tell: optical flow has two."""
    first = tensors.get("conv1.weight")
    if first is None or first.ndim < 2 or first.shape[1] not in (2, 3):
        return {}  # reported with all other tensors when the network is filled
    return {"modality": "flow" if first.shape[1] == 2 else "rgb"}


def _parameter_prefix(layer: str) -> str:
    """Return our module path of a Caffe layer; unknown names stay, and are then reported as unexpected."""
    match = _BLOCK_LAYER.fullmatch(layer)
    if match is None:
        return "fc" if layer.startswith("fc") else layer
    branch = match["branch"] if match["kind"] == "res" else f"bn_{match['branch']}"
    return f"res{match['block']}.{branch}"


def _tensor_names(layer: CaffeLayer) -> tuple[str, ...]:
    if layer.type == "BN" or layer.name.startswith("bn"):
        return _BN_TENSORS
    return ("weight", "bias")


def _native_shape(prefix: str, leaf: str, blob: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give a blob of any age the axes that the parameter has here; what does not fit stays, and is reported."""
    if leaf != "weight" or ".bn_" in prefix or prefix.startswith("bn_"):
        return blob.reshape(-1) if blob.size == max(blob.shape, default=1) else blob
    if blob.ndim != 4:
        return blob
    out, channels, height, width = blob.shape
    if prefix == "fc":
        return blob.reshape(height, width) if (out, channels) == (1, 1) else blob
    if prefix.endswith(_TEMPORAL):
        return blob.reshape(out, channels, -1, 1, 1) if 1 in (height, width) else blob
    return blob if prefix.startswith(_FLAT_STAGE) else blob[:, :, None]


def read_p3d_caffemodel(path: Path) -> Checkpoint:
    """Read the authors' P3D weights.

    The classifier's layer is named after the data (``fc_sports1m``, ``fc_kinetics``); its number of
    outputs is the number of classes.

    Raises
    ------
    UserError
        When the file cannot be read, or a layer has another number of blobs than its type.
    """
    tensors: dict[str, Tensor] = {}
    heads: list[str] = []
    for layer in read_layers(path):
        prefix, names = _parameter_prefix(layer.name), _tensor_names(layer)
        if prefix == "fc":
            heads.append(layer.name)
        if len(layer.blobs) > len(names) or (names is _BN_TENSORS and len(layer.blobs) != len(names)):
            raise UserError(
                f"{path}: layer {layer.name!r} has {counted(len(layer.blobs), 'blob')}, expected {len(names)}",
                "Is this another network's file?",
            )
        for name, blob in zip(names, layer.blobs, strict=False):
            tensors[f"{prefix}.{name}"] = torch.from_numpy(_native_shape(prefix, name, blob))
    if len(heads) > 1:
        raise UserError(f"{path} has {len(heads)} classifiers: {shorten(heads)}", "Keep the one to use")
    return Checkpoint(tensors, options=_modality_of(tensors))
