"""I3D RGB (Carreira and Zisserman, CVPR 2017) as TensorFlow computes it, and I2D and the heavy ones beside it.

I2D, Bottom-Heavy-I3D and Top-Heavy-I3D (Xie et al., ECCV 2018) are I3D with kernels of one frame in all,
in the upper or in the lower stages. "SAME" padding puts the odd element at the end, batch norm has a shift
but no scale.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from p3d_eval.backbones.checkpoint import Checkpoint
from p3d_eval.backbones.googlenet import inflate_googlenet
from p3d_eval.backbones.i3d_checkpoint import read_i3d_checkpoint
from p3d_eval.backbones.inception import ASLAN_LAYERS, HEAD, LAYERS, Inception, Padding, Style
from p3d_eval.backbones.inception_input import BOTTOM_HEAVY, TOP_HEAVY, check_clip, temporal_stages
from p3d_eval.backbones.network import Architecture, CheckInput
from p3d_eval.backbones.piergiaj import read_piergiaj_i3d
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.backbones.state_dict import torch_readers

KINETICS_CLASSES = 400
# TensorFlow's padding of the first convolution, or torchvision's GoogLeNet's, whose weights can be inflated.
_PADDING: dict[str, Padding] = {"tensorflow": "same", "googlenet": "symmetric"}


def input_spec(options: Mapping[str, str]) -> InputSpec:  # noqa: ARG001
    """Frames of 224 × 224 out of a shorter side of 256, RGB in [−1, 1]."""
    return InputSpec(
        clip_length=16,
        resize=256,
        crop=(224, 224),
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        value_range=(-1.0, 1.0),
    )


def _style(options: Mapping[str, str]) -> Style:
    return Style(
        temporal=temporal_stages(options["temporal"]),
        first_padding=_PADDING[options["padding"]],
    )


def _build(options: Mapping[str, str], classes: int) -> nn.Module:
    return Inception(classes, _style(options))


def _architecture(name: str, title: str, summary: str, temporal: tuple[str, ...]) -> Architecture:
    def check_of(options: Mapping[str, str]) -> CheckInput:
        return partial(check_clip, title, _style(options))

    def inflate(path: Path, given: Mapping[str, str], spread: str) -> Checkpoint:
        chosen = {"temporal": temporal[0], **given}
        style = Style(temporal=temporal_stages(chosen["temporal"]))
        with torch.device("meta"):
            shapes = {key: tensor.shape for key, tensor in Inception(1, style).state_dict().items()}
        frames = {key: shape[2] for key, shape in shapes.items() if len(shape) == len("OITHW")}
        return inflate_googlenet(path, frames, chosen, spread)

    options = {"temporal": temporal, "padding": tuple(_PADDING)}
    trained = name == "i3d"
    return Architecture(
        name=name,
        summary=summary,
        build=_build,
        input_spec=input_spec,
        layers=LAYERS,
        aslan_layers=ASLAN_LAYERS,
        check_of=check_of,
        head=HEAD,
        default_classes=KINETICS_CLASSES,
        options=options,
        readers={".ckpt": read_i3d_checkpoint, **torch_readers(read_piergiaj_i3d)} if trained else {},
        inflate=inflate,
    )


# The S3D paper moves the border through the network; here it lies where time is halved the second time.
_BORDER = "mixed_4b"
I3D_RGB = _architecture(
    "i3d",
    "I3D",
    "I3D RGB, inflated Inception-v1 (Carreira and Zisserman): 9 frames or more, 224 × 224",
    ("all", *TOP_HEAVY, *BOTTOM_HEAVY, "none"),
)
I2D = _architecture("i2d", "I2D", "I2D: I3D whose convolutions see one frame (Xie et al.)", ("none",))
TOP_HEAVY_I3D = _architecture(
    "top-heavy-i3d",
    "Top-Heavy-I3D",
    "Top-Heavy-I3D: time only in the upper stages (Xie et al.)",
    (f"from-{_BORDER}", *(choice for choice in TOP_HEAVY if choice != f"from-{_BORDER}")),
)
BOTTOM_HEAVY_I3D = _architecture(
    "bottom-heavy-i3d",
    "Bottom-Heavy-I3D",
    "Bottom-Heavy-I3D: time only in the lower stages (Xie et al.)",
    ("to-mixed_3c", *(choice for choice in BOTTOM_HEAVY if choice != "to-mixed_3c")),
)
