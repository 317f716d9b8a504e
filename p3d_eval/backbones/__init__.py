"""Networks, their weights and their input specification.

The names below are imported when first used: reading an input specification loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from p3d_eval.backbones.backbone import Backbone
    from p3d_eval.backbones.layers import parse_layers
    from p3d_eval.backbones.loading import BACKBONES, load_backbone
    from p3d_eval.backbones.network import Architecture, Network, WeightsInfo
    from p3d_eval.backbones.planes import Planes
    from p3d_eval.backbones.spec import InputSpec
    from p3d_eval.backbones.views import View, views_of

_HOME = {
    "Architecture": "network",
    "BACKBONES": "loading",
    "Backbone": "backbone",
    "InputSpec": "spec",
    "Network": "network",
    "Planes": "planes",
    "View": "views",
    "WeightsInfo": "network",
    "load_backbone": "loading",
    "parse_layers": "layers",
    "views_of": "views",
}

__all__ = [
    "BACKBONES",
    "Architecture",
    "Backbone",
    "InputSpec",
    "Network",
    "Planes",
    "View",
    "WeightsInfo",
    "load_backbone",
    "parse_layers",
    "views_of",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"p3d_eval.backbones.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
