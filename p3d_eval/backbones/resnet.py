"""ResNet-50, 101 and 152 (He et al., CVPR 2016) on the frames of clips.

Two arrangements of the same parameters: the authors' Caffe networks put a block's stride on its first
1 × 1 convolution, pool without padding (rounding up) and see BGR bytes minus a mean; torchvision's put it
on the 3 × 3, pad the pooling and see RGB from 0 to 1 minus a mean, divided by a deviation. Weights of one
fit into the other without an error and are still wrong there, so the weights file decides.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from p3d_eval.backbones.bottleneck import (
    BLOCKS,
    EXPANSION,
    STAGE_WIDTHS,
    Blocks,
    Bottleneck,
    batch_norm,
    draw_weights,
)
from p3d_eval.backbones.frames import FRAMES, fold_frames
from p3d_eval.backbones.imagenet import ARRANGEMENTS, input_spec, refuse_small_crops
from p3d_eval.backbones.network import Architecture
from p3d_eval.backbones.resnet_checkpoint import resnet_readers

_CLASSES = 1000  # of ImageNet
# Input of order one: torchvision's is so already, Caffe's spans ±128 and He initialisation gains √2.
_INPUT_GAIN = {"torchvision": 1.0, "caffe": 0.01}


class ResNet(nn.Module):
    """ResNet with children named as Caffe's layers, in the order in which they run.

    Parameters
    ----------
    blocks : tuple of tuple of str
        Names of the residual blocks of res2, res3, res4 and res5.
    classes : int
        Outputs of the classifier.
    arrangement : {"torchvision", "caffe"}
        Whose arithmetic.
    frames : {"centre", "all"}
        Frames of a clip that it sees.
    """

    def __init__(self, blocks: Blocks, classes: int, arrangement: str, frames: str) -> None:
        super().__init__()
        self.frames = frames
        caffe = arrangement == "caffe"
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn_conv1 = batch_norm(64, flat=True)
        self.relu_conv1 = nn.ReLU(inplace=True)
        self.pool1 = nn.MaxPool2d(3, 2, padding=0 if caffe else 1, ceil_mode=caffe)
        channels = 64
        for stage, (width, names) in enumerate(zip(STAGE_WIDTHS, blocks, strict=True), start=2):
            for position, name in enumerate(names):
                stride = 2 if stage > 2 and position == 0 else 1
                on = "1x1" if caffe else "3x3"
                self.add_module(name, Bottleneck(channels, width, stride, flat=True, stride_on=on))
                channels = width * EXPANSION
        self.pool5 = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = nn.Linear(channels, classes)
        self.prob = nn.Softmax(dim=1)
        draw_weights(self, _INPUT_GAIN[arrangement])

    def forward(self, x: Tensor) -> Tensor:
        """Map N × 3 × T × H × W to probabilities of the frames it sees: (N or N·T) × classes."""
        x = fold_frames(x, self.frames)
        for child in self.children():
            x = child(x)
        return x


def _architecture(depth: int) -> Architecture:
    blocks = BLOCKS[depth]

    def build(options: Mapping[str, str], classes: int) -> nn.Module:
        return ResNet(blocks, classes, options["arrangement"], options["frames"])

    return Architecture(
        name=f"resnet{depth}",
        summary=f"ResNet-{depth} (He et al.) on frames: 224 × 224",
        build=build,
        input_spec=input_spec,
        layers=("conv1", "pool1", *(name for stage in blocks for name in stage), "pool5", "fc", "prob"),
        aslan_layers=("prob", "pool5", "res5c", blocks[2][-1]),
        check_input=refuse_small_crops,
        head="fc.weight",
        default_classes=_CLASSES,
        options={"arrangement": ARRANGEMENTS, "frames": FRAMES},
        readers=resnet_readers(depth),
        images=True,
    )


RESNET50, RESNET101, RESNET152 = (_architecture(depth) for depth in (50, 101, 152))
