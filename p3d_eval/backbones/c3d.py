"""C3D (Tran et al., "Learning Spatiotemporal Features with 3D Convolutional Networks", ICCV 2015).

Layers and input are those of the released Caffe network,
``C3D-v1.0/examples/c3d_feature_extraction/prototxt/c3d_sport1m_feature_extractor_frm.prototxt`` of
facebookarchive/C3D. Its pooling rounds up: pool5 makes 4 × 4 of 7 × 7, the last window of each row and
column being half outside. Ports that pad with zeros instead have other windows, hence other features.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from p3d_eval.backbones.c3d_checkpoint import CROP, FRAMES, read_c3d_caffemodel
from p3d_eval.backbones.network import Architecture
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.errors import UserError, counted

_SPORTS_1M_CLASSES = 487
_FRAME_SIZE = (128, 171)  # height × width in pixels that frames are resized to
# Means of the released cube's channels; B, G, R (DavideA/c3d-pytorch, issue 1).
_CHANNEL_MEANS = (90.25, 97.66, 101.41)

# Layer → output channels, and pooling kernels (equal to the strides) between them.
_LAYERS: tuple[tuple[str, int | tuple[int, int, int]], ...] = (
    ("conv1a", 64),
    ("pool1", (1, 2, 2)),
    ("conv2a", 128),
    ("pool2", (2, 2, 2)),
    ("conv3a", 256),
    ("conv3b", 256),
    ("pool3", (2, 2, 2)),
    ("conv4a", 512),
    ("conv4b", 512),
    ("pool4", (2, 2, 2)),
    ("conv5a", 512),
    ("conv5b", 512),
    ("pool5", (2, 2, 2)),
)
_POOL5 = (512, 1, 4, 4)
_HIDDEN = 4096
_OPTIONS = {"subtract": ("cube", "channels")}


class MeanCube(nn.Module):
    """Subtract the training clips' mean, which differs from pixel to pixel and frame to frame.

    The cube belongs to the centre crop; other crops and mirrored ones get the same.
    """

    cube: Tensor

    def __init__(self) -> None:
        super().__init__()
        means = torch.tensor(_CHANNEL_MEANS).view(3, 1, 1, 1)
        self.register_buffer("cube", means.expand(3, FRAMES, CROP, CROP).clone())

    def forward(self, x: Tensor) -> Tensor:
        """N × 3 × 16 × 112 × 112, blue first, 0 … 255 → the same minus the cube."""
        return x - self.cube


def _with_relu(layer: nn.Module) -> nn.Sequential:
    # Caffe's ReLUs work in place: a layer's blob is what comes after its ReLU.
    return nn.Sequential(layer, nn.ReLU())


class C3D(nn.Module):
    """C3D with children named as Caffe's layers; dropout does nothing in evaluation and is left out.

    Parameters
    ----------
    classes : int
        Outputs of the classifier.
    subtract : {"cube", "channels"}
        Whether the network subtracts a mean cube, or gets input with the channels' means subtracted.
    """

    def __init__(self, classes: int, subtract: str) -> None:
        super().__init__()
        if subtract == "cube":
            self.mean = MeanCube()
        channels = 3
        for name, what in _LAYERS:
            if isinstance(what, int):
                self.add_module(name, _with_relu(nn.Conv3d(channels, what, 3, padding=1)))
                channels = what
            else:
                self.add_module(name, nn.MaxPool3d(what, what, ceil_mode=True))
        self.flatten = nn.Flatten()
        self.fc6 = _with_relu(nn.Linear(_POOL5[0] * _POOL5[2] * _POOL5[3], _HIDDEN))
        self.fc7 = _with_relu(nn.Linear(_HIDDEN, _HIDDEN))
        self.fc8 = nn.Sequential(nn.Linear(_HIDDEN, classes))
        self.prob = nn.Softmax(dim=1)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw weights under which activations are of order one."""
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
        # The input spans ±128: bring it to order one.
        self.get_parameter("conv1a.0.weight").mul_(0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Map N × 3 × 16 × 112 × 112, blue first, to N × classes probabilities."""
        for child in self.children():
            x = child(x)
        return x


def check_input(shape: tuple[int, int, int, int]) -> None:
    """Refuse all but 16 frames of 112 × 112: fc6 is a matrix for just these.

    Raises
    ------
    UserError
        Naming the clip length or the crop.
    """
    _, frames, height, width = shape
    if frames != FRAMES:
        raise UserError(
            f"C3D cannot take clips of {counted(frames, 'frame')}: its fc6 and its mean are made for {FRAMES}",
            f"Choose a clip length of {FRAMES}",
        )
    if (height, width) != (CROP, CROP):
        raise UserError(
            f"C3D cannot take a crop of {height} × {width} pixels: its fc6 is made for {CROP} × {CROP}",
            f"Choose a crop of {CROP}",
        )


def _input_spec(options: Mapping[str, str]) -> InputSpec:
    return InputSpec(
        clip_length=FRAMES,
        resize=_FRAME_SIZE,
        crop=(CROP, CROP),
        mean=(0.0, 0.0, 0.0) if options["subtract"] == "cube" else _CHANNEL_MEANS,
        std=(1.0, 1.0, 1.0),
        channel_order="BGR",
    )


def _build(options: Mapping[str, str], classes: int) -> nn.Module:
    return C3D(classes, options["subtract"])


C3D_SPORTS1M = Architecture(
    name="c3d",
    summary="C3D (Tran et al.): 16 frames, 112 × 112",
    build=_build,
    input_spec=_input_spec,
    layers=(*(name for name, _ in _LAYERS), "fc6", "fc7", "fc8", "prob"),
    aslan_layers=("prob", "fc7", "fc6", "pool5"),
    check_input=check_input,
    head="fc8.0.weight",
    default_classes=_SPORTS_1M_CLASSES,
    options=_OPTIONS,
    # The released file, conv3d_deepnetA_sport1m_iter_1900000, has no suffix.
    readers={".caffemodel": read_c3d_caffemodel, "": read_c3d_caffemodel},
)
