"""Networks for the tests of how a `Runner` rewrites and runs them."""

import torch
from torch import nn

from p3d_eval.backbones import Backbone, InputSpec, Network, WeightsInfo

# Folding moves rounding errors of 6e-8 through some thirty layers, relative to a layer's largest value.
BOUND = 2e-6


def backbone_of(module, spec):
    network = Network(module, spec, random=True)
    return Backbone("net", network, WeightsInfo("", "", random=True), torch.device("cpu"))


def spec_of(frames, size, channels=3):
    order = "flow" if channels == 2 else "RGB"
    return InputSpec(
        frames, (size, size), (size, size), (0.0,) * channels, (1.0,) * channels, channel_order=order
    )


def clips(backbone, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, *backbone.input_spec.input_shape, generator=generator) * 50


def trained(module, seed=0):
    """Give batch norms statistics as training would: none of them 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if hasattr(part, "running_mean"):
            part.running_mean.copy_(torch.randn(part.running_mean.shape, generator=generator) * 0.1)
            part.running_var.copy_(torch.rand(part.running_var.shape, generator=generator) + 0.5)
        if isinstance(part, nn.BatchNorm2d | nn.BatchNorm3d) and part.affine:
            part.bias.data.copy_(torch.randn(part.bias.shape, generator=generator) * 0.1)
    return module.eval()


def assert_same(runner, x, bound=BOUND):
    found = runner(x)
    assert runner.notices == []
    expected = runner.backbone.with_precision("fp32").features(x, runner.layers)
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].shape == values.shape
        assert found[name].dtype == torch.float32
        error = (found[name] - values).abs().max() / values.abs().max()
        assert error <= bound, (name, float(error))
    return found


class Pieces(nn.Module):
    """What graphs must get right beyond convolutions."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm3d(8)
        self.relu = nn.ReLU(inplace=True)  # runs twice
        self.conv2 = nn.Conv3d(8, 8, (1, 3, 3), padding=(0, 1, 1))
        self.bn2 = nn.BatchNorm3d(8)
        self.drop = nn.Dropout(0.5)
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.norm = nn.LayerNorm(8)
        self.fc = nn.Linear(8, 4)
        self.prob = nn.Softmax(1)

    def forward(self, x):
        x = self.relu(self.bn(self.conv(x)))
        x = self.relu(self.bn2(self.conv2(x)).add_(x))
        return self.prob(self.fc(self.norm(self.pool(self.drop(x)).flatten(1))))


def pieces():
    """Make `Pieces` a backbone for clips of 4 frames of 8 × 8."""
    torch.manual_seed(0)
    return backbone_of(trained(Pieces()), spec_of(4, 8))
