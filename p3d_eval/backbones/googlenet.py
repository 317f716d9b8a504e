"""I3D's weights out of a 2-D Inception-v1: torchvision's GoogLeNet, whose kernels are I3D's without time.

Carreira and Zisserman (CVPR 2017, Section 2.4) repeat a 2-D kernel along time and divide it by the number of
frames (``average``): away from a clip's ends, where zeros are padded, a clip without motion then gives
what the image gives. A kernel that is the 2-D one in the middle and zero elsewhere (``centre``) gives it
everywhere.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from p3d_eval.backbones.checkpoint import Checkpoint, printable
from p3d_eval.backbones.i3d_checkpoint import fold_scales
from p3d_eval.backbones.inception import FIRST, MIXED, SECOND
from p3d_eval.backbones.state_dict import read_state_dict
from p3d_eval.errors import UserError, shorten

_TRAINED_ON = "ImageNet (2-D GoogLeNet), inflated"
_PADDING = {"padding": "googlenet"}  # torchvision pads the first convolution on both sides alike

_STEM = {"conv1": FIRST, "conv2": "conv3d_2b_1x1", "conv3": SECOND}
_MODULES = dict(zip(("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"), MIXED, strict=True))
_UNITS = {
    "branch1": "branch_0.conv3d_0a_1x1",
    "branch2.0": "branch_1.conv3d_0a_1x1",
    "branch2.1": "branch_1.conv3d_0b_3x3",
    "branch3.0": "branch_2.conv3d_0a_1x1",
    "branch3.1": "branch_2.conv3d_0b_3x3",
    "branch4.1": "branch_3.conv3d_0b_1x1",
}
_LEAVES = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
_TRAINING_ONLY = ("aux1.", "aux2.")  # classifiers beside the network that help to train it


def _places() -> Iterator[tuple[str, str]]:
    yield from _STEM.items()
    for theirs, ours in _MODULES.items():
        yield from ((f"inception{theirs}.{unit}", f"{ours}.{place}") for unit, place in _UNITS.items())


def _spread(kernel: Tensor, frames: int, spread: str) -> Tensor:
    """Give a 2-D kernel ``frames`` frames."""
    if spread == "average":
        return kernel.unsqueeze(2).repeat(1, 1, frames, 1, 1) / frames
    wide = kernel.new_zeros(*kernel.shape[:2], frames, *kernel.shape[2:])
    wide[:, :, frames // 2] = kernel
    return wide


def inflate_googlenet(
    path: Path, frames: Mapping[str, int], given: Mapping[str, str], spread: str
) -> Checkpoint:
    """Make I3D's weights of torchvision's GoogLeNet.

    Parameters
    ----------
    path : Path
        Its state dict. Weights are taken to see RGB in [−1, 1], as torchvision's trained ones do.
    frames : mapping
        Name of a convolution's weight here → frames of its kernel.
    given : mapping
        Options of the network.
    spread : {"centre", "average"}
        How a kernel gets its frames.

    Raises
    ------
    UserError
        When the file cannot be read, holds other names, or does not fit the options.
    """
    if given.get("padding", "googlenet") != "googlenet":
        raise UserError(
            f"{path}: a network inflated from it has padding=googlenet, not {given['padding']}",
            "Leave padding out",
        )
    names = {f"{theirs}.{leaf}": f"{ours}.{leaf}" for theirs, ours in _places() for leaf in _LEAVES}
    names |= {"fc.weight": "logits.weight", "fc.bias": "logits.bias"}
    found = {n: t for n, t in read_state_dict(path).items() if not n.startswith(_TRAINING_ONLY)}
    strange = [printable(name) for name in found if name not in names]
    if strange:
        raise UserError(
            f"{path} is not a GoogLeNet: unexpected {shorten(strange)}",
            "Give the state dict of torchvision's googlenet",
        )
    tensors = {names[name]: tensor.to(torch.float32) for name, tensor in found.items()}
    for name, count in frames.items():
        if name in tensors and tensors[name].ndim == 4:
            tensors[name] = _spread(tensors[name], count, spread)
    trained_on = f"{_TRAINED_ON} ({spread})"
    return Checkpoint(fold_scales(path, tensors), options={**given, **_PADDING}, trained_on=trained_on)
