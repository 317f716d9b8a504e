"""torchvision beside a torch that it was not built for.

The registry's torchvision is built for CUDA. Beside a CPU build of torch its binary part does not load,
and its import fails because two operators are missing that only detectors use. Declared here, they let all the
rest run, which is plain Python.
"""

import sys
from importlib import import_module
from types import ModuleType

import pytest
import torch

_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_libraries: list[torch.library.Library] = []  # an operator lives as long as its library


def import_torchvision() -> ModuleType:
    """Import torchvision, the two operators declared where it needs them; skip where it is not installed."""
    try:
        return pytest.importorskip("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # half imported
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in _OPERATORS:
            library.define(name + _SIGNATURE)
        _libraries.append(library)
        return import_module("torchvision")
