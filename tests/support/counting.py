"""Parameters and multiply-adds of modules on the meta device."""

import torch
from torch import nn


def count_parameters(module):
    """Count trainable numbers."""
    return sum(parameter.numel() for parameter in module.parameters())


def mult_adds(module, shape):
    """Count multiply-adds of convolutions and fully connected layers for an input of ``shape``."""
    total = 0

    def add(child, inputs, output):
        nonlocal total
        total += output.numel() * child.weight[0].numel()

    for child in module.modules():
        if isinstance(child, nn.Conv2d | nn.Conv3d | nn.Linear):
            child.register_forward_hook(add)
    module.eval()(torch.empty(shape, device="meta"))
    return total
