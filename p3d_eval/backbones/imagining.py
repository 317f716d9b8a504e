"""A run of a network without values: what its layers look like, before anything is computed."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import torch
from torch import nn

from p3d_eval.errors import FOREIGN_FAILURES, UserError, one_line

T = TypeVar("T")
CLIPS = 2  # not one, so that an output whose first axis is 1 for other reasons is no layer


class Loaded(Protocol):
    """What `imagine` has to know of a backbone."""

    name: str
    module: nn.Module
    device: torch.device


@torch.inference_mode()
def imagine(backbone: Loaded, shape: tuple[int, ...], look: Callable[[Callable[[], Any]], T]) -> T:
    """Look at a run on `CLIPS` clips without values; on zeros where the network needs values.

    Parameters
    ----------
    backbone : Backbone
        The network.
    shape : tuple of int
        The clip: C, T, H, W.
    look : callable
        Takes a function that runs the network, calls it, and returns what it saw.

    Raises
    ------
    UserError
        When the network cannot run on such a clip.
    """
    module = backbone.module
    state = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    blank = {key: torch.empty_like(tensor, device="meta") for key, tensor in state.items()}
    try:
        return look(
            lambda: torch.func.functional_call(module, blank, torch.empty((CLIPS, *shape), device="meta"))
        )
    except UserError:
        raise
    except FOREIGN_FAILURES:  # operators without a shape rule, tensors hidden from the module, …
        return _on_zeros(backbone, shape, look)


def _on_zeros(backbone: Loaded, shape: tuple[int, ...], look: Callable[[Callable[[], Any]], T]) -> T:
    try:
        return look(lambda: backbone.module(torch.zeros((CLIPS, *shape), device=backbone.device)))
    except UserError:
        raise
    except FOREIGN_FAILURES as error:
        size = " × ".join(map(str, shape))
        raise UserError(
            f"{backbone.name}: the network fails on a clip of {size} (C × T × H × W): {one_line(error)}",
            "Give it the clip length and the crop that it was built for; --debug shows where it fails",
        ) from error
