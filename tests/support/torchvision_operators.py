"""torchvision beside a torch that it was not built for.

The registry's torchvision is built for CUDA. Beside a CPU build of torch its binary part does not load,
and its import fails because two operators are missing that only detectors use. Declared here, they let all the
rest run, which is plain Python.
"""

import importlib
import sys
from functools import cache

import torch

_OPERATORS = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@cache
def declare_operators() -> torch.library.Library | None:
    """Make ``import torchvision`` work; returns what keeps the declarations alive, if any are needed."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # half imported
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in _OPERATORS:
            library.define(name + _SIGNATURE)
        importlib.import_module("torchvision")
        return library
    return None
