"""A network as a notebook shows it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from p3d_eval.markup import facts, folded, fragment, grid, warnings

if TYPE_CHECKING:
    from p3d_eval.backbones.backbone import Backbone


def backbone_html(backbone: "Backbone") -> str:
    """Show the layers of a network, what it wants to see and where its weights come from, folded."""
    axes = backbone.axes
    layers = [(name, " × ".join(map(str, shape)), axes[name]) for name, shape in backbone.layers.items()]
    wanted = {**asdict(backbone.input_spec), "device": backbone.device, "precision": backbone.precision}
    sources = {
        **asdict(backbone.weights),
        "trained on": backbone.trained_on,
        "classes": len(backbone.classes) or "unknown",
        "options": dict(backbone.options),
    }
    return fragment(
        backbone.name,
        grid(("layer", "shape of a clip's activation", "axes"), layers),
        warnings(["the weights are random"] if backbone.weights.random else []),
        folded("What it wants to see", facts(wanted)),
        folded("Sources", facts(sources)),
    )
