"""What ResNets and P3D ResNets share: the bottleneck block, the names of the blocks, freshly drawn weights."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGE_WIDTHS = (64, 128, 256, 512)  # of the 3 × 3 convolutions in res2 … res5
EXPANSION = 4
STRIDES_ON = ("1x1", "3x3")
BN_EPSILON = 1e-5

Blocks = tuple[tuple[str, ...], ...]


def _lettered(stage: int, count: int) -> tuple[str, ...]:
    return tuple(f"res{stage}{letter}" for letter in "abcdef"[:count])


def _numbered(stage: int, count: int) -> tuple[str, ...]:
    return (f"res{stage}a", *(f"res{stage}b{index}" for index in range(1, count)))


# Names of the blocks of res2 … res5 by depth (He et al., 2016, Table 1). Caffe's ResNets letter the
# blocks of a stage (ResNet-50) or number all but the first (101, 152).
BLOCKS: dict[int, Blocks] = {
    50: (_lettered(2, 3), _lettered(3, 4), _lettered(4, 6), _lettered(5, 3)),
    101: (_lettered(2, 3), _numbered(3, 4), _numbered(4, 23), _lettered(5, 3)),
    152: (_lettered(2, 3), _numbered(3, 8), _numbered(4, 36), _lettered(5, 3)),
}


def batch_norm(channels: int, flat: bool) -> nn.BatchNorm2d | nn.BatchNorm3d:
    """Batch norm over images (``flat``) or clips."""
    return (nn.BatchNorm2d if flat else nn.BatchNorm3d)(channels, eps=BN_EPSILON)


class Bottleneck(nn.Module):
    """A bottleneck's common parts: reduction, spatial convolution, expansion, shortcut.

    Parameter names follow Caffe's: layer ``res3a_branch2b`` is ``res3a.branch2b``, and its batch
    norm ``bn3a_branch2b`` is ``res3a.bn_branch2b``. Sums and ReLUs write in place into what the batch
    norms return, which nothing else reads.

    Parameters
    ----------
    channels, width : int
        Channels of the input and of the 3 × 3 convolution.
    stride : int
        Spatial stride of the block.
    flat : bool
        Whether it runs on images, without a time axis.
    stride_on : {"1x1", "3x3"}
        Convolution that has the stride: the first (He et al., Caffe) or the second (torchvision).
    """

    def __init__(self, channels: int, width: int, stride: int, flat: bool, stride_on: str = "1x1") -> None:
        super().__init__()
        conv: Any = nn.Conv2d if flat else nn.Conv3d
        out = width * EXPANSION
        first = 1 if flat else 0  # a 2-D block has no time axis
        point, three, pad = (1, 1, 1)[first:], (1, 3, 3)[first:], (0, 1, 1)[first:]
        strides, still = (1, stride, stride)[first:], (1, 1, 1)[first:]
        early, late = (strides, still) if stride_on == "1x1" else (still, strides)
        self.project = channels != out
        if self.project:
            self.branch1 = conv(channels, out, point, stride=strides, bias=False)
            self.bn_branch1 = batch_norm(out, flat)
        self.branch2a = conv(channels, width, point, stride=early, bias=False)
        self.bn_branch2a = batch_norm(width, flat)
        self.branch2b = conv(width, width, three, stride=late, padding=pad, bias=False)
        self.bn_branch2b = batch_norm(width, flat)
        self.branch2c = conv(width, out, point, bias=False)
        self.bn_branch2c = batch_norm(out, flat)

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


@torch.no_grad()
def draw_weights(module: nn.Module, input_gain: float) -> None:
    """Draw weights under which activations stay of order one through all residual blocks.

    Parameters
    ----------
    module : Module
        With ``bn_conv1``, bottlenecks and ``fc``.
    input_gain : float
        Scale of ``bn_conv1``, which brings the input to order one.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(part.weight)
    for part in module.modules():
        if isinstance(part, Bottleneck):
            # Up to 50 branches at full size would multiply the variance by 2 each.
            part.bn_branch2c.weight.fill_(0.2)
            if part.project:
                nn.init.kaiming_normal_(part.branch1.weight, nonlinearity="linear")
    stem: Any = module.get_submodule("bn_conv1")
    nn.init.constant_(stem.weight, input_gain)
    classifier: Any = module.get_submodule("fc")
    nn.init.normal_(classifier.weight, std=0.01)
    nn.init.zeros_(classifier.bias)
