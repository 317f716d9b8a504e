"""From a 2-D network to a 3-D one that gives the same on a clip without motion.

That equality is what makes inflated weights a starting point. For P3D (Qiu et al., Section 4: initialised
from a 2-D ResNet) it takes more than copying every tensor: the stride on the convolution that has it in
the 2-D network, pool1 with its padding, a first convolution that knows the input's channel order, range
and mean, and temporal convolutions that pass on what they see, or nothing.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from p3d_eval.backbones.bottleneck import BLOCKS, BN_EPSILON
from p3d_eval.backbones.checkpoint import Checkpoint, Inflater, find_reader
from p3d_eval.backbones.imagenet import input_spec
from p3d_eval.backbones.published_weights import identified
from p3d_eval.backbones.resnet_checkpoint import resnet_readers
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.errors import UserError
from p3d_eval.provenance import sha256_file

# The options of P3D under which it computes what a 2-D ResNet of an arrangement does.
_MATCHING = {
    "torchvision": {"stride_on": "3x3", "pool1": "padded", "pixel_mean": "torchvision"},
    "caffe": {"stride_on": "1x1", "pool1": "ceil", "pixel_mean": "caffe"},
}


def convert_first_convolution(weight: Tensor, source: InputSpec, target: InputSpec) -> tuple[Tensor, Tensor]:
    """Make a first convolution take another input than the one it was trained on.

    Parameters
    ----------
    weight : Tensor
        out × in × …, in the channel order of ``source``.
    source, target : InputSpec
        What it was trained on, and what it will see; RGB or BGR.

    Returns
    -------
    weight : Tensor
        In the channel order of ``target``.
    offset : Tensor
        out; to be added to the convolution's output. Zero when both inputs are 0 for the same colour;
        otherwise zero padding stands for two colours, and the outputs at the border differ.
    """
    kernel = weight.double()
    mean, std = (torch.tensor(values, dtype=torch.float64) for values in (source.mean, source.std))
    if source.channel_order != target.channel_order:
        kernel, mean, std = kernel.flip(1), mean.flip(0), std.flip(0)
    target_mean, target_std = (
        torch.tensor(values, dtype=torch.float64) for values in (target.mean, target.std)
    )
    gain, target_gain = ((spec.value_range[1] - spec.value_range[0]) / 255 for spec in (source, target))
    # A byte v is (v · gain + low − mean) / std; solved for v in the target, set into the source.
    scale = gain * target_std / (target_gain * std)
    zero = (target_mean - target.value_range[0]) / target_gain  # the byte that the target sees as 0
    shift = (zero * gain + source.value_range[0] - mean) / std
    shift = torch.where(shift.abs() < 1e-9, 0.0, shift)  # the same colour, but for rounding
    shape = (1, -1, *[1] * (weight.ndim - 2))
    offset = (kernel * shift.view(shape)).flatten(1).sum(1)
    return (kernel * scale.view(shape)).to(weight.dtype), offset.to(weight.dtype)


def resnet_inflater(depth: int, target: Callable[[Mapping[str, str]], InputSpec]) -> Inflater:
    """Return what makes P3D weights of those of a 2-D ResNet of the same depth.

    Parameters
    ----------
    depth : int
        50, 101 or 152.
    target : callable
        P3D's options → its input specification.
    """
    blocks = BLOCKS[depth]

    def inflate(path: Path, given: Mapping[str, str], spread: str) -> Checkpoint:
        if spread != "centre":
            raise UserError(
                f"spread={spread} does not apply to P3D: its kernels over time pass on one frame, or nothing",
                "Leave --spread out",
            )
        source = identified(find_reader(path, resnet_readers(depth), "inflation")(path), sha256_file(path))
        if source.architecture not in ("", f"resnet{depth}"):
            raise UserError(
                f"{path} holds weights of {source.architecture}, not of resnet{depth}",
                "Inflate a 2-D ResNet of the same depth",
            )
        arrangement = source.options.get("arrangement", "")
        if arrangement not in _MATCHING:
            raise UserError(f"{path} does not say whose ResNet it is", "Convert the published weights again")
        options = _options(path, arrangement, given)
        tensors = dict(source.tensors)
        _convert_input(tensors, input_spec(source.options), target(options))
        names = [name for stage in blocks[:3] for name in stage]
        for index, name in enumerate(names):
            kind = options["variant"][index % len(options["variant"])]
            passes = kind == "A" or (kind == "C" and options["sum_rule"] == "official")
            tensors |= _temporal(f"{name}.", tensors.get(f"{name}.branch2b.weight"), passes)
        for name, tensor in tensors.items():
            if tensor.ndim == 4 and name.partition(".")[0] in ("conv1", *names):
                tensors[name] = tensor.unsqueeze(2)
        trained_on = f"{source.trained_on or 'ImageNet'} (2-D), inflated"
        return replace(source, tensors=tensors, architecture="", options=options, trained_on=trained_on)

    return inflate


def _options(path: Path, arrangement: str, given: Mapping[str, str]) -> dict[str, str]:
    """Options of the inflated network; only ``pixel_mean`` may differ from the 2-D network's."""
    matching = _MATCHING[arrangement]
    options = {"variant": "ABC", "sum_rule": "official", "modality": "rgb", **matching, **given}
    wanted = {"modality": "rgb", "stride_on": matching["stride_on"], "pool1": matching["pool1"]}
    for key, value in wanted.items():
        if options[key] != value:
            raise UserError(
                f"{path}: a network inflated from it has {key}={value}, not {options[key]}",
                f"Leave {key} out",
            )
    return options


def _convert_input(tensors: dict[str, Tensor], source: InputSpec, target: InputSpec) -> None:
    weight, mean = tensors.get("conv1.weight"), tensors.get("bn_conv1.running_mean")
    if weight is None or mean is None or weight.ndim != 4 or weight.shape[1] != source.channels:
        return  # reported with all other tensors when the network is filled
    tensors["conv1.weight"], offset = convert_first_convolution(weight, source, target)
    tensors["bn_conv1.running_mean"] = mean - offset


def _temporal(prefix: str, spatial: Tensor | None, passes: bool) -> dict[str, Tensor]:
    """Temporal convolution that passes on the frame in the middle, or gives zero, and a neutral batch norm."""
    if spatial is None:
        return {}
    width = spatial.shape[0]
    kernel = torch.zeros(width, width, 3, 1, 1)
    if passes:
        kernel[:, :, 1, 0, 0] = torch.eye(width)
    norm = f"{prefix}bn_branch2b_t."
    return {
        f"{prefix}branch2b_t.weight": kernel,
        f"{norm}weight": torch.full((width,), math.sqrt(1 + BN_EPSILON)),
        f"{norm}bias": torch.zeros(width),
        f"{norm}running_mean": torch.zeros(width),
        f"{norm}running_var": torch.ones(width),
    }
