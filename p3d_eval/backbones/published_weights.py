"""Weights that others have published: what each file is, whose it is, where it is to be had.

The project ships none of them; ``published_weights.toml`` holds what is known. By its SHA-256 a file is
recognised, and gets its class names and training data.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

from p3d_eval.backbones.checkpoint import Checkpoint
from p3d_eval.errors import UnknownNameError

_CLASS_LISTS = {"ImageNet-1k": "imagenet1000.txt", "Kinetics-400": "kinetics400.txt"}


@dataclass(frozen=True)
class PublishedWeights:
    """One published weights file.

    Parameters
    ----------
    name : str
        What users type.
    backbone : str
        Network that reads it.
    file : str
        Its name where it is published.
    source : str
        Address of the file, or of the page that links to it, or a package's name.
    trained_on : str
        Training data.
    classes : str
        Name of the class list.
    licence : str
        What its publisher says.
    sha256 : str
        Hash of the file, or how it begins; empty where none is known.
    stated_by : str
        Who says so, where it is not the publisher.
    options : mapping
        The network's options that the file decides.
    note : str
        What else to know.
    verb : {"convert", "inflate"}
        Command of ``p3d-eval weights`` that makes a file of the network of it.
    """

    name: str
    backbone: str
    file: str
    source: str
    trained_on: str
    classes: str
    licence: str
    sha256: str = ""
    stated_by: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    verb: str = "convert"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def _resource(name: str) -> str:
    return files("p3d_eval.backbones").joinpath(name).read_text(encoding="utf-8")


@cache
def published() -> Mapping[str, PublishedWeights]:
    """Return all published weights by name."""
    found = tomllib.loads(_resource("published_weights.toml"))
    return {name: PublishedWeights(name, **entry) for name, entry in found.items()}


def find_published(name: str) -> PublishedWeights:
    """Look a name up.

    Raises
    ------
    UnknownNameError
        When no published weights have it.
    """
    if name not in published():
        raise UnknownNameError("file or published weights", name, published())
    return published()[name]


def published_for(backbone: str | None) -> list[PublishedWeights]:
    """List the published weights of a network, of all where none is named.

    Raises
    ------
    UnknownNameError
        When there are none for it.
    """
    everything = list(published().values())
    networks = {weights.backbone for weights in everything}
    if backbone is not None and backbone not in networks:
        raise UnknownNameError("network with published weights", backbone, networks)
    return [weights for weights in everything if backbone in (None, weights.backbone)]


def recognise(sha256: str) -> PublishedWeights | None:
    """Find the published weights of a hash."""
    known = (weights for weights in published().values() if weights.sha256)
    return next((weights for weights in known if sha256.startswith(weights.sha256)), None)


def class_names(name: str) -> tuple[str, ...]:
    """Return the names of a class list in the order of the outputs; none when the package does not have it.

    ImageNet-1k is in torchvision's wording, Kinetics-400 in that of the official release.
    """
    return tuple(_resource(f"classes/{_CLASS_LISTS[name]}").splitlines()) if name in _CLASS_LISTS else ()


def identified(checkpoint: Checkpoint, sha256: str) -> Checkpoint:
    """Add what is known of a published file and does not stand in it: class names and training data."""
    known = recognise(sha256)
    if known is None:
        return checkpoint
    return replace(
        checkpoint,
        classes=checkpoint.classes or class_names(known.classes),
        trained_on=checkpoint.trained_on or known.trained_on,
    )
