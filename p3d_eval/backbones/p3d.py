"""P3D ResNet (Qiu, Yao, Mei, ICCV 2017) as the authors' Caffe networks define it.

Where paper and published network differ, the network is followed: block C halves both terms of its
sum (the paper's equation (5) adds them plainly, ``sum_rule="paper"``), and neither B nor C has a ReLU
between the temporal convolution's batch norm and the sum.

The PyTorch port qijiezhao/pseudo-3d-pytorch has that ReLU and adds plainly (``sum_rule="port"``), and its
pool1 is padded, which shifts the windows by a pixel (``pool1="padded"``). ``stride_on`` and ``pixel_mean``
are for networks inflated from a 2-D ResNet, see `p3d_eval.backbones.inflation`.
"""

from collections.abc import Iterator, Mapping

from torch import Tensor, nn
from torch.nn import functional

from p3d_eval.backbones.bottleneck import (
    BLOCKS,
    EXPANSION,
    STAGE_WIDTHS,
    STRIDES_ON,
    Blocks,
    Bottleneck,
    batch_norm,
    draw_weights,
)
from p3d_eval.backbones.imagenet import CAFFE_MEAN_BGR, MEAN_RGB
from p3d_eval.backbones.inflation import resnet_inflater
from p3d_eval.backbones.network import Architecture
from p3d_eval.backbones.p3d_checkpoint import p3d_readers
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.errors import UserError

_SPORTS_1M_CLASSES = 487
_TEMPORAL_REDUCTION = 16  # pool1 and the poolings before res3, res4 and res5 halve T each
_SMALLEST_CROP = 16  # pixels; leaves one position at res5

# Of BGR bytes: the official networks', and those of the 2-D networks that one can be inflated from.
_MEANS_BGR = {
    "official": (104.0, 117.0, 123.0),
    "torchvision": tuple(255 * value for value in reversed(MEAN_RGB)),
    "caffe": CAFFE_MEAN_BGR,
}
_FLOW_MEAN = (128.0, 128.0)
_INPUT_GAIN = 0.01  # the input spans ±128 and He initialisation gains √2: bring it to order one

_OPTIONS = {
    "variant": ("ABC", "A", "B", "C"),
    "modality": ("rgb", "flow"),
    "sum_rule": ("official", "paper", "port"),
    "stride_on": STRIDES_ON,
    "pool1": ("ceil", "padded"),
    "pixel_mean": tuple(_MEANS_BGR),
}


class _PseudoBlock(Bottleneck):
    """A bottleneck with a temporal convolution: P3D-A, P3D-B or P3D-C (Figure 3 of the paper)."""

    def __init__(
        self, channels: int, width: int, stride: int, kind: str, sum_rule: str, stride_on: str
    ) -> None:
        super().__init__(channels, width, stride, flat=False, stride_on=stride_on)
        # In B it stands beside the spatial convolution: what halves the one halves the other.
        beside = self.branch2b.stride if kind == "B" else 1
        self.branch2b_t = nn.Conv3d(width, width, (3, 1, 1), stride=beside, padding=(1, 0, 0), bias=False)
        self.bn_branch2b_t = batch_norm(width, flat=False)
        self.kind = kind
        self.halved = kind == "C" and sum_rule == "official"
        self.rectified = sum_rule == "port"

    def temporal(self, x: Tensor) -> Tensor:
        """BN(T(x)), without a ReLU."""
        return self.bn_branch2b_t(self.branch2b_t(x))

    def middle(self, u: Tensor) -> Tensor:
        """S and T in the order of the block's kind: A serial, B parallel, C serial with a shortcut."""
        s = self.spatial(u)
        if self.kind == "A":
            return functional.relu_(self.temporal(s))
        t = self.temporal(u if self.kind == "B" else s)
        total = (functional.relu_(t) if self.rectified else t).add_(s)
        return functional.relu_(total.mul_(0.5) if self.halved else total)


class _DropTime(nn.Module):
    """Halve T to one frame and drop the axis: from here on the network is 2-D."""

    def forward(self, x: Tensor) -> Tensor:
        """N × C × T × H × W with T ≤ 2 → N × C × H × W."""
        return functional.max_pool3d(x, (2, 1, 1), (2, 1, 1), ceil_mode=True).squeeze(2)


def _halve_time() -> nn.Module:
    # The official Pooling3D layers round up, as all Caffe pooling does.
    return nn.MaxPool3d((2, 1, 1), (2, 1, 1), ceil_mode=True)


def _pool1(kind: str) -> nn.Module:
    if kind == "ceil":
        return nn.MaxPool3d((2, 3, 3), stride=2, padding=0, ceil_mode=True)
    # Two steps, as only time is to round up: otherwise clips of fewer than 16 frames would lose their last.
    return nn.Sequential(nn.MaxPool3d((1, 3, 3), (1, 2, 2), padding=(0, 1, 1)), _halve_time())


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
    sum_rule : {"official", "paper", "port"}
        Whether block C halves its two terms (official), and whether the temporal convolution's batch norm
        has a ReLU before the sums of B and C (port).
    stride_on : {"1x1", "3x3"}
        Convolution of a block that has its spatial stride.
    pool1 : {"ceil", "padded"}
        Whether pool1's windows begin at the first pixel, the last one cut off, or one pixel before it.
    """

    def __init__(
        self,
        blocks: Blocks,
        classes: int,
        channels: int,
        variant: str,
        sum_rule: str,
        stride_on: str = "1x1",
        pool1: str = "ceil",
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels, 64, (1, 7, 7), stride=(1, 2, 2), padding=(0, 3, 3), bias=False)
        self.bn_conv1 = batch_norm(64, flat=False)
        self.relu_conv1 = nn.ReLU(inplace=True)
        self.pool1 = _pool1(pool1)
        width_in, index = 64, 0
        for stage, (width, names) in enumerate(zip(STAGE_WIDTHS, blocks, strict=True), start=2):
            flat = stage == 5
            if stage > 2:
                self.add_module(f"pool{stage}a", _DropTime() if flat else _halve_time())
            for position, name in enumerate(names):
                stride = 2 if stage > 2 and position == 0 else 1
                if flat:
                    block = Bottleneck(width_in, width, stride, flat=True, stride_on=stride_on)
                else:
                    kind = variant[index % len(variant)]
                    block = _PseudoBlock(width_in, width, stride, kind, sum_rule, stride_on)
                    index += 1
                self.add_module(name, block)
                width_in = width * EXPANSION
        self.pool5 = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(width_in, classes)
        self.prob = nn.Softmax(dim=1)
        draw_weights(self, _INPUT_GAIN)

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


def _input_spec(options: Mapping[str, str]) -> InputSpec:
    flow = options["modality"] == "flow"
    return InputSpec(
        clip_length=16,
        resize=(182, 242),
        crop=(160, 160),
        mean=_FLOW_MEAN if flow else _MEANS_BGR[options["pixel_mean"]],
        std=(1.0, 1.0) if flow else (1.0, 1.0, 1.0),
        channel_order="flow" if flow else "BGR",
    )


def _layer_names(blocks: Blocks) -> Iterator[str]:
    yield from ("conv1", "pool1")
    for names in blocks:
        yield from names
    yield from ("pool5", "fc", "prob")


def _architecture(name: str, depth: int) -> Architecture:
    blocks = BLOCKS[depth]

    def build(options: Mapping[str, str], classes: int) -> nn.Module:
        channels = 2 if options["modality"] == "flow" else 3
        kinds = options["variant"], options["sum_rule"], options["stride_on"], options["pool1"]
        return P3D(blocks, classes, channels, *kinds)

    return Architecture(
        name=name,
        summary=f"{name.upper()[:3]}-{name[3:]}: P3D ResNet on ResNet-{depth}",
        build=build,
        input_spec=_input_spec,
        layers=tuple(_layer_names(blocks)),
        aslan_layers=("prob", "pool5", "res5c", blocks[2][-1]),
        check_input=check_input,
        head="fc.weight",
        default_classes=_SPORTS_1M_CLASSES,
        options=_OPTIONS,
        readers=p3d_readers(depth),
        inflate=resnet_inflater(depth, _input_spec),
    )


P3D63 = _architecture("p3d63", 50)
P3D131 = _architecture("p3d131", 101)
P3D199 = _architecture("p3d199", 152)
