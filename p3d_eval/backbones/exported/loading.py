"""From ``model.pt2`` or ``model.onnx`` to a loaded network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from p3d_eval.backbones.backbone import Backbone
from p3d_eval.backbones.checkpoint import require_file
from p3d_eval.backbones.exported.onnx_model import read_onnx, weigh_onnx
from p3d_eval.backbones.exported.program import read_program
from p3d_eval.backbones.frames import FRAMES
from p3d_eval.backbones.network import Network, WeightsInfo
from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.provenance import sha256_file

PROGRAM, ONNX = ".pt2", ".onnx"
OPTIONS = ("layout", "frames")


def is_exported(name: str) -> bool:
    """Whether a backbone's name is that of an exported file."""
    return Path(name).suffix.lower() in (PROGRAM, ONNX)


def load_exported(
    name: str,
    weights: str | None,
    classes: int | Sequence[str] | None,
    options: Mapping[str, Any],
    device: torch.device,
) -> Backbone:
    """Load an exported network: its outputs are the layers.

    Parameters
    ----------
    name : str
        Path of the file.
    weights : str or None
        None: the weights are in the file.
    classes : int, sequence of str or None
        Names of the classes, where the file does not say them.
    options : mapping
        ``layout``: axes of its input, where they cannot be told; ``frames``: which frames of a clip a network
        of images sees.
    device : torch.device
        Where it runs.

    Raises
    ------
    UserError
        When the file is absent, broken or not to be trusted, or an option does not apply.
    """
    path = Path(name)
    require_file(path)
    for key in options:
        if key not in OPTIONS:
            raise UnknownNameError(f"option of {name}", key, OPTIONS)
    if weights is not None:
        raise UserError(f"{name} holds its weights", "Leave --weights out")
    if isinstance(classes, int):
        raise UserError(f"{name} takes names of classes, not their number", "The outputs are as exported")
    frames = options.get("frames", FRAMES[0])
    if frames not in FRAMES:
        raise UnknownNameError("choice of frames", str(frames), FRAMES)
    is_onnx = path.suffix.lower() == ONNX
    read = read_onnx if is_onnx else read_program
    module, said = read(path, options.get("layout"), frames, device)
    digest, held = weigh_onnx(path) if is_onnx else (sha256_file(path), None)
    network = Network(
        module=module,
        input_spec=said.spec,
        layers=tuple(module.outputs),
        classes=said.classes if classes is None else tuple(classes),
        trained_on=said.trained_on,
        images=said.images,
        centre=said.images and frames == "centre",
        unstated=said.unstated,
        held_bytes=held,
    )
    return Backbone(name, network, WeightsInfo(str(path), digest, random=False), device, options)
