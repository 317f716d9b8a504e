"""`load_backbone`: from a name and a weights file to a network that runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from p3d_eval.backbones.backbone import Backbone
from p3d_eval.backbones.checkpoint import (
    Checkpoint,
    count_classes,
    fill,
    hash_state,
    read_checkpoint,
)
from p3d_eval.backbones.exported.loading import is_exported, load_exported
from p3d_eval.backbones.factories import call_factory, custom_factory
from p3d_eval.backbones.network import Architecture, Network, WeightsInfo
from p3d_eval.backbones.precision import REFERENCE
from p3d_eval.backbones.published_weights import identified
from p3d_eval.backbones.zoos.loading import is_from_zoo, load_from_zoo
from p3d_eval.devices import find_device
from p3d_eval.errors import UserError, counted
from p3d_eval.provenance import sha256_file, sha256_files
from p3d_eval.registry import Entry, Registry

RANDOM = "random"
_SEEDS = 2**32  # NumPy's and torch's generators both take these

# What options say an input specification's fields, for networks that do not.
_EXAMPLES = {
    "clip_length": "--clip-length 16",
    "resize": "--resize 256",
    "crop": "--crop-size 224",
    "mean": "--mean 0.45,0.45,0.45",
    "std": "--std 0.225,0.225,0.225",
    "value_range": "--value-range 0,1",
}

# Name, place below p3d_eval.backbones, one line for the list.
_BUILTIN = (
    ("p3d199", "p3d:P3D199", "P3D ResNet-152, the paper's network: 16 frames, 160 × 160"),
    ("p3d131", "p3d:P3D131", "P3D ResNet-101: 16 frames, 160 × 160"),
    ("p3d63", "p3d:P3D63", "P3D ResNet-50 (Table 1 of the paper): 16 frames, 160 × 160"),
    ("c3d", "c3d:C3D_SPORTS1M", "C3D (Tran et al.): 16 frames, 112 × 112"),
    ("i3d", "i3d:I3D_RGB", "I3D RGB (Carreira and Zisserman): 9 frames or more, 224 × 224"),
    ("i2d", "i3d:I2D", "I2D: I3D whose convolutions see one frame (Xie et al.)"),
    ("top-heavy-i3d", "i3d:TOP_HEAVY_I3D", "Top-Heavy-I3D: time only in the upper stages (Xie et al.)"),
    (
        "bottom-heavy-i3d",
        "i3d:BOTTOM_HEAVY_I3D",
        "Bottom-Heavy-I3D: time only in the lower stages (Xie et al.)",
    ),
    ("s3d", "s3d:S3D", "S3D: separable I3D (Xie et al.), 224 × 224"),
    ("s3d-g", "s3d:S3D_G", "S3D-G: S3D with feature gating, 224 × 224"),
    ("fast-s3d", "s3d:FAST_S3D", "Fast-S3D: time in the two upper stages alone, 224 × 224"),
    ("resnet152", "resnet:RESNET152", "ResNet-152 on frames: 224 × 224"),
    ("resnet101", "resnet:RESNET101", "ResNet-101 on frames: 224 × 224"),
    ("resnet50", "resnet:RESNET50", "ResNet-50 on frames: 224 × 224"),
    ("vgg19", "vgg:VGG_19", "VGG-19 on frames: 224 × 224"),
)

BACKBONES: Registry[object] = Registry(
    kind="backbone",
    base=object,
    builtin=tuple(Entry(name, f"p3d_eval.backbones.{place}", summary) for name, place, summary in _BUILTIN),
    group="p3d_eval.backbones",
)


def load_backbone(
    name: str,
    weights: str | Path | None = None,
    device: str | torch.device = "cpu",
    *,
    seed: int = 0,
    classes: int | Sequence[str] | None = None,
    clip_length: int | None = None,
    frame_stride: int | None = None,
    resize: tuple[int, int] | int | None = None,
    crop: tuple[int, int] | int | None = None,
    mean: Sequence[float] | float | None = None,
    std: Sequence[float] | float | None = None,
    value_range: tuple[float, float] | None = None,
    channel_order: str | None = None,
    interpolation: str | None = None,
    antialias: bool | None = None,
    precision: str = REFERENCE,
    **options: Any,
) -> Backbone:
    """Build a network, fill it with weights and put it on a device.

    Parameters
    ----------
    name : str
        A registered name (``p3d199``, ``i3d``, a plug-in's); a collection's network
        (``torchvision:r2plus1d_18``, ``timm:resnet152``, ``hf:MCG-NJU/videomae-base``,
        ``torchhub:owner/repository:function``); an exported ``model.pt2`` or ``model.onnx``;
        ``package.module:factory`` or ``path/to/file.py:factory``.
        A factory returns a `Backbone` or a `Network`.
    weights : str or Path, optional
        A weights file, or ``random``, which is also the default; of a collection's network the name of its
        trained weights too, and by default its own.
    device : str or torch.device
        ``cpu``, ``cuda``, ``cuda:1``, or ``auto``: CUDA where there is one.
    seed : int
        Of random weights.
    classes : int or sequence of str, optional
        Number of classes, or their names; by default the weights file says.
    clip_length, frame_stride, resize, crop, mean, std, value_range : optional
    channel_order, interpolation, antialias : optional
        Another input than the network's own, in the words of `InputSpec`.
    precision : {"fp32", "tf32", "bf16", "fp16", "auto"}
        Arithmetic of convolutions and matrix products; see `Backbone.with_precision`.
    **options
        The network's own options (P3D: ``variant``, ``modality``, ``sum_rule``), or the factory's
        arguments.

    Returns
    -------
    Backbone

    Raises
    ------
    UserError
        When a name is unknown, the weights do not fit, or the network cannot take the input.
    """
    if not 0 <= seed < _SEEDS:
        raise UserError(f"seed {seed} is not between 0 and {_SEEDS - 1}")
    target = find_device(device)
    built = build_backbone(name, weights, target, seed=seed, classes=classes, options=options)
    recipe = {"name": name, "weights": weights, "seed": seed, "classes": classes, **options}
    built.recipe = MappingProxyType(recipe)
    changes = {
        "clip_length": clip_length,
        "frame_stride": frame_stride,
        "resize": resize,
        "crop": crop,
        "mean": mean,
        "std": std,
        "value_range": value_range,
        "channel_order": channel_order,
        "interpolation": interpolation,
        "antialias": antialias,
    }
    require_stated(built, [field for field, value in changes.items() if value is not None])
    if any(value is not None for value in changes.values()):
        built = built.with_input(**changes)
    return built if precision == REFERENCE else built.with_precision(precision)


def load_architecture(name: str) -> Architecture:
    """Load a registered architecture, refusing names that only make finished networks."""
    found = BACKBONES.load(name)
    if not isinstance(found, Architecture):
        raise UserError(f"backbone {name!r} reads its own weights", "Convert weights of a built-in backbone")
    return found


def is_listed_kind(name: str) -> bool:
    """Whether a name, known or misspelt, is of the kind that `BACKBONES` lists: no prefix, no file."""
    return ":" not in name and not name.endswith(".py") and not is_exported(name)


def build_backbone(
    name: str,
    weights: str | Path | None,
    device: torch.device,
    *,
    seed: int = 0,
    classes: int | Sequence[str] | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Backbone:
    """Build the network that a name stands for, whoever makes it, with its own input.

    Parameters and errors are those of `load_backbone`; a network that does not say what its input is comes
    with a guess, and ``network.unstated`` names what of it is one.
    """
    path = None if weights is None or str(weights) == RANDOM else Path(weights)
    if is_from_zoo(name):
        return load_from_zoo(name, None if weights is None else str(weights), seed, classes, options, device)
    if is_exported(name):
        return load_exported(name, None if weights is None else str(weights), classes, options, device)
    maker = BACKBONES.load(name) if is_listed_kind(name) else custom_factory(name)
    if isinstance(maker, Architecture):
        return _load_architecture(maker, path, seed, classes, options, device)
    built = call_factory(name, maker, path, seed, classes, options, device)
    if str(weights) == RANDOM:
        built.weights = replace(built.weights, random=True)
    return built


def require_stated(backbone: Backbone, given: Sequence[str]) -> None:
    """Refuse a network that does not say how its input is prepared, unless the user does.

    Raises
    ------
    UserError
        Naming what nobody has said.
    """
    missing = [field for field in backbone.network.unstated if field not in given]
    if missing:
        raise UserError(
            f"{backbone.name} does not say what its input is: {', '.join(missing)}",
            f"Give what the weights were trained with: {' '.join(_EXAMPLES[field] for field in missing)}",
        )


def _class_names(
    where: str, count: int, given: int | Sequence[str] | None, known: tuple[str, ...]
) -> tuple[str, ...]:
    names = known if given is None or isinstance(given, int) else tuple(given)
    number = given if isinstance(given, int) else len(names) if names else count
    if number != count:
        raise UserError(
            f"{where} has {counted(count, 'class', 'classes')}, not the {number} given",
            "Give the classes of these weights",
        )
    return names


def _load_architecture(
    architecture: Architecture,
    path: Path | None,
    seed: int,
    classes: int | Sequence[str] | None,
    given: Mapping[str, Any],
    device: torch.device,
) -> Backbone:
    if path is None:
        options = architecture.resolve_options(given)
        count = (
            architecture.default_classes
            if classes is None
            else classes
            if isinstance(classes, int)
            else len(classes)
        )
        if count < 1:
            raise UserError(f"{architecture.name}: {count} classes", "A network needs one class at least")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = architecture.build(options, count)
        info = WeightsInfo(f"random (seed {seed})", hash_state(module), random=True)
        checkpoint = Checkpoint({})
    else:
        checkpoint = read_checkpoint(path, architecture)
        options = merge_options(path, architecture, checkpoint, given)
        count = count_classes(path, checkpoint, architecture)
        with torch.device("meta"):
            module = architecture.build(options, count)
        fill(module, checkpoint.tensors, str(path))
        checkpoint = identified(checkpoint, sha256_file(path))
        info = WeightsInfo(str(path), sha256_files(path, *checkpoint.beside), random=False)
    network = Network(
        module=module,
        input_spec=architecture.input_spec(options),
        layers=architecture.layers,
        classes=_class_names(info.source, count, classes, checkpoint.classes),
        trained_on=checkpoint.trained_on,
        aslan_layers=architecture.aslan_layers,
        check_input=architecture.limits(options),
        images=architecture.images,
        centre=architecture.images and options["frames"] == "centre",
    )
    backbone = Backbone(architecture.name, network, info, device, options)
    backbone.notices = checkpoint.notices(options)
    return backbone


def merge_options(
    path: Path, architecture: Architecture, checkpoint: Checkpoint, given: Mapping[str, Any]
) -> dict[str, str]:
    """Options of a network whose weights come from ``path``: the file's, then the given, then the defaults.

    Raises
    ------
    UserError
        When a given option contradicts the file, or is unknown.
    """
    for key, value in given.items():
        stored = checkpoint.options.get(key, value)
        if stored != value:
            raise UserError(
                f"{path} holds weights with {key}={stored!r}, not {value!r}",
                f"Leave {key} out, or use other weights",
            )
    return architecture.resolve_options({**checkpoint.options, **given})
