"""Where a planned extraction's numbers come from: the identity that a resumed run shares, and provenance."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from p3d_eval.backbones.backbone import Backbone
from p3d_eval.backbones.input_changes import describe_changes
from p3d_eval.backbones.layers import parse_layers
from p3d_eval.backbones.views import CENTRE, View
from p3d_eval.features.decode import decoder_versions
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.schema import LayerPlan
from p3d_eval.provenance import command_line, machine, now, package_versions


def _requests(layers: str) -> dict[str, str]:
    """Return stored name → layer and reduction."""
    return {
        request.name: f"{request.path}:{request.reduction}" if request.reduction else request.path
        for request in parse_layers(layers)
    }


def _clips(sampling: Sampling, views: Sequence[View]) -> dict[str, Any]:
    """Which clips, and which views of them where that is not the centre alone."""
    names = [f"{view.crop}{' mirrored' if view.mirror else ''}" for view in views]
    return sampling.to_json() | ({} if tuple(views) == (CENTRE,) else {"views": names})


def plan_identity(
    backbone: Backbone,
    layers: str,
    clips: tuple[Sampling, Sequence[View]],
    stored: Mapping[str, LayerPlan],
    per_clip: bool,
    decoder: str,
) -> dict[str, Any]:
    """Everything that determines the numbers, besides the videos; ``clips`` is which ones, and how seen."""
    return {
        "backbone": backbone.name,
        "options": dict(backbone.options),
        "weights_sha256": backbone.weights.sha256,
        "input_spec": backbone.input_spec.to_json(),
        "layers": _requests(layers),
        "sampling": _clips(*clips),
        "per_clip": per_clip,
        "precision": backbone.precision,
        "dtype": {name: layer.dtype for name, layer in stored.items()},
        "decoder": decoder_versions(decoder),
    }


def plan_provenance(
    backbone: Backbone, layers: str, clips: tuple[Sampling, Sequence[View]], decoder: str
) -> dict[str, Any]:
    """Tell what a file says of the run that made it, under the names of ``PROVENANCE_KEYS``."""
    return {
        "aslan_layers": list(backbone.aslan_layers),
        "backbone": backbone.name,
        "command": command_line(),
        "created": now(),
        "decoder": decoder_versions(decoder),
        "device": _device_name(backbone.device),
        "input_changes": describe_changes(backbone.own_input, backbone.input_spec, backbone.network.unstated),
        "input_spec": backbone.input_spec.to_json(),
        "machine": machine(),
        "options": dict(backbone.options),
        "precision": backbone.precision,
        "reductions": _requests(layers),
        "sampling": _clips(*clips),
        "trained_on": backbone.trained_on,
        "versions": package_versions(),
        "weights": {
            "source": backbone.weights.source,
            "sha256": backbone.weights.sha256,
            "random": backbone.weights.random,
        },
    }


def _device_name(device: torch.device) -> str:
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
