"""From ``prefix:name`` to a loaded network of another collection."""

import ast
import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from p3d_eval.backbones.backbone import Backbone
from p3d_eval.backbones.checkpoint import fill, hash_state
from p3d_eval.backbones.network import Network, WeightsInfo
from p3d_eval.backbones.state_dict import read_state_dict
from p3d_eval.backbones.zoos.adapting import Wanted
from p3d_eval.errors import UserError
from p3d_eval.provenance import sha256_file

# Prefix → the module that builds its networks.
ZOOS = {
    "torchvision": "p3d_eval.backbones.zoos.torchvision_models",
    "timm": "p3d_eval.backbones.zoos.timm_models",
    "hf": "p3d_eval.backbones.zoos.huggingface",
    "torchhub": "p3d_eval.backbones.zoos.torch_hub",
}
_LISTING = ("torchvision", "timm")  # whose module says which names there are
RANDOM = "random"
# What tells the name of a file that is not there from the name of a collection's weights.
_FILES, _FOLDERS = (".pth", ".pt", ".tar", ".bin", ".safetensors"), ("/", "./", "../", "~")


def is_from_zoo(name: str) -> bool:
    """Whether a backbone's name starts with the prefix of a collection."""
    return name.partition(":")[0] in ZOOS and ":" in name


def without_weights(name: str) -> str | None:
    """Return what to give for ``weights`` where they do not matter: nothing is downloaded then."""
    prefix, _, model = name.partition(":")
    if prefix == "hf" and any(Path(model).glob("*.safetensors")):
        return None  # they lie here, and tell which parts of the network have trained weights
    return RANDOM if is_from_zoo(name) else None


def load_from_zoo(
    name: str,
    weights: str | None,
    seed: int,
    classes: int | Sequence[str] | None,
    options: Mapping[str, Any],
    device: torch.device,
) -> Backbone:
    """Load a network of another collection.

    Parameters
    ----------
    name : str
        ``prefix:name``.
    weights : str or None
        None for the collection's own trained weights, which it may download; their name in the
        collection; ``random``; or a file with a state dict.
    seed : int
        Of random weights.
    classes : int, sequence of str or None
        Names of the classes, where the collection does not know them.
    options : mapping
        Arguments for the collection's constructor (text is read as a Python value where it is one), and
        ``frames``: which frames of a clip a network of images sees, ``centre`` or ``all``.
    device : torch.device
        Where it runs.

    Raises
    ------
    UserError
        When the collection or network is unknown or missing, or its weights cannot be had or do not fit.
    """
    require_listed(name, weights)
    prefix, _, model = name.partition(":")
    path = _file(weights)
    arguments = {key: _value(value) for key, value in options.items()}
    frames = str(arguments.pop("frames", "centre"))
    random = weights == RANDOM or path is not None
    chosen = "" if weights is None or random else weights
    wanted = Wanted(name, model, chosen, random, path is not None, arguments, frames)
    # What libraries print about downloads is not this program's output.
    with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(sys.stderr):
        torch.manual_seed(seed)
        network: Network = import_module(ZOOS[prefix]).build(wanted)
    if path is not None:
        network = replace(network, random=False)
        fill(network.module, read_state_dict(path), str(path))
    info = WeightsInfo(
        source=str(path) if path else f"random (seed {seed})" if random else network.weights_source or name,
        sha256=sha256_file(path) if path else hash_state(network.module),
        random=network.random,
    )
    return Backbone(name, replace(network, classes=_names(name, classes, network)), info, device, options)


def require_listed(name: str, weights: str | None) -> None:
    """Check the names of a network and of its weights, where their collection can list them; nothing is loaded.

    Raises
    ------
    UserError
        When the collection has none of that name, or is not installed.
    """
    prefix, _, model = name.partition(":")
    if not model:
        raise UserError(f"backbone {name!r} names no network", f"Write {prefix}:name")
    path = _file(weights)
    if prefix in _LISTING:
        import_module(ZOOS[prefix]).check_names(model, "" if path or weights in (None, RANDOM) else weights)


def _file(weights: str | None) -> Path | None:
    """Return the file that is meant, if it is one."""
    if weights is None or weights == RANDOM:
        return None
    path = Path(weights)
    if path.is_file():
        return path
    if path.suffix.lower() in _FILES or weights.startswith(_FOLDERS):
        raise UserError(f"weights file {path} does not exist", "Give a file, or the word random")
    return None


def _value(text: Any) -> Any:
    """Read an option's text as a Python number, tuple or word; other text stays text."""
    if not isinstance(text, str):
        return text
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _names(name: str, classes: int | Sequence[str] | None, network: Network) -> tuple[str, ...]:
    if isinstance(classes, int):
        raise UserError(
            f"backbone {name!r} takes names of classes, not their number",
            "A collection's own option sets the number, for example --option num_classes=5",
        )
    return network.classes if classes is None else tuple(classes)
