"""P3D's counts, shapes and limits; the numbers are computed from the official prototxt."""

import pytest
import torch
from torch import nn

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.p3d import P3D63, P3D131, P3D199
from p3d_eval.errors import UserError
from tests.support.counting import mult_adds

RGB = P3D199.resolve_options({})
FLOW = P3D199.resolve_options({"modality": "flow"})


def build(architecture, classes, options=RGB):
    with torch.device("meta"):
        return architecture.build(options, classes)


def count(parameters):
    return sum(parameter.numel() for parameter in parameters)


def convolutions(module):
    return [child for child in module.modules() if isinstance(child, nn.Conv2d | nn.Conv3d)]


def batch_norms(module):
    return [child for child in module.modules() if isinstance(child, nn.BatchNorm2d | nn.BatchNorm3d)]


def test_p3d199_has_the_official_layers():
    module = build(P3D199, 487)
    convs = convolutions(module)
    kernels = [conv.kernel_size for conv in convs]
    assert len(convs) == len(batch_norms(module)) == 202
    assert (kernels.count((1, 1, 1)), kernels.count((1, 3, 3)), kernels.count((3, 1, 1))) == (97, 47, 47)
    assert (kernels.count((1, 7, 7)), kernels.count((1, 1)), kernels.count((3, 3))) == (1, 7, 3)
    assert not any(conv.bias is not None for conv in convs)
    assert count(conv.weight for conv in convs) == 65_500_352
    assert count(conv.weight for conv in convs if conv.kernel_size == (3, 1, 1)) == 7_507_968
    assert count(p for norm in batch_norms(module) for p in norm.parameters()) == 172_288
    assert sum(n.running_mean.numel() + n.running_var.numel() for n in batch_norms(module)) == 172_288


def test_blocks_cycle_through_a_b_c():
    kinds = [child.kind for child in build(P3D199, 2).children() if hasattr(child, "kind")]
    assert (kinds.count("A"), kinds.count("B"), kinds.count("C")) == (16, 16, 15)
    assert kinds[:3] == ["A", "B", "C"]
    assert kinds[-1] == "B"


@pytest.mark.parametrize(
    ("architecture", "classes", "options", "parameters"),
    [
        (P3D199, 487, RGB, 66_670_503),
        (P3D199, 400, RGB, 66_492_240),
        (P3D199, 101, RGB, 65_879_589),
        (P3D199, 400, FLOW, 66_489_104),
        (P3D63, 101, RGB, 25_132_581),
        (P3D131, 101, RGB, 47_475_749),
    ],
)
def test_parameters(architecture, classes, options, parameters):
    assert count(build(architecture, classes, options).parameters()) == parameters


def test_p3d63_convolutions():
    module = build(P3D63, 101)
    assert count(conv.weight for conv in convolutions(module)) == 24_868_032
    assert count(c.weight for c in convolutions(module) if c.kernel_size == (3, 1, 1)) == 1_413_120
    assert count(p for norm in batch_norms(module) for p in norm.parameters()) == 57_600


def test_mult_adds_of_a_clip():
    assert mult_adds(build(P3D199, 487), (1, 3, 16, 160, 160)) == 18_403_506_176
    assert round(mult_adds(build(P3D199, 400, FLOW), (1, 2, 16, 160, 160)) / 1e9, 2) == 18.08
    assert round(mult_adds(build(P3D63, 101), (1, 3, 16, 160, 160)) / 1e9, 1) == 8.4  # Table 1's network


@pytest.fixture(scope="module")
def small():
    return load_backbone("p3d63", classes=5)


def test_shapes_axes_and_input_spec(small):
    spec = small.input_spec
    assert (spec.clip_length, spec.resize, spec.crop) == (16, (182, 242), (160, 160))
    assert (spec.mean, spec.channel_order, spec.value_range) == ((104, 117, 123), "BGR", (0, 255))
    expected = {
        "pool1": ((64, 8, 40, 40), "CTHW"),
        "res2c": ((256, 8, 40, 40), "CTHW"),
        "res3d": ((512, 4, 20, 20), "CTHW"),
        "res4f": ((1024, 2, 10, 10), "CTHW"),
        "res5c": ((2048, 5, 5), "CHW"),
        "pool5": ((2048,), "C"),
        "prob": ((5,), "C"),
    }
    assert {name: (small.layers[name], small.axes[name]) for name in expected} == expected
    assert small.aslan_layers == ("prob", "pool5", "res5c", "res4f")


def test_aslan_layers_of_the_deeper_networks():
    assert P3D199.aslan_layers == ("prob", "pool5", "res5c", "res4b35")
    assert P3D131.aslan_layers[-1] == "res4b22"


def test_other_crops_and_lengths_keep_one_frame_at_res5(small):
    for length, crop, left in ((16, 112, 4), (9, 96, 3), (1, 16, 1)):
        found = small.features(torch.zeros(1, 3, length, crop, crop), "res5c,pool5")
        assert found["res5c"].shape == (1, 2048, left, left)
        assert found["pool5"].shape == (1, 2048)
    wide = small.with_input(clip_length=8, crop=(128, 176), resize=(150, 200))
    assert wide.request_shapes("res5c") == {"res5c": ((2048, 4, 6), "CHW")}


@pytest.mark.parametrize("length", [17, 32, 64])
def test_lengths_that_leave_more_frames_are_refused_by_name(small, length):
    with pytest.raises(UserError, match=f"clips of {length} frames"):
        small.with_input(clip_length=length)
    with pytest.raises(UserError, match=f"clips of {length} frames"):
        small.features(torch.zeros(1, 3, length, 32, 32), "prob")
    with pytest.raises(UserError, match=f"clips of {length} frames"):
        load_backbone("p3d63", classes=2, clip_length=length)


def test_a_tiny_crop_is_refused(small):
    with pytest.raises(UserError, match="crop of 8 × 8"):
        small.with_input(crop=(8, 8))


def test_taps_come_after_their_relu(small):
    x = torch.randn(1, 3, 16, 32, 32, generator=torch.Generator().manual_seed(0)) * 50
    found = small.features(x, "res5c,res4f,inner=res4f.bn_branch2c,prob")
    assert found["res5c"].min() == 0
    assert found["res4f"].min() == 0
    assert found["inner"].min() < 0  # a module's own output, before the sum and its ReLU
    assert found["prob"].sum() == pytest.approx(1, abs=1e-5)


def test_random_activations_stay_of_order_one(small):
    x = torch.randn(1, 3, 16, 64, 64, generator=torch.Generator().manual_seed(0)) * 70
    found = small.features(x, "res2a,res3d,res4f,res5c")
    assert all(0.1 < tensor.std() < 10 for tensor in found.values())


def test_unknown_options_are_refused():
    with pytest.raises(UserError, match="unknown value of p3d63's option variant 'D'"):
        load_backbone("p3d63", variant="D")
    with pytest.raises(UserError, match=r"unknown option of p3d63 'varient'"):
        load_backbone("p3d63", varient="A")


def test_seed_decides_random_weights():
    first, again, other = (load_backbone("p3d63", classes=2, seed=seed) for seed in (3, 3, 4))
    assert first.weights.random
    assert first.weights.source == "random (seed 3)"
    assert first.weights.sha256 == again.weights.sha256 != other.weights.sha256
