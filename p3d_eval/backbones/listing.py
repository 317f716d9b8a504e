"""Which layers a network has: all whose module path matches a pattern, and the last that it lists."""

import fnmatch
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import nn

from p3d_eval.backbones.capture import survey
from p3d_eval.backbones.imagining import CLIPS, imagine
from p3d_eval.errors import UserError

if TYPE_CHECKING:
    from p3d_eval.backbones.backbone import Backbone

Listing = dict[str, tuple[tuple[int, ...], str]]


def survey_modules(backbone: "Backbone", modules: Mapping[str, nn.Module]) -> Listing:
    """Return shape and axes of what modules give for the input specification's clip, in the order they end."""
    shape = backbone.input_spec.input_shape
    return imagine(backbone, shape, lambda run: survey(modules, run, backbone.batch(CLIPS, shape[1])))


def find_layers(backbone: "Backbone", pattern: str) -> Listing:
    """Return shape and axes of every layer whose module path matches a pattern, in the order they end.

    Parameters
    ----------
    backbone : Backbone
        The network.
    pattern : str
        As of files in a shell, where ``*`` stands for dots too: ``layer4.*``, ``*.conv?``, ``*``.

    Returns
    -------
    dict
        Module path → (shape without the batch axis, axes). Modules that do not run, or do not give one
        tensor with the batch as its first axis, are no layers.

    Raises
    ------
    UserError
        When no layer matches.
    """
    paths = {path: module for path, module in backbone.module.named_modules() if path and path[0] != "_"}
    found = survey_modules(backbone, {path: paths[path] for path in fnmatch.filter(paths, pattern)})
    if not found:
        raise UserError(
            f"{backbone.name}: no layer matches {pattern!r}", "The pattern '*' lists every layer there is"
        )
    return found


def last_layer(backbone: "Backbone") -> str:
    """Return the last layer that a network lists.

    Raises
    ------
    UserError
        When it has none.
    """
    listed = list(backbone.layers)
    if not listed:
        raise UserError(
            f"{backbone.name} has no layer: no module gives a tensor with the batch as its first axis",
            "A layer is a module inside the network: an nn.Identity() makes one of any tensor",
        )
    return listed[-1]
