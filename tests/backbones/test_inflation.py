"""P3D made from a 2-D ResNet: on a clip without motion both are the same network."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from p3d_eval.backbones import BACKBONES, InputSpec, load_backbone
from p3d_eval.backbones.conversion import convert_weights, inflate_weights
from p3d_eval.backbones.inflation import convert_first_convolution
from p3d_eval.backbones.preprocessing import preprocess
from p3d_eval.errors import UserError
from tests.backbones.test_resnet import caffe_file
from tests.support.published_resnet import torchvision_resnet50

SIZE = {"resize": (64, 72), "crop": (64, 64)}
# Of the size that they are resized to: torchvision resizes with antialiasing, P3D without.
FRAMES = torch.randint(0, 256, (2, 1, 64, 72, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
STATIC = FRAMES.expand(-1, 16, -1, -1, -1)
ROUNDING = 2e-5  # of the largest value: the temporal batch norms multiply by √(1+ε)/√(1+ε)


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    path = tmp_path_factory.mktemp("resnet") / "resnet50.pth"
    torchvision_resnet50(path)
    return path


def assert_same_on_static_clips(flat, inflated):
    shallow, deep = (net.with_input(**SIZE) for net in (flat, inflated))
    expected = shallow(STATIC, "res2a,res4f,res5c,pool5,prob")
    found = deep(STATIC, "res2a,res4f,res5c,pool5,prob")
    for name, tensor in expected.items():
        frames = found[name] if found[name].ndim == tensor.ndim else found[name].movedim(2, 0)
        difference = (frames - tensor).abs().max()
        assert difference <= ROUNDING * tensor.abs().max(), (name, float(difference))
    assert expected["prob"].std() > 1e-4


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sum_rule": "port", "variant": "C"},
        pytest.param({"variant": "B"}, marks=pytest.mark.ci),
        pytest.param({"sum_rule": "paper"}, marks=pytest.mark.ci),
    ],
)
def test_inflated_from_torchvision(resnet, tmp_path, options):
    out = tmp_path / "p3d63.safetensors"
    written = inflate_weights(resnet, "p3d63", out, classes=[f"class {n}" for n in range(9)], options=options)
    assert written.trained_on == "ImageNet (2-D), inflated"
    inflated = load_backbone("p3d63", weights=out)
    chosen = {"stride_on": "3x3", "pool1": "padded", "pixel_mean": "torchvision", "modality": "rgb", **options}
    assert chosen.items() <= inflated.options.items()
    assert inflated.classes[8] == "class 8"
    assert_same_on_static_clips(load_backbone("resnet50", weights=resnet), inflated)


@pytest.mark.ci
def test_inflated_from_the_authors_caffe_file_and_from_a_converted_one(tmp_path):
    path, converted = tmp_path / "ResNet-50-model.caffemodel", tmp_path / "resnet50.safetensors"
    caffe_file(path, torch.Generator().manual_seed(0))
    convert_weights(path, "resnet50", converted)
    flat = load_backbone("resnet50", weights=path)
    for source in (path, converted):
        out = tmp_path / f"p3d63 from {source.suffix}.safetensors"
        inflate_weights(source, "p3d63", out)
        inflated = load_backbone("p3d63", weights=out)
        chosen = {"stride_on": "1x1", "pool1": "ceil", "pixel_mean": "caffe"}
        assert chosen.items() <= inflated.options.items()
        assert inflated.input_spec.mean == flat.input_spec.mean
        assert_same_on_static_clips(flat, inflated)
    with pytest.raises(UserError, match="weights of p3d63, not of resnet50"):
        inflate_weights(out, "p3d63", tmp_path / "x.safetensors")


def test_motion_moves_nothing_yet_but_pooling(resnet, tmp_path):
    """Temporal convolutions pass on the middle frame: what one frame shows stays in it until pool1."""
    inflate_weights(resnet, "p3d63", tmp_path / "x.safetensors")
    net = load_backbone("p3d63", weights=tmp_path / "x.safetensors").with_input(**SIZE)
    changed = STATIC.clone()
    changed[:, 15] = 255 - changed[:, 15]
    before, after = (net(clips, "res2c")["res2c"] for clips in (STATIC, changed))
    assert torch.equal(before[:, :, :7], after[:, :, :7])
    assert not torch.equal(before[:, :, 7], after[:, :, 7])


def test_the_official_mean_is_possible_and_right_inside(resnet, tmp_path):
    out = tmp_path / "x.safetensors"
    inflate_weights(resnet, "p3d63", out, options={"pixel_mean": "official"})
    inflated, flat = load_backbone("p3d63", weights=out), load_backbone("resnet50", weights=resnet)
    assert inflated.input_spec.mean == (104, 117, 123)
    found = inflated.with_input(**SIZE)(STATIC, "bn_conv1")["bn_conv1"][:, :, 0]
    expected = flat.with_input(**SIZE)(STATIC, "bn_conv1")["bn_conv1"]
    inside = (..., slice(2, -2), slice(2, -2))
    assert (found - expected)[inside].abs().max() <= ROUNDING * expected.abs().max()


@pytest.mark.parametrize(
    ("backbone", "options", "reason"),
    [
        ("p3d131", {}, r"does not fit: \d+ missing"),
        ("p3d63", {"stride_on": "1x1"}, "has stride_on=3x3, not 1x1"),
        ("p3d63", {"pool1": "ceil"}, "has pool1=padded, not ceil"),
        ("p3d63", {"modality": "flow"}, "has modality=rgb, not flow"),
        ("p3d63", {"variant": "D"}, "unknown value of p3d63's option variant 'D'"),
        ("resnet50", {}, "resnet50 is not made from a 2-D network's weights"),
    ],
)
def test_what_cannot_be_inflated(resnet, tmp_path, backbone, options, reason):
    with pytest.raises(UserError, match=reason):
        inflate_weights(resnet, backbone, tmp_path / "x.safetensors", options=options)
    assert not list(tmp_path.iterdir())


def test_the_hint_names_every_network_that_is_inflated(resnet, tmp_path):
    with pytest.raises(UserError) as caught:
        inflate_weights(resnet, "c3d", tmp_path / "x.safetensors")
    named = {word.strip("(),") for word in caught.value.hint.split()} & set(BACKBONES.names())
    assert named == {name for name in BACKBONES.names() if BACKBONES.load(name).inflate is not None}


def test_a_2d_file_given_to_p3d_says_what_to_do(resnet):
    with pytest.raises(UserError, match="2-D ResNet, not of P3D") as caught:
        load_backbone("p3d63", weights=resnet)
    assert "weights inflate" in caught.value.hint


specs = st.builds(
    lambda order, low, high, mean, std: InputSpec(1, 9, (9, 9), tuple(mean), tuple(std), (low, high), order),
    st.sampled_from(["RGB", "BGR"]),
    st.sampled_from([-1.0, 0.0]),
    st.sampled_from([1.0, 255.0]),
    st.lists(st.floats(-1, 1), min_size=3, max_size=3),
    st.lists(st.floats(0.2, 2), min_size=3, max_size=3),
)


@given(specs, specs, st.integers(0, 99))
def test_a_converted_convolution_gives_the_same_of_the_same_bytes(source, target, seed):
    draw = torch.Generator().manual_seed(seed)
    clips = torch.randint(0, 256, (1, 1, 9, 9, 3), dtype=torch.uint8, generator=draw)
    weight = torch.randn(4, 3, 3, 3, generator=draw, dtype=torch.float64)
    converted, offset = convert_first_convolution(weight, source, target)
    seen, other = (preprocess(clips, spec)[:, :, 0].double() for spec in (source, target))
    expected = functional.conv2d(seen, weight)
    found = functional.conv2d(other, converted) + offset.view(1, -1, 1, 1)
    assert (found - expected).abs().max() <= 1e-5 * max(1.0, float(expected.abs().max()))
