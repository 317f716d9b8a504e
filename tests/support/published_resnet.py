"""Random weights in the shape of published files: torchvision's ResNets, and the PyTorch port of P3D."""

import torch
from torch import nn

from tests.support.torchvision_operators import import_torchvision


def disturb_batch_norms(model, seed=0):
    """Give batch norms numbers of their own, under which activations stay of order one."""
    draw = torch.Generator().manual_seed(seed)
    for name, part in model.named_modules():
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d):
            last = name.endswith("bn3")  # a residual branch at full size would double the variance
            nn.init.uniform_(part.weight, 0.1, 0.3 if last else 1.2, generator=draw)
            nn.init.uniform_(part.bias, -0.2, 0.2, generator=draw)
            nn.init.uniform_(part.running_mean, -0.2, 0.2, generator=draw)
            nn.init.uniform_(part.running_var, 0.5, 1.5, generator=draw)


def torchvision_resnet50(path, classes=9):
    """torchvision's ResNet-50 with disturbed random weights, its state dict saved at ``path``."""
    torch.manual_seed(1)
    model = import_torchvision().models.resnet50(num_classes=classes).eval()
    disturb_batch_norms(model)
    torch.save(model.state_dict(), path)
    return model


BLOCKS = (3, 4, 6, 3)  # of P3D-63
WIDTHS = (64, 128, 256, 512)


def port_state_dict(classes=5, channels=3, seed=0):
    """Random state dict of P3D-63 under the names of qijiezhao/pseudo-3d-pytorch's p3d_model.py."""
    draw = torch.Generator().manual_seed(seed)
    state = {}

    def conv(name, out, *kernel):
        fan_in = torch.Size(kernel).numel()
        state[f"{name}.weight"] = torch.randn(out, *kernel, generator=draw) * (2 / fan_in) ** 0.5

    def norm(name, width, gain=1.0):
        rows = torch.rand(4, width, generator=draw)
        state[f"{name}.weight"], state[f"{name}.bias"] = gain * (0.5 + rows[0]), 0.4 * rows[1] - 0.2
        state[f"{name}.running_mean"], state[f"{name}.running_var"] = 0.4 * rows[2] - 0.2, 0.5 + rows[3]
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    conv("conv1_custom", 64, channels, 1, 7, 7)
    norm("bn1", 64, 0.01)
    inner = 64
    for stage, (count, width) in enumerate(zip(BLOCKS, WIDTHS, strict=True), start=1):
        point = (1, 1, 1)[: 2 if stage == 4 else 3]
        for block in range(count):
            prefix = f"layer{stage}.{block}."
            conv(f"{prefix}conv1", width, inner, *point)
            norm(f"{prefix}bn1", width)
            if stage == 4:
                conv(f"{prefix}conv_normal", width, width, 3, 3)
                norm(f"{prefix}bn_normal", width)
            else:
                conv(f"{prefix}conv2", width, width, 1, 3, 3)
                norm(f"{prefix}bn2", width)
                conv(f"{prefix}conv3", width, width, 3, 1, 1)
                norm(f"{prefix}bn3", width)
            conv(f"{prefix}conv4", 4 * width, width, *point)
            norm(f"{prefix}bn4", 4 * width, 0.2)
            if block == 0:
                conv(f"{prefix}downsample.0", 4 * width, inner, *point)
                norm(f"{prefix}downsample.1", 4 * width)
            inner = 4 * width
    state["fc.weight"] = torch.randn(classes, inner, generator=draw) * 0.02
    state["fc.bias"] = torch.randn(classes, generator=draw) * 0.1
    return state
