"""torchvision beside a CPU build of torch: its import needs two operators that such a build lacks."""

from types import ModuleType

import pytest
import torch

_MISSING = ("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",)
_MISSING += (_MISSING[0].replace("nms", "qnms", 1),)
_library: list[torch.library.Library] = []  # an operator lives as long as its library


def import_torchvision() -> ModuleType:
    """Import torchvision, declaring ``torchvision::nms`` and ``qnms`` first; skip where it is not installed."""
    if not _library and not hasattr(torch.ops.torchvision, "nms"):
        _library.append(torch.library.Library("torchvision", "DEF"))
        for operator in _MISSING:
            _library[0].define(operator)
    return pytest.importorskip("torchvision")
