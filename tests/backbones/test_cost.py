"""Parameters, bytes and multiply-adds, counted by hand and against the figures of the networks' authors."""

import pytest
import torch
from torch import nn

from p3d_eval.backbones import Backbone, InputSpec, Network, WeightsInfo, load_backbone
from p3d_eval.backbones.cost import measure_cost

SPEC = InputSpec(4, (8, 8), (8, 8), (0.0,) * 3, (1.0,) * 3)


def backbone_of(module):
    return Backbone("own", Network(module, SPEC), WeightsInfo("none", "", True), torch.device("cpu"))


@pytest.mark.parametrize(
    ("name", "parameters", "billions"),
    [
        # Computed from the authors' prototxt (Sports-1M: 487 classes): 66,670,503 and 18.40 G.
        ("p3d199", 66_670_503, 18.40),
        # P3D-63 with 101 classes has 25,132,581; 487 have 386 × (2048 + 1) more. 8.4 G: Table 1's network.
        ("p3d63", 25_132_581 + 386 * 2049, 8.44),
    ],
)
def test_figures_of_the_papers_networks(name, parameters, billions):
    found = measure_cost(load_backbone(name), "prob")
    assert found.parameters == parameters
    assert found.macs / 1e9 == pytest.approx(billions, abs=0.005)
    assert found.flops == 2 * found.macs


def test_counted_by_hand():
    convolution = nn.Conv3d(3, 5, (2, 3, 3), padding=(0, 1, 1))
    module = nn.Sequential(
        convolution, nn.BatchNorm3d(5), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(5, 7)
    )
    found = measure_cost(backbone_of(module), "4")
    trained = 5 * 3 * 18 + 5 + 2 * 5 + 5 * 7 + 7
    assert found.parameters == trained
    assert found.model_bytes == 4 * (trained + 2 * 5) + 8  # running mean and variance, and a count of int64
    outputs = 5 * 3 * 8 * 8
    assert found.macs == outputs * 3 * 18 + 5 * 7


def test_what_comes_after_the_layer_is_not_counted():
    module = nn.Sequential(nn.Conv3d(3, 5, 1), nn.Conv3d(5, 9, 1))
    pixels = 4 * 8 * 8
    assert measure_cost(backbone_of(module), "0").macs == pixels * 3 * 5
    assert measure_cost(backbone_of(module), "1").macs == pixels * (3 * 5 + 5 * 9)


class _OnNumbers(nn.Module):
    """Cannot run on shapes alone, and only says so after its first convolution."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv3d(3, 5, 1), nn.Conv3d(5, 9, 1)

    def forward(self, x):
        x = self.first(x)
        return self.second(x + float(x.abs().max().item() > -1))


def test_a_network_that_needs_numbers_is_counted_once():
    assert measure_cost(backbone_of(_OnNumbers()), "second").macs == 4 * 8 * 8 * (3 * 5 + 5 * 9)


def test_a_network_without_arithmetic_that_torch_sees():
    found = measure_cost(backbone_of(nn.Sequential(nn.Flatten())), "0")
    assert (found.parameters, found.macs, found.flops) == (0, None, None)


def test_a_network_of_images_is_counted_for_the_frames_that_it_sees():
    # ResNet-50 at 224 × 224: 4.09 G in torchvision's list of weights ("GFLOPS", one multiply-add counted once).
    centre = measure_cost(load_backbone("resnet50"), "prob")
    assert centre.macs / 1e9 == pytest.approx(4.09, abs=0.005)
    assert measure_cost(load_backbone("resnet50", frames="all"), "prob").macs == 16 * centre.macs
