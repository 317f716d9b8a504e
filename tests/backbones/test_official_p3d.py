"""P3D against the official layers run one by one, through the ``.caffemodel`` reader."""

import os
from pathlib import Path

import pytest
import torch

from p3d_eval.backbones import Backbone, InputSpec, Network, WeightsInfo, load_backbone
from p3d_eval.backbones.checkpoint import fill
from p3d_eval.backbones.p3d import P3D
from p3d_eval.backbones.p3d_checkpoint import read_p3d_caffemodel
from tests.support.official_p3d import Official

TOLERANCE = 1e-4  # of the largest reference value


def assert_close(name, found, expected):
    error = (found.reshape(expected.shape) - expected).abs().max()
    assert error <= TOLERANCE * expected.abs().max(), (name, float(error), float(expected.abs().max()))


def random_clip(channels, size, seed=0):
    return torch.rand(1, channels, 16, size, size, generator=torch.Generator().manual_seed(seed)) * 255 - 120


def test_generated_layers_are_the_official_list():
    path = os.environ.get("P3D_EVAL_TEST_P3D_LAYERS")
    if not path:
        pytest.skip("no official layer list: set P3D_EVAL_TEST_P3D_LAYERS to a file of it")
    lines = [line for line in Path(path).read_text().splitlines() if " <- " in line]
    assert [layer.line() for layer in Official().layers] == lines


def test_p3d199_agrees_with_the_official_layers(tmp_path):
    official = Official()
    taps = ("prob", "pool5", "res5c", "res4b35")
    clip = random_clip(3, 160)
    with torch.inference_mode():
        expected = official.run(clip, taps)
    assert all(0.1 < expected[name].std() < 10 for name in taps[1:])
    path = tmp_path / "p3d.caffemodel"
    path.write_bytes(official.caffemodel())
    backbone = load_backbone("p3d199", weights=path)
    assert not backbone.weights.random
    found = backbone.features(clip, taps)
    path.unlink()
    for name in taps:
        assert_close(name, found[name], expected[name])


SHALLOW = (("2a", "2b", "2c"), ("3a", "3b"), ("4a", "4b"), ("5a",))


@pytest.mark.parametrize(
    ("variant", "sum_rule", "channels", "size"),
    [("A", "official", 3, 64), ("B", "official", 2, 48), ("C", "official", 3, 40), ("ABC", "paper", 3, 72)],
)
def test_variants_agree_with_layers_built_by_the_same_rules(tmp_path, variant, sum_rule, channels, size):
    official = Official(SHALLOW, channels, size, variant, halved=sum_rule == "official", classes=7)
    taps = ("prob", "pool5", "res5a", "res4b", "res2c")
    clip = random_clip(channels, size, seed=1)
    with torch.inference_mode():
        expected = official.run(clip, taps)
    path = tmp_path / "p3d.caffemodel"
    path.write_bytes(official.caffemodel())
    names = tuple(tuple(f"res{name}" for name in stage) for stage in SHALLOW)
    with torch.device("meta"):
        module = P3D(names, 7, channels, variant, sum_rule)
    fill(module, read_p3d_caffemodel(path).tensors, str(path))
    order = "flow" if channels == 2 else "BGR"
    spec = InputSpec(16, (size, size), (size, size), (0.0,) * channels, (1.0,) * channels, channel_order=order)
    backbone = Backbone("shallow", Network(module, spec), WeightsInfo("", "", False), torch.device("cpu"))
    found = backbone.features(clip, taps)
    for name in taps:
        assert_close(name, found[name], expected[name])
