"""What a backbone takes and gives, told without building its weights where that is possible."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from p3d_eval.backbones.backbone import Backbone
from p3d_eval.backbones.listing import find_layers
from p3d_eval.backbones.loading import BACKBONES, build_backbone, is_listed_kind, load_architecture
from p3d_eval.backbones.network import CODE, Architecture, Network, WeightsInfo
from p3d_eval.backbones.zoos.loading import without_weights


@dataclass(frozen=True)
class BackboneDescription:
    """A backbone in words and numbers.

    Parameters
    ----------
    name : str
        What users type.
    options : dict
        Option → values it takes, the default first.
    input_spec : dict
        The input specification in JSON form.
    layers : dict
        Layer → (shape without batch, axes).
    aslan_layers : tuple of str
        Layers of the ASLAN protocol.
    parameters : int or None
        Trainable numbers; None where another library holds them.
    """

    name: str
    options: dict[str, tuple[str, ...]]
    input_spec: dict[str, Any]
    layers: dict[str, tuple[tuple[int, ...], str]]
    aslan_layers: tuple[str, ...]
    parameters: int | None

    def to_json(self) -> dict[str, Any]:
        """Plain values, tuples as lists."""
        return {
            "name": self.name,
            "options": {key: list(values) for key, values in self.options.items()},
            "input_spec": self.input_spec,
            "layers": {k: {"shape": list(shape), "axes": axes} for k, (shape, axes) in self.layers.items()},
            "aslan_layers": list(self.aslan_layers),
            "parameters": self.parameters,
        }


def _without_weights(name: str, architecture: Architecture, given: dict[str, str]) -> Backbone:
    options = architecture.resolve_options(given)
    with torch.device("meta"):
        module = architecture.build(options, architecture.default_classes)
    network = Network(
        module=module,
        input_spec=architecture.input_spec(options),
        layers=architecture.layers,
        aslan_layers=architecture.aslan_layers,
        check_input=architecture.limits(options),
        images=architecture.images,
    )
    return Backbone(name, network, WeightsInfo("none", "", random=True), torch.device("meta"), options)


def chosen_options(backbone: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of a network's options those that a built-in network has otherwise by default.

    Parameters
    ----------
    backbone : str
    options : mapping
        All that a feature file tells, or those that were given.
    """
    usual = load_architecture(backbone).options if BACKBONES.is_builtin(backbone) else {}
    return {
        key: value
        for key, value in options.items()
        if key != CODE and (key not in usual or value != usual[key][0])
    }


def input_of(backbone: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Input specification of a built-in network in JSON form."""
    architecture = load_architecture(backbone)
    return architecture.input_spec(architecture.resolve_options(options)).to_json()


def _stated(backbone: Backbone) -> dict[str, Any]:
    """Return the input specification, null where the network does not say it."""
    spec = backbone.input_spec.to_json()
    return {key: None if key in backbone.network.unstated else value for key, value in spec.items()}


def describe_backbone(
    name: str,
    options: dict[str, str] | None = None,
    weights: str | None = None,
    pattern: str | None = None,
) -> BackboneDescription:
    """Describe a backbone by its name.

    Parameters
    ----------
    name : str
        As `load_backbone` takes it.
    options : dict, optional
        The network's options.
    weights : str, optional
        As `load_backbone` takes them, for a factory that needs a file; none are downloaded by default.
    pattern : str, optional
        List the layers whose module path matches, in place of the network's own list.

    Raises
    ------
    UserError
        When the name, an option or the pattern fits nothing.
    """
    given = options or {}
    found = BACKBONES.load(name) if is_listed_kind(name) else None
    choices: dict[str, tuple[str, ...]] = {}
    if isinstance(found, Architecture):
        backbone = _without_weights(name, found, given)
        choices = dict(found.options)
    else:
        backbone = build_backbone(name, weights or without_weights(name), torch.device("cpu"), options=given)
    axes = backbone.axes
    own = {layer: (shape, axes[layer]) for layer, shape in backbone.layers.items()}
    return BackboneDescription(
        name=name,
        options=choices,
        input_spec=_stated(backbone),
        layers=own if pattern is None else find_layers(backbone, pattern),
        aslan_layers=backbone.aslan_layers,
        parameters=backbone.network.parameters,
    )
