"""Published VGG-19 weights in this package's names: torchvision's state dict, and the authors' Caffe file."""

from pathlib import Path

import torch
from torch import Tensor

from p3d_eval.backbones.caffe import CAFFE, CAFFE_V1, read_layers, weight_and_bias
from p3d_eval.backbones.checkpoint import Checkpoint, Reader
from p3d_eval.backbones.state_dict import read_state_dict, rename_modules, torch_readers

# Places of the convolutions in torchvision's ``features``: a ReLU after each, a pooling after each stage.
_FEATURES = {1: (0, 2), 2: (5, 7), 3: (10, 12, 14, 16), 4: (19, 21, 23, 25), 5: (28, 30, 32, 34)}
_TORCHVISION = {
    **{
        f"features.{place}": f"conv{stage}_{index}"
        for stage, places in _FEATURES.items()
        for index, place in enumerate(places, start=1)
    },
    "classifier.0": "fc6",
    "classifier.3": "fc7",
    "classifier.6": "fc8",
}


def vgg_readers() -> dict[str, Reader]:
    """Return the readers of published VGG-19 weights by suffix."""
    return {".caffemodel": _read_caffe, **torch_readers(_read_torchvision)}


def _read_torchvision(path: Path) -> Checkpoint:
    tensors = rename_modules(read_state_dict(path), _TORCHVISION)
    return Checkpoint(tensors, options={"arrangement": "torchvision"})


def _read_caffe(path: Path) -> Checkpoint:
    """Read ``VGG_ILSVRC_19_layers.caffemodel``, in Caffe's format of 2014 or upgraded."""
    tensors: dict[str, Tensor] = {}
    for layer in read_layers(path, (CAFFE_V1, CAFFE)):
        weight, bias = map(torch.from_numpy, weight_and_bias(path, layer))
        if layer.name.startswith("fc") and weight.shape[:-2] == (1, 1):
            weight = weight[0, 0]
        head = "fc8" if layer.name.startswith("fc8") else layer.name
        while f"{head}.weight" in tensors:  # a second classifier, which is left over and reported
            head += " again"
        tensors |= {f"{head}.weight": weight, f"{head}.bias": bias.flatten()}
    return Checkpoint(tensors, options={"arrangement": "caffe"})
