"""Trained S3D weights as two ports publish them: torchvision's and kylemin/S3D's state dicts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from p3d_eval.backbones.checkpoint import Checkpoint, printable
from p3d_eval.backbones.inception import FIRST, MIXED, SECOND
from p3d_eval.backbones.state_dict import read_state_dict
from p3d_eval.errors import UserError, shorten

# Both ports number one sequence of modules: stem and Inception modules, with the poolings between them.
_SEQUENCE = (
    FIRST,
    "",
    "conv3d_2b_1x1",
    SECOND,
    "",
    *list(MIXED)[:2],
    "",
    *list(MIXED)[2:7],
    "",
    *list(MIXED)[7:],
)
_LEAVES = {"conv": ("weight",), "bn": ("weight", "bias", "running_mean", "running_var")}


@dataclass(frozen=True)
class _Port:
    """How a port names what: the sequence, the classifier, and a unit's convolution and batch norm."""

    arrangement: str
    sequence: str
    head: str
    first_branch: str
    plain: dict[str, str]
    spatial: dict[str, str]
    temporal: dict[str, str]


_PORTS = (
    _Port(
        arrangement="torchvision",
        sequence="features",
        head="classifier.1",
        first_branch="branch0",
        plain={"conv": "0", "bn": "1"},
        spatial={"conv": "0.0", "bn": "0.1"},
        temporal={"conv": "1.0", "bn": "1.1"},
    ),
    _Port(
        arrangement="kylemin",
        sequence="base",
        head="fc.0",
        first_branch="branch0.0",
        plain={"conv": "conv", "bn": "bn"},
        spatial={"conv": "conv_s", "bn": "bn_s"},
        temporal={"conv": "conv_t", "bn": "bn_t"},
    ),
)


def _units(port: _Port) -> Iterator[tuple[str, str, bool]]:
    """Every unit's place in a port, its place here, and whether it is split into space and time."""
    for index, stage in enumerate(_SEQUENCE):
        theirs = f"{port.sequence}.{index}"
        if stage in MIXED:
            yield f"{theirs}.{port.first_branch}", f"{stage}.branch_0.conv3d_0a_1x1", False
            for number in (1, 2):
                yield f"{theirs}.branch{number}.0", f"{stage}.branch_{number}.conv3d_0a_1x1", False
                yield f"{theirs}.branch{number}.1", f"{stage}.branch_{number}.conv3d_0b_3x3", True
            yield f"{theirs}.branch3.1", f"{stage}.branch_3.conv3d_0b_1x1", False
        elif stage:
            yield theirs, stage, stage in (FIRST, SECOND)


def names_of(port: _Port) -> dict[str, str]:
    """Name in a port's state dict → name here, for every parameter."""
    names = {f"{port.head}.{leaf}": f"logits.{leaf}" for leaf in ("weight", "bias")}
    for theirs, ours, split in _units(port):
        halves = {".spatial": port.spatial, ".temporal": port.temporal} if split else {"": port.plain}
        for half, parts in halves.items():
            for part, leaves in _LEAVES.items():
                names |= {f"{theirs}.{parts[part]}.{leaf}": f"{ours}{half}.{part}.{leaf}" for leaf in leaves}
    return names


def read_s3d_state_dict(path: Path) -> Checkpoint:
    """Read S3D's weights in the names of torchvision or of kylemin/S3D.

    Raises
    ------
    UserError
        When the file cannot be read, or holds other names.
    """
    found = read_state_dict(path)
    port = next((port for port in _PORTS if any(name.startswith(f"{port.sequence}.") for name in found)), None)
    names = {} if port is None else names_of(port)
    strange = [printable(name) for name in found if name not in names]
    if port is None or strange:
        raise UserError(
            f"{path} does not fit s3d: unexpected {shorten(strange)}",
            "Is this another network's file? Names are those of torchvision's s3d or of kylemin/S3D",
        )
    tensors = {names[name]: tensor for name, tensor in found.items()}
    head = tensors.get("logits.weight")
    if head is not None and head.ndim == 5:
        tensors["logits.weight"] = head.flatten(1)
    return Checkpoint(tensors, architecture="s3d", options={"arrangement": port.arrangement})
