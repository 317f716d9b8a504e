"""S3D and its relatives: against torchvision's S3D, against plain recomputations, and counted by hand.

Tables and rules are those of the S3D paper and of its authors' code (tensorflow/models, research/slim/nets:
s3dg.py, i3d_utils.py); torchvision's numbers are those that it states beside its weights.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from p3d_eval.backbones import BACKBONES, load_backbone
from p3d_eval.backbones.inception import MaxPool, Style
from p3d_eval.backbones.inception_input import check_clip
from p3d_eval.errors import UserError
from tests.backbones.test_i3d import WIDTHS, pad_same
from tests.support.counting import count_parameters, mult_adds

STAGES = ("conv3d_1a_7x7", "conv3d_2c_3x3", *(f"mixed_{name}" for name in WIDTHS))
TV_OPTIONS = {"arrangement": "torchvision"}


def build(name, classes=400, **options):
    architecture = BACKBONES.load(name)
    with torch.device("meta"):
        return architecture.build(architecture.resolve_options(options), classes)


def widths(name):
    return [int(word) for word in WIDTHS[name].split()]


def by_hand(sees_time, first, split, split_first, frames=16, pixels=224, classes=400):
    """Kernels' numbers and mult-adds of a network, from the paper's table alone; no biases, norms or gates."""
    kernels = adds = 0
    t, side = frames // 2, pixels // 2

    def convolution(channels, out, k, area):
        nonlocal kernels, adds
        kernels += channels * out * k
        adds += channels * out * k * area

    def through_time(stage, channels, out, time, size, is_split, area, area_before):
        if sees_time(stage) and is_split:
            convolution(channels, out, size * size, area_before)
            convolution(out, out, time, area)
        else:
            convolution(channels, out, size * size * (time if sees_time(stage) else 1), area)

    area = t * side * side
    through_time("conv3d_1a_7x7", 3, 64, first, 7, split_first, area, 2 * area)
    area //= 4
    convolution(64, 64, 1, area)
    through_time("conv3d_2c_3x3", 64, 192, 3, 3, split, area, area)
    area //= 4
    channels = 192
    for name in WIDTHS:
        area //= {"4b": 8, "5b": 8}.get(name, 1)
        a, b, c, d, e, f = widths(name)
        for out in (a, b, d, f):
            convolution(channels, out, 1, area)
        for inner, out in ((b, c), (d, e)):
            through_time(f"mixed_{name}", inner, out, 3, 3, split, area, area)
        channels = a + c + e + f
    return kernels + channels * classes, adds + channels * classes


@pytest.mark.parametrize(
    ("name", "options", "sees_time", "first", "split", "split_first"),
    [
        ("i3d", {}, STAGES, 7, False, False),
        ("i2d", {}, (), 7, False, False),
        ("top-heavy-i3d", {"temporal": "from-mixed_5b"}, STAGES[-2:], 7, False, False),
        ("bottom-heavy-i3d", {"temporal": "to-mixed_3b"}, STAGES[:3], 7, False, False),
        ("s3d", {}, STAGES, 7, True, False),
        ("s3d", {"arrangement": "slim"}, STAGES, 3, True, False),
        ("s3d", TV_OPTIONS, STAGES, 7, True, True),
        ("fast-s3d", {}, STAGES[-2:], 7, True, False),
    ],
)
def test_kernels_and_mult_adds_are_those_of_the_table(name, options, sees_time, first, split, split_first):
    module = build(name, **options)
    kernels, adds = by_hand(lambda stage: stage in sees_time, first, split, split_first)
    weights = [m.weight for m in module.modules() if isinstance(m, nn.Conv3d | nn.Linear)]
    assert sum(weight.numel() for weight in weights) == kernels
    assert mult_adds(module, (1, 3, 16, 224, 224)) == adds


def test_torchvisions_own_counts():
    module = build("s3d", **TV_OPTIONS)
    assert (
        count_parameters(module) == count_parameters(build("s3d", arrangement="kylemin")) == 8_320_048
    )  # "num_params"
    assert round(mult_adds(module, (1, 3, 16, 224, 224)) / 1e9, 3) == 17.979  # "_ops", for 16 frames of 224


def test_gates_add_a_matrix_for_each_gated_convolution():
    squares = {"published": 192**2 + 192, "slim": 192**2}
    for name in WIDTHS:
        a, _, c, _, e, f = widths(name)
        squares["published"] += c * c + c + e * e + e  # after the temporal convolutions, with biases
        squares["slim"] += a * a + c * c + e * e + f * f  # after every branch, without
    for arrangement, added in squares.items():
        options = {"arrangement": arrangement}
        assert count_parameters(build("s3d-g", **options)) - count_parameters(build("s3d", **options)) == added


@pytest.mark.parametrize("name", ["i2d", "bottom-heavy-i3d", "top-heavy-i3d", "s3d", "s3d-g", "fast-s3d"])
def test_layers_of_every_network_are_those_of_i3d(name, monkeypatch):
    monkeypatch.setattr("p3d_eval.backbones.inception.Inception.reset_parameters", lambda self: None)
    backbone = load_backbone(name)
    shapes = backbone.with_input(clip_length=64).layers
    assert shapes["conv3d_1a_7x7"] == (64, 32, 112, 112)
    assert (shapes["conv3d_2c_3x3"], shapes["mixed_3c"]) == ((192, 32, 56, 56), (480, 32, 28, 28))
    assert (shapes["mixed_4f"], shapes["mixed_5c"]) == ((832, 16, 14, 14), (1024, 8, 7, 7))
    assert (shapes["pool5"], shapes["prob"]) == ((1024,), (400,))
    assert backbone.aslan_layers == ("prob", "pool5", "mixed_5c", "mixed_4f")
    with pytest.raises(UserError, match="clips of 8 frames: 1 would be left at mixed_5c"):
        backbone.with_input(clip_length=8)
    with pytest.raises(UserError, match="crop of 160 × 160"):
        backbone.with_input(crop=(160, 160))


def test_limits_of_the_ports(monkeypatch):
    monkeypatch.setattr("p3d_eval.backbones.inception.Inception.reset_parameters", lambda self: None)
    torchvision, kylemin = (load_backbone("s3d", arrangement=name) for name in ("torchvision", "kylemin"))
    spec = torchvision.input_spec
    assert (spec.resize, spec.crop, spec.value_range) == ((256, 256), (224, 224), (0, 1))
    assert (spec.mean, spec.std) == ((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
    assert (kylemin.input_spec.resize, kylemin.input_spec.value_range) == (256, (-1, 1))
    for backbone in (torchvision, kylemin):
        assert backbone.with_input(clip_length=13).layers["mixed_5c"] == (1024, 2, 7, 7)
        with pytest.raises(UserError, match="clips of 12 frames") as caught:
            backbone.with_input(clip_length=12)
        assert "at least 13" in caught.value.hint
    assert torchvision.with_input(crop=(209, 209)).layers["mixed_5c"][2:] == (7, 7)
    with pytest.raises(UserError, match="crop of 208 × 208"):
        torchvision.with_input(crop=(208, 208))
    assert kylemin.with_input(crop=(17, 33)).layers["mixed_5c"] == (1024, 2, 1, 1)
    with pytest.raises(UserError, match="crop of 16 × 33"):
        kylemin.with_input(crop=(16, 33))


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from(["same", "symmetric"]))
def test_what_is_refused_is_what_does_not_come_through(frames, pixels, padding):
    """The shapes that real poolings with the strides of the five stages give decide."""
    x = torch.empty(1, 1, frames, pixels, pixels, device="meta")
    try:
        for kernel, stride in (
            ((7, 7, 7), (2, 2, 2)),
            ((1, 3, 3), (1, 2, 2)),
            ((1, 3, 3), (1, 2, 2)),
            ((3, 3, 3), (2, 2, 2)),
            ((2, 2, 2), (2, 2, 2)),
        ):
            x = MaxPool(kernel, stride, padding)(x)
        enough = x.shape[2] >= 2 and x.shape[3] >= 7
    except RuntimeError:  # nothing is left
        enough = False
    try:
        check_clip("S3D", Style(pool_padding=padding), (3, frames, pixels, pixels))
        taken = True
    except UserError:
        taken = False
    assert taken == enough


def plain(x, weight, stride, tensors, place):
    """Pad as TensorFlow does, convolve, normalise or add the bias, ReLU."""
    y = functional.conv3d(pad_same(x, weight.shape[2:], stride, 0), weight, stride=stride)
    shape = (1, -1, 1, 1, 1)
    if f"{place}.conv.bias" in tensors:
        return (y + tensors[f"{place}.conv.bias"].view(shape)).clamp(min=0)
    mean, var, shift = (
        tensors[f"{place}.bn.{leaf}"].view(shape) for leaf in ("running_mean", "running_var", "bias")
    )
    return ((y - mean) / (var + 1e-3).sqrt() + shift).clamp(min=0)


def gated(x, tensors, place):
    """Multiply each channel by the sigmoid of a weighted sum of all channels' means."""
    means = x.flatten(2).mean(2)
    scores = means @ tensors[f"{place}.gate.excite.weight"].T + tensors.get(f"{place}.gate.excite.bias", 0)
    return x / (1 + torch.exp(-scores)).view(*scores.shape, 1, 1, 1)


class Recomputation:
    """S3D-G written out with names of parameters as its only link to the package."""

    def __init__(self, tensors, arrangement):
        self.tensors, self.arrangement = tensors, arrangement

    def unit(self, x, place, stride=(1, 1, 1)):
        return plain(x, self.tensors[f"{place}.conv.weight"], stride, self.tensors, place)

    def separable(self, x, place):
        x = self.unit(self.unit(x, f"{place}.spatial"), f"{place}.temporal")
        return gated(x, self.tensors, place)  # in both arrangements: 2c and two branches end in one of these

    def point(self, x, place):
        if self.arrangement == "published":
            return self.unit(x, place)
        return gated(self.unit(x, f"{place}.unit"), self.tensors, place)

    def __call__(self, x):
        def pool(x, kernel, stride):
            return functional.max_pool3d(pad_same(x, kernel, stride, -torch.inf), kernel, stride)

        x = self.unit(x, "conv3d_1a_7x7", (2, 2, 2))
        x = self.unit(pool(x, (1, 3, 3), (1, 2, 2)), "conv3d_2b_1x1")
        x = self.separable(x, "conv3d_2c_3x3")
        for name in WIDTHS:
            if name in ("3b", "4b", "5b"):
                kernel = {"3b": (1, 3, 3), "4b": (3, 3, 3), "5b": (2, 2, 2)}[name]
                x = pool(x, kernel, (1, 2, 2) if name == "3b" else (2, 2, 2))
            at = f"mixed_{name}"
            outs = [self.point(x, f"{at}.branch_0.conv3d_0a_1x1")]
            for branch in ("branch_1", "branch_2"):
                y = self.unit(x, f"{at}.{branch}.conv3d_0a_1x1")
                outs.append(self.separable(y, f"{at}.{branch}.conv3d_0b_3x3"))
            outs.append(self.point(pool(x, (3, 3, 3), (1, 1, 1)), f"{at}.branch_3.conv3d_0b_1x1"))
            x = torch.cat(outs, 1)
        means = functional.avg_pool3d(x, (2, 7, 7), 1).mean((2, 3, 4))
        return x, means @ self.tensors["logits.weight"].T + self.tensors["logits.bias"]


@pytest.mark.parametrize("arrangement", ["published", "slim"])
def test_s3d_g_agrees_with_a_plain_recomputation(arrangement):
    backbone = load_backbone("s3d-g", classes=5, arrangement=arrangement, seed=1)
    generator = torch.Generator().manual_seed(2)
    for name, tensor in backbone.module.state_dict().items():
        if name.endswith(("running_mean", "bias")):
            tensor.normal_(0, 0.1, generator=generator)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5, generator=generator)
        elif "gate" in name or "temporal.conv" in name:
            # Not more: scores of gates in the hundreds would turn rounding into differences.
            tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.3 * tensor[0].numel() ** -0.5)
    x = torch.rand(1, 3, 9, 193, 193, generator=generator) * 2 - 1
    with torch.inference_mode():
        mixed, logits = Recomputation(backbone.module.state_dict(), arrangement)(x)
    assert 0.1 < mixed.std() < 100
    found = backbone.features(x, "mixed_5c,logits")
    for ours, expected in ((found["mixed_5c"], mixed), (found["logits"], logits)):
        torch.testing.assert_close(ours, expected, rtol=0, atol=3e-5 * expected.abs().max().item())


@pytest.mark.parametrize("arrangement", ["published", "slim"])
def test_drawn_gates_keep_activations_of_order_one(arrangement):
    backbone = load_backbone("s3d-g", classes=3, arrangement=arrangement)
    x = torch.rand(1, 3, 9, 193, 193, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found = backbone.features(x, "conv3d_1a_7x7,mixed_3c,mixed_4f,mixed_5c")
    assert all(0.1 < values.std() < 10 for values in found.values())


def test_a_slim_temporal_convolution_begins_as_the_identity():
    """The authors' center_initializer: S3D starts as the network without time."""
    backbone = load_backbone("s3d", classes=3, arrangement="slim", seed=3)
    kernel = backbone.module.state_dict()["mixed_4b.branch_1.conv3d_0b_3x3.temporal.conv.weight"]
    assert torch.equal(kernel[:, :, 1, 0, 0], torch.eye(208))
    assert not kernel[:, :, ::2].any()


def test_a_network_without_time_sees_no_neighbour():
    """I2D before its first pooling over time: a frame's features are those of the frame alone."""
    backbone = load_backbone("i2d", classes=2)
    x = torch.rand(1, 3, 16, 193, 193, generator=torch.Generator().manual_seed(0))
    other = x.clone()
    other[:, :, 7:] = torch.rand(other[:, :, 7:].shape, generator=torch.Generator().manual_seed(1))
    first, second = (backbone.features(clip, "conv3d_2c_3x3")["conv3d_2c_3x3"] for clip in (x, other))
    assert torch.equal(first[:, :, :4], second[:, :, :4])  # frames 0, 2, 4, 6: every other one is seen
    assert (first[:, :, 4:] != second[:, :, 4:]).any((0, 1, 3, 4)).all()
