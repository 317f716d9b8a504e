"""VGG-19 (Simonyan and Zisserman, ICLR 2015, configuration E) on the frames of clips.

torchvision's weights and the authors' Caffe weights differ in the input alone: RGB from 0 to 1 minus a mean,
divided by a deviation, or BGR bytes minus a mean.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from p3d_eval.backbones.frames import FRAMES, fold_frames
from p3d_eval.backbones.imagenet import ARRANGEMENTS, input_spec, refuse_small_crops
from p3d_eval.backbones.network import Architecture
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.backbones.vgg_checkpoint import vgg_readers

_CLASSES = 1000  # of ImageNet
_STAGES = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))  # convolutions and their width
_GRID, _HIDDEN = 7, 4096  # pool5 at 224 × 224, and fc6 and fc7
# Of BGR bytes: the authors' page of the released networks.
_CAFFE_MEAN_BGR = (103.939, 116.779, 123.68)
_INPUT_GAIN = {"torchvision": 1.0, "caffe": 0.01}  # random weights see an input of order one


class Convolution(nn.Conv2d):
    """3 × 3 convolution with its ReLU, which Caffe writes into the same blob."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(channels, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """N × C × H × W → N × width × H × W, not negative."""
        return functional.relu_(super().forward(x))


class Dense(nn.Linear):
    """Fully connected layer with its ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        """N × … → N × 4096, not negative."""
        return functional.relu_(super().forward(x.flatten(1)))


class VGG19(nn.Module):
    """VGG-19 with children named as Caffe's layers, in the order in which they run.

    Parameters
    ----------
    classes : int
        Outputs of the classifier.
    arrangement : {"torchvision", "caffe"}
        Whose input, for the scale of random weights.
    frames : {"centre", "all"}
        Frames of a clip that it sees.
    """

    def __init__(self, classes: int, arrangement: str, frames: str) -> None:
        super().__init__()
        self.frames = frames
        channels = 3
        for stage, (count, width) in enumerate(_STAGES, start=1):
            for index in range(1, count + 1):
                self.add_module(f"conv{stage}_{index}", Convolution(channels, width))
                channels = width
            self.add_module(f"pool{stage}", nn.MaxPool2d(2, 2))
        self.grid = nn.AdaptiveAvgPool2d(_GRID)  # changes nothing at 224 × 224, as in torchvision
        self.fc6 = Dense(channels * _GRID**2, _HIDDEN)
        self.fc7 = Dense(_HIDDEN, _HIDDEN)
        self.fc8 = nn.Linear(_HIDDEN, classes)
        self.prob = nn.Softmax(dim=1)
        self._draw_weights(_INPUT_GAIN[arrangement])

    @torch.no_grad()
    def _draw_weights(self, input_gain: float) -> None:
        for name, parameter in self.named_parameters():
            if name.endswith("weight"):
                nn.init.kaiming_normal_(parameter)
            else:
                nn.init.zeros_(parameter)
        self.get_parameter("conv1_1.weight").mul_(input_gain)
        nn.init.normal_(self.fc8.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Map N × 3 × T × H × W to probabilities of the frames it sees: (N or N·T) × classes."""
        x = fold_frames(x, self.frames)
        for child in self.children():
            x = child(x)
        return x


def _input_spec(options: Mapping[str, str]) -> InputSpec:
    spec = input_spec(options)
    return replace(spec, mean=_CAFFE_MEAN_BGR) if options["arrangement"] == "caffe" else spec


def _build(options: Mapping[str, str], classes: int) -> nn.Module:
    return VGG19(classes, options["arrangement"], options["frames"])


def _layer_names() -> tuple[str, ...]:
    names: list[str] = []
    for stage, (count, _) in enumerate(_STAGES, start=1):
        names += [*(f"conv{stage}_{index}" for index in range(1, count + 1)), f"pool{stage}"]
    return (*names, "fc6", "fc7", "fc8", "prob")


VGG_19 = Architecture(
    name="vgg19",
    summary="VGG-19 (Simonyan and Zisserman) on frames: 224 × 224",
    build=_build,
    input_spec=_input_spec,
    layers=_layer_names(),
    aslan_layers=("prob", "fc7", "fc6", "pool5"),
    check_input=refuse_small_crops,
    head="fc8.weight",
    default_classes=_CLASSES,
    options={"arrangement": ARRANGEMENTS, "frames": FRAMES},
    readers=vgg_readers(),
    images=True,
)
