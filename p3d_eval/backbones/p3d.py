"""P3D ResNet (Qiu, Yao, Mei, ICCV 2017) as the authors' Caffe networks define it.

Where paper and published network differ, the network is followed: block C halves both terms of its
sum (the paper's equation (5) adds them plainly, ``sum_rule="paper"``), and neither B nor C has a ReLU
between the temporal convolution's batch norm and the sum.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from p3d_eval.backbones.caffe import read_p3d_caffemodel
from p3d_eval.backbones.network import Architecture
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.errors import UserError

_STAGE_WIDTHS = (64, 128, 256, 512)  # of the 3 × 3 convolutions in res2 … res5
_EXPANSION = 4
_BN_EPSILON = 1e-5
_SPORTS_1M_CLASSES = 487
_TEMPORAL_REDUCTION = 16  # pool1 and the poolings before res3, res4 and res5 halve T each
_SMALLEST_CROP = 16  # pixels; leaves one position at res5

_SPORTS_MEAN_BGR = (104.0, 117.0, 123.0)
_FLOW_MEAN = (128.0, 128.0)

_OPTIONS = {
    "variant": ("ABC", "A", "B", "C"),
    "modality": ("rgb", "flow"),
    "sum_rule": ("official", "paper"),
}


def _bn(channels: int, flat: bool) -> nn.BatchNorm2d | nn.BatchNorm3d:
    return (nn.BatchNorm2d if flat else nn.BatchNorm3d)(channels, eps=_BN_EPSILON)


class _Block(nn.Module):
    """A bottleneck's common parts: reduction, spatial convolution, expansion, shortcut.

    Parameter names follow Caffe's: layer ``res3a_branch2b`` is ``res3a.branch2b``, and its batch
    norm ``bn3a_branch2b`` is ``res3a.bn_branch2b``. Sums and ReLUs write in place into what the batch
    norms return, which nothing else reads.
    """

    def __init__(self, channels: int, width: int, stride: int, flat: bool) -> None:
        super().__init__()
        conv: Any = nn.Conv2d if flat else nn.Conv3d
        out = width * _EXPANSION
        first = 1 if flat else 0  # a 2-D block has no time axis
        point, three, pad = (1, 1, 1)[first:], (1, 3, 3)[first:], (0, 1, 1)[first:]
        strides = (1, stride, stride)[first:]
        self.project = channels != out
        if self.project:
            self.branch1 = conv(channels, out, point, stride=strides, bias=False)
            self.bn_branch1 = _bn(out, flat)
        self.branch2a = conv(channels, width, point, stride=strides, bias=False)
        self.bn_branch2a = _bn(width, flat)
        self.branch2b = conv(width, width, three, padding=pad, bias=False)
        self.bn_branch2b = _bn(width, flat)
        self.branch2c = conv(width, out, point, bias=False)
        self.bn_branch2c = _bn(out, flat)

    def spatial(self, u: Tensor) -> Tensor:
        """ReLU(BN(S(u)))."""
        return functional.relu_(self.bn_branch2b(self.branch2b(u)))

    def middle(self, u: Tensor) -> Tensor:
        """Everything between the reduction and the expansion."""
        return self.spatial(u)

    def forward(self, x: Tensor) -> Tensor:
        """Map N × C_in × [T ×] H × W to the block's output after its ReLU."""
        shortcut = self.bn_branch1(self.branch1(x)) if self.project else x
        v = self.middle(functional.relu_(self.bn_branch2a(self.branch2a(x))))
        return functional.relu_(self.bn_branch2c(self.branch2c(v)).add_(shortcut))


class _PseudoBlock(_Block):
    """A bottleneck with a temporal convolution: P3D-A, P3D-B or P3D-C (Figure 3 of the paper)."""

    def __init__(self, channels: int, width: int, stride: int, kind: str, sum_rule: str) -> None:
        super().__init__(channels, width, stride, flat=False)
        self.branch2b_t = nn.Conv3d(width, width, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.bn_branch2b_t = _bn(width, flat=False)
        self.kind = kind
        self.halved = kind == "C" and sum_rule == "official"

    def temporal(self, x: Tensor) -> Tensor:
        """BN(T(x)), without a ReLU."""
        return self.bn_branch2b_t(self.branch2b_t(x))

    def middle(self, u: Tensor) -> Tensor:
        """S and T in the order of the block's kind: A serial, B parallel, C serial with a shortcut."""
        s = self.spatial(u)
        if self.kind == "A":
            return functional.relu_(self.temporal(s))
        total = self.temporal(u if self.kind == "B" else s).add_(s)
        return functional.relu_(total.mul_(0.5) if self.halved else total)


class _DropTime(nn.Module):
    """Halve T to one frame and drop the axis: from here on the network is 2-D."""

    def forward(self, x: Tensor) -> Tensor:
        """N × C × T × H × W with T ≤ 2 → N × C × H × W."""
        return functional.max_pool3d(x, (2, 1, 1), (2, 1, 1), ceil_mode=True).squeeze(2)


def _halve_time() -> nn.Module:
    # The official Pooling3D layers round up, as all Caffe pooling does.
    return nn.MaxPool3d((2, 1, 1), (2, 1, 1), ceil_mode=True)


class P3D(nn.Module):
    """P3D ResNet with named children in the order in which they run.

    Parameters
    ----------
    blocks : tuple of tuple of str
        Names of the residual blocks of res2, res3, res4 and res5.
    classes : int
        Outputs of the classifier.
    channels : int
        Input channels: 3 for images, 2 for optical flow.
    variant : str
        Kinds of pseudo-3-D blocks, repeated over res2 … res4: ``ABC``, or one letter.
    sum_rule : {"official", "paper"}
        Whether block C halves its two terms.
    """

    def __init__(
        self, blocks: tuple[tuple[str, ...], ...], classes: int, channels: int, variant: str, sum_rule: str
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels, 64, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False)
        self.bn_conv1 = _bn(64, flat=False)
        self.relu_conv1 = nn.ReLU(inplace=True)
        self.pool1 = nn.MaxPool3d((2, 3, 3), stride=2, padding=0, ceil_mode=True)
        width_in, index = 64, 0
        for stage, (width, names) in enumerate(zip(_STAGE_WIDTHS, blocks, strict=True), start=2):
            flat = stage == 5
            if stage > 2:
                self.add_module(f"pool{stage}a", _DropTime() if flat else _halve_time())
            for position, name in enumerate(names):
                stride = 2 if stage > 2 and position == 0 else 1
                if flat:
                    block = _Block(width_in, width, stride, flat=True)
                else:
                    kind = variant[index % len(variant)]
                    block = _PseudoBlock(width_in, width, stride, kind, sum_rule)
                    index += 1
                self.add_module(name, block)
                width_in = width * _EXPANSION
        self.pool5 = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(width_in, classes)
        self.prob = nn.Softmax(dim=1)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw weights under which activations stay of order one through all residual blocks."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                nn.init.kaiming_normal_(module.weight)
        for module in self.modules():
            if isinstance(module, _Block):
                # Up to 50 branches at full size would multiply the variance by 2 each.
                module.bn_branch2c.weight.fill_(0.2)
                if module.project:
                    nn.init.kaiming_normal_(module.branch1.weight, nonlinearity="linear")
        # The input spans ±128 and He initialisation gains √2: bring it to order one.
        nn.init.constant_(self.bn_conv1.weight, 0.01)
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map N × C × T × H × W (BGR minus mean, or flow minus 128) to N × classes probabilities."""
        for child in self.children():
            x = child(x)
        return x


def check_input(shape: tuple[int, int, int, int]) -> None:
    """Refuse clips that do not leave exactly one frame at res5.

    Raises
    ------
    UserError
        Naming the clip length or the crop.
    """
    _, frames, height, width = shape
    if not 1 <= frames <= _TEMPORAL_REDUCTION:
        left = -(-frames // _TEMPORAL_REDUCTION)
        raise UserError(
            f"P3D cannot take clips of {frames} frames: {left} frames would be left at res5, not 1",
            f"P3D halves time four times: choose a clip length of at most {_TEMPORAL_REDUCTION}",
        )
    if min(height, width) < _SMALLEST_CROP:
        raise UserError(
            f"P3D cannot take a crop of {height} × {width} pixels",
            f"Choose a crop of at least {_SMALLEST_CROP} × {_SMALLEST_CROP}",
        )


def _numbered(stage: int, count: int) -> tuple[str, ...]:
    return (f"res{stage}a", *(f"res{stage}b{index}" for index in range(1, count)))


def _lettered(stage: int, count: int) -> tuple[str, ...]:
    return tuple(f"res{stage}{letter}" for letter in "abcdef"[:count])


def _input_spec(options: Mapping[str, str]) -> InputSpec:
    flow = options["modality"] == "flow"
    return InputSpec(
        clip_length=16,
        resize=(182, 242),
        crop=(160, 160),
        mean=_FLOW_MEAN if flow else _SPORTS_MEAN_BGR,
        std=(1.0, 1.0) if flow else (1.0, 1.0, 1.0),
        channel_order="flow" if flow else "BGR",
    )


def _layer_names(blocks: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    yield from ("conv1", "pool1")
    for names in blocks:
        yield from names
    yield from ("pool5", "fc", "prob")


def _architecture(name: str, depth: str, blocks: tuple[tuple[str, ...], ...]) -> Architecture:
    def build(options: Mapping[str, str], classes: int) -> nn.Module:
        channels = 2 if options["modality"] == "flow" else 3
        return P3D(blocks, classes, channels, options["variant"], options["sum_rule"])

    return Architecture(
        name=name,
        summary=f"{name.upper()[:3]}-{name[3:]}: P3D ResNet on {depth}",
        build=build,
        input_spec=_input_spec,
        layers=tuple(_layer_names(blocks)),
        aslan_layers=("prob", "pool5", "res5c", blocks[2][-1]),
        check_input=check_input,
        head="fc.weight",
        default_classes=_SPORTS_1M_CLASSES,
        options=_OPTIONS,
        readers={".caffemodel": read_p3d_caffemodel},
    )


# Caffe's ResNets letter the blocks of a stage (ResNet-50) or number all but the first (101, 152).
P3D63 = _architecture(
    "p3d63", "ResNet-50", (_lettered(2, 3), _lettered(3, 4), _lettered(4, 6), _lettered(5, 3))
)
P3D131 = _architecture(
    "p3d131", "ResNet-101", (_lettered(2, 3), _numbered(3, 4), _numbered(4, 23), _lettered(5, 3))
)
P3D199 = _architecture(
    "p3d199", "ResNet-152", (_lettered(2, 3), _numbered(3, 8), _numbered(4, 36), _lettered(5, 3))
)
