"""Published ResNet weights in this package's names: torchvision's and timm's, and the authors' Caffe files."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from p3d_eval.backbones.bottleneck import BLOCKS, Blocks
from p3d_eval.backbones.caffe import read_layers
from p3d_eval.backbones.checkpoint import Checkpoint, Reader
from p3d_eval.backbones.state_dict import read_state_dict, rename_modules, torch_readers
from p3d_eval.errors import UserError, counted

# Layers of the authors' Caffe networks, and what their blobs are by kind.
_CAFFE_BLOCK = re.compile(r"(res|bn|scale)([2-5][a-z]\d*)_(branch\w+)")
_FACTOR = ".factor"
_CAFFE_LEAVES = {
    "res": ("weight", "bias"),
    "bn": ("running_mean", "running_var", _FACTOR[1:]),
    "scale": ("weight", "bias"),
}
# Parts of a block in torchvision and here.
_TORCHVISION_PARTS = {
    **{f"conv{n}": f"branch2{letter}" for n, letter in enumerate("abc", start=1)},
    **{f"bn{n}": f"bn_branch2{letter}" for n, letter in enumerate("abc", start=1)},
    "downsample.0": "branch1",
    "downsample.1": "bn_branch1",
}


def renamed(
    tensors: Mapping[str, Tensor], blocks: Blocks, parts: Mapping[str, str], stem: Mapping[str, str]
) -> dict[str, Tensor]:
    """Rename the tensors of a ResNet whose blocks are ``layer1.0`` … in this package's names.

    Parameters
    ----------
    tensors : mapping
        Name → tensor.
    blocks : tuple of tuple of str
        Names of the blocks here.
    parts, stem : mapping
        Module inside a block, and outside of them, there → here.

    Returns
    -------
    dict
        Names that are not known stay as they are, and are then reported as unexpected.
    """
    modules = dict(stem)
    for stage, names in enumerate(blocks, start=1):
        for position, name in enumerate(names):
            modules |= {f"layer{stage}.{position}.{there}": f"{name}.{here}" for there, here in parts.items()}
    return rename_modules(tensors, modules)


def resnet_readers(depth: int) -> dict[str, Reader]:
    """Return the readers of published ResNet weights of one depth by suffix."""
    blocks = BLOCKS[depth]

    def read_torchvision(path: Path) -> Checkpoint:
        stem = {"conv1": "conv1", "bn1": "bn_conv1", "fc": "fc"}
        tensors = renamed(read_state_dict(path), blocks, _TORCHVISION_PARTS, stem)
        return Checkpoint(tensors, options={"arrangement": "torchvision"})

    return {".caffemodel": read_caffe_resnet, **torch_readers(read_torchvision)}


def read_caffe_resnet(path: Path) -> Checkpoint:
    """Read the authors' ``ResNet-50-model.caffemodel`` and its deeper kin.

    Batch norm stands in two layers there: ``bn…`` with mean, variance and the factor by which both are
    too large, and ``scale…`` with slope and bias. ResNet-50's first convolution has a bias, which goes
    into the mean of the batch norm after it.

    Raises
    ------
    UserError
        When the file cannot be read, or a layer has another number of blobs than its kind.
    """
    tensors: dict[str, Tensor] = {}
    for layer in read_layers(path):
        kind, prefix = _place(layer.name)
        leaves = _CAFFE_LEAVES[kind]
        if len(layer.blobs) > len(leaves) or (kind != "res" and len(layer.blobs) < len(leaves)):
            raise UserError(
                f"{path}: layer {layer.name!r} has {counted(len(layer.blobs), 'blob')}, expected {len(leaves)}",
                "Is this another network's file?",
            )
        while f"{prefix}.{leaves[0]}" in tensors:  # a second classifier, which is left over and reported
            prefix += " again"
        for leaf, blob in zip(leaves, layer.blobs, strict=False):
            tensors[f"{prefix}.{leaf}"] = torch.from_numpy(blob)
    return Checkpoint(_settled(tensors), options={"arrangement": "caffe"})


def _place(name: str) -> tuple[str, str]:
    """Kind of a Caffe layer and its module here; names that are not known stay."""
    match = _CAFFE_BLOCK.fullmatch(name)
    if match:
        kind, block, branch = match.groups()
        return kind, f"res{block}.{branch if kind == 'res' else f'bn_{branch}'}"
    if name in ("bn_conv1", "scale_conv1"):
        return name.partition("_")[0], "bn_conv1"
    return "res", "fc" if name.startswith("fc") else name


def _settled(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Divide statistics by their factor, and take the first convolution's bias into its batch norm."""
    factors = {
        name.removesuffix(_FACTOR): tensors.pop(name) for name in list(tensors) if name.endswith(_FACTOR)
    }
    for module, factor in factors.items():
        total = float(factor.sum())
        scale = 1 / total if total else 0.0  # as Caffe's BatchNorm does
        for leaf in ("running_mean", "running_var"):
            tensors[f"{module}.{leaf}"] = tensors[f"{module}.{leaf}"] * scale
    bias = tensors.pop("conv1.bias", None)
    mean = tensors.get("bn_conv1.running_mean")
    if bias is not None and mean is not None and mean.shape == bias.shape:
        tensors["bn_conv1.running_mean"] = mean - bias
    return tensors
