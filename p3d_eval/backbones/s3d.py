"""S3D, S3D-G and Fast-S3D (Xie et al., "Rethinking Spatiotemporal Feature Learning", ECCV 2018).

I3D with every k × k × k convolution split into 1 × k × k and k × 1 × 1 (S3D), with feature gating (S3D-G), or
with time in the two upper stages alone (Fast-S3D). Four arrangements exist, told apart by ``arrangement``:

``published``
    The paper's: a first convolution of 7 × 7 × 7 that is not split, gates after the temporal convolutions.
    Where the paper is silent, as its authors' I3D: batch norm and ReLU after either half, "SAME" padding.
``slim``
    The authors' code (tensorflow/models, research/slim/nets/s3dg.py): 3 frames in the first convolution,
    a bias instead of batch norm in the temporal halves, gates without bias after conv3d_2c_3x3 and at the end
    of all four branches of every Inception module.
``torchvision``, ``kylemin``
    The ports whose trained weights can be had (torchvision.models.video.s3d, kylemin/S3D), without gates:
    the first convolution is split too, padding is symmetric. They differ in the input that they want.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from p3d_eval.backbones import i3d
from p3d_eval.backbones.inception import ASLAN_LAYERS, HEAD, LAYERS, Inception, Style
from p3d_eval.backbones.inception_input import BOTTOM_HEAVY, TOP_HEAVY, check_clip, temporal_stages
from p3d_eval.backbones.network import Architecture, CheckInput
from p3d_eval.backbones.s3d_checkpoint import read_s3d_state_dict
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.backbones.state_dict import torch_readers

_PORT: dict[str, Any] = {
    "separable": True,
    "first_separable": True,
    "norm_scale": True,
    "first_padding": "symmetric",
    "pool_padding": "symmetric",
}
_ARRANGEMENTS: dict[str, dict[str, Any]] = {
    "published": {"separable": True},
    "slim": {"separable": True, "first_frames": 3, "temporal_norm": False, "gate_bias": False},
    "torchvision": _PORT,
    "kylemin": {**_PORT, "whole_frame": True},
}
_GATES = {"published": "temporal", "slim": "branches"}


def _style(options: Mapping[str, str], gated: bool) -> Style:
    arrangement = options["arrangement"]
    parts = dict(_ARRANGEMENTS[arrangement])
    if gated:
        parts["gates"] = _GATES[arrangement]
    return Style(temporal=temporal_stages(options["temporal"]), **parts)


def _input_spec(options: Mapping[str, str]) -> InputSpec:
    if options["arrangement"] != "torchvision":
        return i3d.input_spec(options)
    # torchvision.models.video.S3D_Weights.KINETICS400_V1: VideoClassification(224, (256, 256)).
    return InputSpec(
        clip_length=16,
        resize=(256, 256),
        crop=(224, 224),
        mean=(0.43216, 0.394666, 0.37645),
        std=(0.22803, 0.22145, 0.216989),
        value_range=(0.0, 1.0),
    )


def _architecture(name: str, title: str, summary: str, temporal: tuple[str, ...], gated: bool) -> Architecture:
    def build(options: Mapping[str, str], classes: int) -> nn.Module:
        return Inception(classes, _style(options, gated))

    def check_of(options: Mapping[str, str]) -> CheckInput:
        return partial(check_clip, title, _style(options, gated))

    return Architecture(
        name=name,
        summary=summary,
        build=build,
        input_spec=_input_spec,
        layers=LAYERS,
        aslan_layers=ASLAN_LAYERS,
        check_of=check_of,
        head=HEAD,
        default_classes=i3d.KINETICS_CLASSES,
        options={"arrangement": tuple(_GATES if gated else _ARRANGEMENTS), "temporal": temporal},
        readers=torch_readers(read_s3d_state_dict) if name == "s3d" else {},
    )


_ANYWHERE = ("all", *TOP_HEAVY, *BOTTOM_HEAVY, "none")
_FAST = "from-mixed_5b"
S3D = _architecture("s3d", "S3D", "S3D: separable I3D (Xie et al.), 224 × 224", _ANYWHERE, gated=False)
S3D_G = _architecture("s3d-g", "S3D-G", "S3D-G: S3D with feature gating, 224 × 224", _ANYWHERE, gated=True)
FAST_S3D = _architecture(
    "fast-s3d", "Fast-S3D", "Fast-S3D: time in the two upper stages alone, 224 × 224", (_FAST,), gated=False
)
