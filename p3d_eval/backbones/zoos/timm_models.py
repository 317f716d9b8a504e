"""``timm:NAME``: networks of images of the timm collection, prepared as their configuration says."""

import math
from typing import Any

from torch import nn

from p3d_eval.backbones.network import Network
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.backbones.zoos.adapting import (
    CLIP_LENGTH,
    Wanted,
    add_probabilities,
    blamed,
    has_class_token,
    import_collection,
    read_bytes_as,
    see_frames,
)
from p3d_eval.errors import UnknownNameError, UserError


def build(wanted: Wanted) -> Network:
    """Build a network of timm; its trained weights are named by a tag: ``timm:resnet50.a1_in1k``.

    Raises
    ------
    UserError
        When there is no such network, its weights cannot be downloaded, or its images are padded.
    """
    timm = import_collection("timm", "timm")
    check_names(wanted.model, wanted.weights)
    model = _with_tag(wanted.model, wanted.weights)
    with blamed(wanted, "Give --weights FILE, or --weights random"):
        module = timm.create_model(model, pretrained=not wanted.random, **wanted.options)
    if module.num_classes:
        add_probabilities(module)
    see_frames(module, wanted.frames)
    return Network(
        module=module,
        input_spec=_input_spec(wanted.name, timm.data.resolve_data_config(_sized(wanted), model=module)),
        classes=() if wanted.random else _classes(timm, module),
        trained_on="" if wanted.random else str(module.pretrained_cfg.get("tag", "")),
        weights_source=f"timm {timm.__version__} {module.pretrained_cfg.get('hf_hub_id') or model}",
        random=wanted.random,
        images=True,
        centre=wanted.centre,
        class_token=has_class_token(module),
        labelled=getattr(module, "output_fmt", "NCHW") != "NHWC",
    )


def check_names(model: str, weights: str) -> None:
    """Check that timm has a network, and weights of that tag where there is one.

    Raises
    ------
    UserError
        When it has not, or is not installed.
    """
    timm = import_collection("timm", "timm")
    architecture, _, tag = _with_tag(model, weights).partition(".")
    if not timm.is_model(architecture):
        raise UnknownNameError("network of timm", architecture, timm.list_models())
    tags = [name.partition(".")[2] for name in timm.list_models(f"{architecture}.*", pretrained=True)]
    if tag and tag not in tags:
        raise UnknownNameError(f"weights of timm:{architecture}", tag, tags)


def _with_tag(model: str, weights: str) -> str:
    return f"{model}.{weights}" if weights else model


def _sized(wanted: Wanted) -> dict[str, Any]:
    """Size of images where the constructor was given another than the configuration's."""
    return {"img_size": wanted.options["img_size"]} if "img_size" in wanted.options else {}


def _input_spec(name: str, config: dict[str, Any]) -> InputSpec:
    """Read timm's evaluation: the shorter side becomes the crop divided by ``crop_pct``, then a centre crop."""
    channels, height, width = config["input_size"]
    mode, interpolation = config["crop_mode"], config["interpolation"]
    if channels != len("RGB") or mode == "border" or interpolation not in ("bilinear", "bicubic"):
        raise UserError(
            f"{name} wants {channels} channels, {interpolation} interpolation, crops of mode {mode!r}: "
            "an input specification cannot say that",
            "Write a factory that returns a Network",
        )
    scaled = math.floor(height / config["crop_pct"]), math.floor(width / config["crop_pct"])
    return InputSpec(
        clip_length=CLIP_LENGTH,
        resize=scaled if mode == "squash" or scaled[0] != scaled[1] else scaled[0],
        crop=(height, width),
        interpolation=interpolation,
        antialias=True,
        **read_bytes_as(config["mean"], config["std"]),
    )


def _classes(timm: Any, module: nn.Module) -> tuple[str, ...]:
    """Names of ImageNet's classes, where timm knows which part of it the network was trained on."""
    subset = timm.data.infer_imagenet_subset(module)
    if not subset:
        return ()
    info = timm.data.ImageNetInfo(subset)
    return tuple(info.index_to_description(index) for index in range(info.num_classes()))
