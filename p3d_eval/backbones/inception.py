"""Inception-v1 for clips: I2D, I3D, S3D, S3D-G and what lies between them, told apart by a `Style`.

Widths are those of the S3D paper's Inception table (Xie et al., "Rethinking Spatiotemporal Feature Learning",
ECCV 2018), and of its authors' code, ``research/slim/nets/s3dg.py`` and ``i3d_utils.py`` of tensorflow/models.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Padding = Literal["same", "symmetric"]
Size = tuple[int, int, int]

_BN_EPSILON = 1e-3
LAST_FRAMES, LAST_PIXELS = 2, 7  # window of the average pooling before the classifier, stride 1
_STEM_WIDTHS = (64, 64, 192)  # of conv3d_1a_7x7, conv3d_2b_1x1 and conv3d_2c_3x3

# Widths of (branch 0), (branch 1 reduction, branch 1), (branch 2 reduction, branch 2), (branch 3).
MIXED = {
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
_POOL_BEFORE: dict[str, tuple[str, Size, Size]] = {
    "mixed_3b": ("maxpool3d_3a_3x3", (1, 3, 3), (1, 2, 2)),
    "mixed_4b": ("maxpool3d_4a_3x3", (3, 3, 3), (2, 2, 2)),
    "mixed_5b": ("maxpool3d_5a_2x2", (2, 2, 2), (2, 2, 2)),
}
FIRST, SECOND = "conv3d_1a_7x7", "conv3d_2c_3x3"
# Parts with kernels larger than one pixel, from the input up: each may or may not see time.
STAGES = (FIRST, SECOND, *MIXED)


@dataclass(frozen=True)
class Style:
    """What tells the networks of the family apart.

    Parameters
    ----------
    temporal : frozenset of str
        Those of `STAGES` whose convolutions see time; the others have kernels of one frame. Strides and
        poolings are the same for all, as in the authors' code.
    first_frames : int
        Frames in the first convolution's kernel, where it sees time.
    separable, first_separable : bool
        Whether convolutions through time are a spatial and then a temporal one; the first one too.
    temporal_norm : bool
        Whether the temporal one of the two has a batch norm, else a bias.
    gates : {"", "temporal", "branches"}
        Feature gating nowhere, after each temporal convolution, or after conv3d_2c_3x3 and all branches.
    gate_bias : bool
        Whether gates have a bias.
    norm_scale : bool
        Whether batch norms have a scale.
    first_padding, pool_padding : {"same", "symmetric"}
        TensorFlow's padding or (kernel − 1) // 2 on both sides, of the first convolution and of max
        pooling. For the others, with stride 1 and odd kernels, it is the same.
    whole_frame : bool
        Whether the last pooling spans the frame, whatever its size, instead of windows of 7 × 7.
    """

    temporal: frozenset[str] = frozenset(STAGES)
    first_frames: int = 7
    separable: bool = False
    first_separable: bool = False
    temporal_norm: bool = True
    gates: Literal["", "temporal", "branches"] = ""
    gate_bias: bool = True
    norm_scale: bool = False
    first_padding: Padding = "same"
    pool_padding: Padding = "same"
    whole_frame: bool = False


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "SAME" padding before and after an axis: ceil(size / stride) outputs, odd one behind."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _pad(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], rule: Padding, value: float) -> Tensor:
    if rule == "same":
        sides = [same_padding(*axis) for axis in zip(x.shape[2:], kernel, stride, strict=True)]
    else:
        sides = [((k - 1) // 2, (k - 1) // 2) for k in kernel]
    pads = [side for axis in reversed(sides) for side in axis]
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
    """Convolution, batch norm or bias, ReLU."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: Size,
        style: Style,
        stride: Size = (1, 1, 1),
        padding: Padding = "same",
        norm: bool = True,
    ) -> None:
        super().__init__()
        self.padding: Padding = padding
        self.conv = nn.Conv3d(channels, out, kernel, stride=stride, bias=not norm)
        self.bn: nn.Module = nn.Identity()
        if norm:
            self.bn = nn.BatchNorm3d(out, eps=_BN_EPSILON) if style.norm_scale else ShiftNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        """N × C × T × H × W → N × out × ceil(T / s) × ceil(H / s) × ceil(W / s)."""
        padded = _pad(x, self.conv.kernel_size, self.conv.stride, self.padding, 0.0)
        return functional.relu(self.bn(self.conv(padded)))


class Gate(nn.Module):
    """Feature gating: every channel times sigmoid(W · mean over T, H and W [+ b]), the S3D paper's "S3D-G"."""

    def __init__(self, channels: int, bias: bool) -> None:
        super().__init__()
        self.excite = nn.Linear(channels, channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """N × C × T × H × W → the same shape."""
        weight = torch.sigmoid(self.excite(x.mean((2, 3, 4))))
        return x * weight[:, :, None, None, None]


def _spatiotemporal(
    channels: int, out: int, size: Size, style: Style, stage: str, stride: int = 1
) -> nn.Module:
    """Return a stage's convolution in this style; ``size`` is its kernel where it sees time."""
    frames, height, width = size
    first, sees_time = stage == FIRST, stage in style.temporal
    padding: Padding = style.first_padding if first else "same"
    parts: dict[str, nn.Module]
    if sees_time and (style.first_separable if first else style.separable):
        space = Unit(channels, out, (1, height, width), style, (1, stride, stride), padding)
        time = Unit(out, out, (frames, 1, 1), style, (stride, 1, 1), padding, norm=style.temporal_norm)
        parts = {"spatial": space, "temporal": time}
        gated = style.gates == "temporal" or (style.gates == "branches" and not first)
    else:
        kernel = (frames if sees_time else 1, height, width)
        parts = {"unit": Unit(channels, out, kernel, style, (stride,) * 3, padding)}
        gated = style.gates == "branches" and not first
    return _chain(parts, Gate(out, style.gate_bias) if gated else None)


def _chain(parts: dict[str, nn.Module], gate: Gate | None = None) -> nn.Module:
    """Put modules behind one another; a single unit without a gate stands for itself."""
    if gate is not None:
        parts = {**parts, "gate": gate}
    if list(parts) == ["unit"]:
        return parts["unit"]
    chain = nn.Sequential()
    for name, part in parts.items():
        chain.add_module(name, part)
    return chain


class MaxPool(nn.Module):
    """Max pooling whose padding never wins the maximum."""

    def __init__(self, kernel: Size, stride: Size, padding: Padding) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """N × C × T × H × W → every axis divided by its stride: rounded up where the padding is "same"."""
        padded = _pad(x, self.kernel, self.stride, self.padding, float("-inf"))
        return functional.max_pool3d(padded, self.kernel, self.stride)


class Mixed(nn.Module):
    """Inception module of four branches, concatenated over channels."""

    def __init__(self, channels: int, widths: tuple[int, ...], style: Style, stage: str) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3 = widths

        def last(out: int) -> nn.Module:
            gate = Gate(out, style.gate_bias) if style.gates == "branches" else None
            return _chain({"unit": Unit(channels, out, (1, 1, 1), style)}, gate)

        self.branch_0 = _chain({"conv3d_0a_1x1": last(b0)})
        for name, reduced, out in (("branch_1", b1a, b1b), ("branch_2", b2a, b2b)):
            first = Unit(channels, reduced, (1, 1, 1), style)
            second = _spatiotemporal(reduced, out, (3, 3, 3), style, stage)
            self.add_module(name, _chain({"conv3d_0a_1x1": first, "conv3d_0b_3x3": second}))
        pool = MaxPool((3, 3, 3), (1, 1, 1), style.pool_padding)
        self.branch_3 = _chain({"maxpool3d_0a_3x3": pool, "conv3d_0b_1x1": last(b3)})

    def forward(self, x: Tensor) -> Tensor:
        """N × C × T × H × W → N × (sum of the branches' widths) × T × H × W."""
        return torch.cat([branch(x) for branch in self.children()], dim=1)


class _LastPool(nn.Module):
    """Average pooling 2 × 7 × 7 with stride 1, then the mean over what is left.

    The classifier is linear, so that classifying every window and averaging, as the original does,
    gives the same logits as classifying this mean.
    """

    def __init__(self, whole_frame: bool) -> None:
        super().__init__()
        self.whole_frame = whole_frame

    def forward(self, x: Tensor) -> Tensor:
        """N × 1024 × T × H × W → N × 1024."""
        window = (LAST_FRAMES, *(x.shape[3:] if self.whole_frame else (LAST_PIXELS, LAST_PIXELS)))
        return functional.avg_pool3d(x, window, stride=1).mean((2, 3, 4))


class Inception(nn.Module):
    """Inception-v1 for clips; children are named as I3D's end points, in lower case.

    Parameters
    ----------
    classes : int
        Outputs of the classifier.
    style : Style
        Which network of the family.
    """

    def __init__(self, classes: int, style: Style) -> None:
        super().__init__()
        first, second, third = _STEM_WIDTHS
        size = (style.first_frames, 7, 7)
        self.conv3d_1a_7x7 = _spatiotemporal(3, first, size, style, FIRST, stride=2)
        self.maxpool3d_2a_3x3 = MaxPool((1, 3, 3), (1, 2, 2), style.pool_padding)
        self.conv3d_2b_1x1 = Unit(first, second, (1, 1, 1), style)
        self.conv3d_2c_3x3 = _spatiotemporal(second, third, (3, 3, 3), style, SECOND)
        channels = third
        for name, widths in MIXED.items():
            if name in _POOL_BEFORE:
                pool, kernel, stride = _POOL_BEFORE[name]
                self.add_module(pool, MaxPool(kernel, stride, style.pool_padding))
            self.add_module(name, Mixed(channels, widths, style, name))
            channels = widths[0] + widths[2] + widths[4] + widths[5]
        self.pool5 = _LastPool(style.whole_frame)
        self.logits = nn.Linear(channels, classes)
        self.prob = nn.Softmax(dim=1)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw weights under which activations stay of order one."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d) and module.bias is not None:
                module.bias.zero_()
                nn.init.dirac_(module.weight)  # the authors' "center_initializer": the identity
            elif isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, Gate):
                nn.init.normal_(module.excite.weight, std=0.01)
        for module in self.modules():
            if isinstance(module, nn.Sequential) and isinstance(module[-1], Gate):
                module[0].get_parameter("conv.weight").mul_(2)  # a gate that knows nothing halves

    def forward(self, x: Tensor) -> Tensor:
        """Map N × 3 × T × H × W to N × classes probabilities."""
        for child in self.children():
            x = child(x)
        return x


LAYERS = tuple(
    name
    for stage in (FIRST, "maxpool3d_2a_3x3", "conv3d_2b_1x1", SECOND, *MIXED, "pool5", "logits", "prob")
    for name in (*(_POOL_BEFORE[stage][:1] if stage in _POOL_BEFORE else ()), stage)
)
ASLAN_LAYERS = ("prob", "pool5", "mixed_5c", "mixed_4f")
HEAD = "logits.weight"
