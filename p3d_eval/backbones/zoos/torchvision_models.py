"""``torchvision:NAME``: torchvision's classifiers of images and videos, prepared as their weights say."""

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
    weights_only,
)
from p3d_eval.errors import UnknownNameError

# Frames of a clip that torchvision evaluated the weights with ("clip_len" in their documentation).
_EVALUATED = {"s3d": 128, "swin3d_t": 32, "swin3d_s": 32, "swin3d_b": 32}
_TRAINED_ON = {"KINETICS400": "Kinetics-400", "IMAGENET1K": "ImageNet-1K"}


def build(wanted: Wanted) -> Network:
    """Build a network of torchvision.

    Weights are named as in torchvision (``KINETICS400_V1``, ``DEFAULT``). Without weights of theirs the
    input is that of their default weights, and the network has no class names.

    Raises
    ------
    UserError
        When there is no such network or weights, or they cannot be downloaded.
    """
    models = import_collection("torchvision.models", "torchvision")
    check_names(wanted.model, wanted.weights)
    videos = models.list_models(module=models.video)
    choices = models.get_model_weights(wanted.model)
    chosen = choices[wanted.weights or "DEFAULT"]
    with blamed(wanted, "Give --weights FILE, or --weights random"), weights_only():
        module = models.get_model(wanted.model, weights=None if wanted.random else chosen, **wanted.options)
    add_probabilities(module)
    images = wanted.model not in videos
    if images:
        see_frames(module, wanted.frames)
    return Network(
        module=module,
        input_spec=_input_spec(wanted.model, chosen.transforms(), images),
        classes=() if wanted.random else tuple(chosen.meta["categories"]),
        trained_on="" if wanted.random else _TRAINED_ON.get(chosen.name.rpartition("_")[0], chosen.name),
        weights_source=f"torchvision {chosen}",
        random=wanted.random,
        images=images,
        centre=images and wanted.centre,
        class_token=has_class_token(module),
        labelled=not _channels_last(module),
    )


def check_names(model: str, weights: str) -> None:
    """Check that torchvision has a network and, where ``weights`` is not empty, such weights of it.

    Raises
    ------
    UserError
        When it has not, or is not installed.
    """
    models = import_collection("torchvision.models", "torchvision")
    known = [*models.list_models(module=models.video), *models.list_models(module=models)]
    if model not in known:
        raise UnknownNameError("network of torchvision", model, known)
    choices = models.get_model_weights(model)
    if weights and weights not in choices.__members__:
        raise UnknownNameError(f"weights of torchvision:{model}", weights, choices.__members__)


def _input_spec(model: str, preset: Any, images: bool) -> InputSpec:
    resize, crop = preset.resize_size, preset.crop_size
    return InputSpec(
        clip_length=CLIP_LENGTH if images else _EVALUATED.get(model, CLIP_LENGTH),
        resize=resize[0] if len(resize) == 1 else (resize[0], resize[1]),
        crop=(crop[0], crop[-1]),
        interpolation=preset.interpolation.value,
        antialias=images,  # its video preset resizes without
        **read_bytes_as(preset.mean, preset.std),
    )


def _channels_last(module: nn.Module) -> bool:
    """Whether blocks give … × H × W × C, as torchvision's Swin transformers do."""
    return type(module).__name__.startswith("SwinTransformer")
