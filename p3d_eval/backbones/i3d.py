"""I3D RGB: the inflated Inception-v1 of Carreira and Zisserman (CVPR 2017), as TensorFlow computes it.

Widths and kernels are those of the S3D paper's Inception table (Xie et al., ECCV 2018) with every
kernel inflated. "SAME" padding puts the odd element at the end, batch norm has a shift but no scale.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from p3d_eval.backbones.i3d_checkpoint import read_i3d_checkpoint
from p3d_eval.backbones.network import Architecture
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.errors import UserError

_BN_EPSILON = 1e-3
_KINETICS_CLASSES = 400
_TEMPORAL_REDUCTION = 8  # strides of the first convolution, of the poolings before 4b and before 5b
_SPATIAL_REDUCTION = 32
_LAST_POOL = (2, 7, 7)  # window of the average pooling before the classifier, stride 1

# Widths of (branch 0), (branch 1 reduction, branch 1), (branch 2 reduction, branch 2), (branch 3).
_MIXED = {
    "mixed_3b": (64, 96, 128, 16, 32, 32),
    "mixed_3c": (128, 128, 192, 32, 96, 64),
    "mixed_4b": (192, 96, 208, 16, 48, 64),
    "mixed_4c": (160, 112, 224, 24, 64, 64),
    "mixed_4d": (128, 128, 256, 24, 64, 64),
    "mixed_4e": (112, 144, 288, 32, 64, 64),
    "mixed_4f": (256, 160, 320, 32, 128, 128),
    "mixed_5b": (256, 160, 320, 32, 128, 128),
    "mixed_5c": (384, 192, 384, 48, 128, 128),
}
_POOL_BEFORE = {
    "mixed_3b": ("maxpool3d_3a_3x3", (1, 3, 3), (1, 2, 2)),
    "mixed_4b": ("maxpool3d_4a_3x3", (3, 3, 3), (2, 2, 2)),
    "mixed_5b": ("maxpool3d_5a_2x2", (2, 2, 2), (2, 2, 2)),
}


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME" padding before and after an axis: ceil(size / stride) outputs, odd one behind."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _pad_same(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], value: float) -> Tensor:
    axes = list(zip(x.shape[2:], kernel, stride, strict=True))
    pads = [side for axis in reversed(axes) for side in same_padding(*axis)]
    return functional.pad(x, pads, value=value) if any(pads) else x


class ShiftNorm(nn.Module):
    """Batch norm in evaluation with a shift and without a scale."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(x − mean) / sqrt(var + 1e-3) + shift, per channel."""
        return functional.batch_norm(x, self.running_mean, self.running_var, bias=self.bias, eps=_BN_EPSILON)


class Unit(nn.Module):
    """Convolution with "SAME" padding, `ShiftNorm`, ReLU."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv3d(channels, out, kernel, stride=stride, bias=False)
        self.bn = ShiftNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        """N × C × T × H × W → N × out × ceil(T / s) × ceil(H / s) × ceil(W / s)."""
        padded = _pad_same(x, self.conv.kernel_size, self.conv.stride, 0.0)
        return functional.relu(self.bn(self.conv(padded)))


class MaxPool(nn.Module):
    """Max pooling with "SAME" padding, which never wins the maximum."""

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """N × C × T × H × W → every axis divided by its stride, rounded up."""
        padded = _pad_same(x, self.kernel, self.stride, float("-inf"))
        return functional.max_pool3d(padded, self.kernel, self.stride)


class Mixed(nn.Module):
    """Inception module of four branches, concatenated over channels."""

    def __init__(self, channels: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3 = widths
        self.branch_0 = nn.Sequential()
        self.branch_0.add_module("conv3d_0a_1x1", Unit(channels, b0, 1))
        for name, reduced, out in (("branch_1", b1a, b1b), ("branch_2", b2a, b2b)):
            branch = nn.Sequential()
            branch.add_module("conv3d_0a_1x1", Unit(channels, reduced, 1))
            branch.add_module("conv3d_0b_3x3", Unit(reduced, out, 3))
            self.add_module(name, branch)
        self.branch_3 = nn.Sequential()
        self.branch_3.add_module("maxpool3d_0a_3x3", MaxPool((3, 3, 3), (1, 1, 1)))
        self.branch_3.add_module("conv3d_0b_1x1", Unit(channels, b3, 1))

    def forward(self, x: Tensor) -> Tensor:
        """N × C × T × H × W → N × (sum of the branches' widths) × T × H × W."""
        return torch.cat([branch(x) for branch in self.children()], dim=1)


class _LastPool(nn.Module):
    """Average pooling 2 × 7 × 7 with stride 1, then the mean over what is left.

    The classifier is linear, so that classifying every window and averaging, as the original does,
    gives the same logits as classifying this mean.
    """

    def forward(self, x: Tensor) -> Tensor:
        """N × 1024 × T × H × W → N × 1024."""
        return functional.avg_pool3d(x, _LAST_POOL, stride=1).mean((2, 3, 4))


class I3D(nn.Module):
    """Inflated Inception-v1 with children named as the original's end points, in lower case."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv3d_1a_7x7 = Unit(3, 64, 7, stride=2)
        self.maxpool3d_2a_3x3 = MaxPool((1, 3, 3), (1, 2, 2))
        self.conv3d_2b_1x1 = Unit(64, 64, 1)
        self.conv3d_2c_3x3 = Unit(64, 192, 3)
        channels = 192
        for name, widths in _MIXED.items():
            if name in _POOL_BEFORE:
                pool, kernel, stride = _POOL_BEFORE[name]
                self.add_module(pool, MaxPool(kernel, stride))
            self.add_module(name, Mixed(channels, widths))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.pool5 = _LastPool()
        self.logits = nn.Linear(channels, classes)
        self.prob = nn.Softmax(dim=1)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map N × 3 × T × H × W in [−1, 1] to N × classes probabilities."""
        for child in self.children():
            x = child(x)
        return x


def check_input(shape: tuple[int, int, int, int]) -> None:
    """Refuse clips too short or too small for the last average pooling.

    Raises
    ------
    UserError
        Naming the clip length or the crop.
    """
    _, frames, height, width = shape
    shortest = (_LAST_POOL[0] - 1) * _TEMPORAL_REDUCTION + 1
    if frames < shortest:
        raise UserError(
            f"I3D cannot take clips of {frames} frames: 1 would be left at mixed_5c, "
            f"and its average pooling spans {_LAST_POOL[0]}",
            f"Choose a clip length of at least {shortest}",
        )
    smallest = (_LAST_POOL[1] - 1) * _SPATIAL_REDUCTION + 1
    if min(height, width) < smallest:
        raise UserError(
            f"I3D cannot take a crop of {height} × {width} pixels: its average pooling spans 7 × 7 at mixed_5c",
            f"Choose a crop of at least {smallest} × {smallest}",
        )


def _input_spec(options: Mapping[str, str]) -> InputSpec:  # noqa: ARG001
    return InputSpec(
        clip_length=16,
        resize=256,
        crop=(224, 224),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        value_range=(-1.0, 1.0),
    )


def _build(options: Mapping[str, str], classes: int) -> nn.Module:  # noqa: ARG001
    return I3D(classes)


def _layer_names() -> tuple[str, ...]:
    mixed = [
        name for name in _MIXED for name in ((_POOL_BEFORE[name][0], name) if name in _POOL_BEFORE else (name,))
    ]
    return (
        "conv3d_1a_7x7",
        "maxpool3d_2a_3x3",
        "conv3d_2b_1x1",
        "conv3d_2c_3x3",
        *mixed,
        "pool5",
        "logits",
        "prob",
    )


I3D_RGB = Architecture(
    name="i3d",
    summary="I3D RGB, inflated Inception-v1 (Carreira and Zisserman): 224 × 224",
    build=_build,
    input_spec=_input_spec,
    layers=_layer_names(),
    aslan_layers=("prob", "pool5", "mixed_5c", "mixed_4f"),
    check_input=check_input,
    head="logits.weight",
    default_classes=_KINETICS_CLASSES,
    readers={".ckpt": read_i3d_checkpoint},
)
