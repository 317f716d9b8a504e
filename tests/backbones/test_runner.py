"""The rewritten network against the network as written, layer by layer."""

import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from p3d_eval.backbones import Backbone, InputSpec, Network
from p3d_eval.backbones import runner as runner_module
from p3d_eval.backbones.graph.convolution import Convolution, OneDnnConvolution, has_onednn
from p3d_eval.backbones.graph.fusing import fuse
from p3d_eval.backbones.graph.tracing import trace
from p3d_eval.backbones.inception import Inception, Style
from p3d_eval.backbones.layers import parse_layers
from p3d_eval.backbones.p3d import P3D
from p3d_eval.backbones.precision import arithmetic, resolve_precision
from p3d_eval.backbones.runner import Runner, example_batch
from p3d_eval.errors import UnknownNameError, UserError
from tests.support.rewriting import Pieces, assert_same, backbone_of, clips, spec_of, trained
from tests.support.rewriting import pieces as make_pieces

SHALLOW = (("res2a", "res2b", "res2c"), ("res3a", "res3b"), ("res4a",), ("res5a",))
needs_onednn = pytest.mark.skipif(not has_onednn(), reason="torch was built without oneDNN")


logging.getLogger("torch").setLevel(logging.WARNING)  # pytest would collect every step of tracing


@pytest.fixture(scope="module")
def p3d():
    torch.manual_seed(0)
    return backbone_of(trained(P3D(SHALLOW, 7, 3, "ABC", "official")), spec_of(16, 48))


EVERYWHERE = (
    "conv1", "bn_conv1", "pool1", "res2a", "res2a.branch2b_t", "res2a.bn_branch2b_t", "res2b.branch2c",
    "res2c.bn_branch2b", "res2b.branch2a", "res3a.bn_branch1", "res3a.branch1", "res3b:avg", "pool5a",
    "res4a:spatial", "res5a:flat", "pool5", "fc", "prob",
)  # fmt: skip


@pytest.mark.parametrize(
    "layer", ["bn_conv1", "res2a.branch2b_t", "res2c.bn_branch2b", "res3a.branch1", "prob"]
)
def test_layers_inside_what_is_fused_elsewhere(p3d, layer):
    assert_same(Runner(p3d, layer, 2), clips(p3d))


def test_all_layers_of_p3d_in_one_run(p3d):
    runner = Runner(p3d, ",".join(EVERYWHERE), 2)
    assert_same(runner, clips(p3d))
    assert "convolutions fused" in runner.how


@pytest.mark.parametrize(
    ("variant", "rule", "channels"), [("A", "official", 3), ("B", "paper", 2), ("C", "paper", 3)]
)
def test_variants_of_p3d(variant, rule, channels):
    torch.manual_seed(1)
    backbone = backbone_of(trained(P3D(SHALLOW, 5, channels, variant, rule)), spec_of(16, 33, channels))
    assert_same(Runner(backbone, "res2b,res3a,res4a,pool5,prob", 3), clips(backbone, 3))


def test_i3d_with_its_one_sided_padding():
    torch.manual_seed(0)
    backbone = backbone_of(trained(Inception(6, Style())), spec_of(9, 193))
    layers = "conv3d_1a_7x7,conv3d_2c_3x3,mixed_3b.branch_1,mixed_4f:avg,pool5,prob"
    assert_same(Runner(backbone, layers, 1), clips(backbone, 1))


@needs_onednn
@pytest.mark.parametrize("kind", [Convolution, OneDnnConvolution])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_convolutions_of_every_shape(kind, data):
    """Kernel, stride, padding, dilation, groups, bias, batch norm, sum and ReLU, drawn."""
    number = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    kernel = data.draw(st.sampled_from([(1, 1, 1), (1, 3, 3), (3, 1, 1), (3, 3, 3), (2, 1, 1), (1, 2, 3)]))
    stride = tuple(number(1, 2) for _ in range(3))
    padding = tuple(number(0, (k - 1)) for k in kernel)
    groups = data.draw(st.sampled_from([1, 2]))
    torch.manual_seed(number(0, 99))
    convolution = nn.Conv3d(
        4, 6, kernel, stride, padding, dilation=data.draw(st.sampled_from([1, (1, 2, 1), (2, 1, 1)])),
        groups=groups, bias=data.draw(st.booleans()),
    )  # fmt: skip
    norm = nn.BatchNorm3d(6, affine=data.draw(st.booleans())) if data.draw(st.booleans()) else nn.Identity()
    twin = data.draw(st.sampled_from(["none", "conv", "own"]))
    relu = data.draw(st.booleans())

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.norm, self.out = convolution, norm, nn.Identity()
            self.other = nn.Conv3d(4, 6, kernel, stride, padding, dilation=convolution.dilation)

        def forward(self, x):
            y = self.norm(self.convolution(x))
            if twin == "conv":
                y = y + self.other(x)
            elif twin == "own":
                y = y.add_(functional.relu(y))  # what is added is made of the sum's other half
            return self.out(functional.relu_(y) if relu else y)

    backbone = backbone_of(trained(Net()), InputSpec(6, (7, 8), (7, 8), (0.0,) * 3, (1.0,) * 3))
    x = torch.randn(2, 4, 6, 7, 8)
    requests = parse_layers("out")
    rewritten = trace(backbone.module, backbone.modules_of(requests), requests, {"out": 1}, x)
    assert fuse(rewritten, kind) == (2 if twin == "conv" else 1)
    with torch.inference_mode():
        torch.testing.assert_close(rewritten(x)[0], backbone.module(x), rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def pieces():
    return make_pieces()


def test_a_module_that_runs_twice_leaves_its_last_output(pieces):
    found = assert_same(Runner(pieces, "relu,drop,norm,prob", 2), clips(pieces))
    assert torch.equal(found["relu"], found["drop"])


def test_the_network_stops_after_the_last_layer_asked_for(pieces):
    pieces.features(clips(pieces), "bn2,conv,relu,fc")  # counts how often each runs
    for layers in ("relu", "bn2,conv", "fc"):
        pieces.features(clips(pieces), layers)
    after = []
    handle = pieces.module.norm.register_forward_hook(lambda *_: after.append(1))
    pieces.features(clips(pieces), "relu")
    pieces.features(clips(pieces), "bn2,conv")
    assert after == []
    pieces.features(clips(pieces), "fc")
    handle.remove()
    assert after == [1]


@pytest.mark.parametrize(("layers", "bound"), [("prob,fc", 0.02), ("relu,pool:flat", 0.02)])
def test_bf16_is_near_fp32_and_means_and_probabilities_are_float32(pieces, layers, bound):
    """8 bits of mantissa round by 2^-9 = 0.002, a few times in a row."""
    try:
        backbone = pieces.with_precision("bf16")
    except UserError as error:
        pytest.skip(error.message)
    runner = Runner(backbone, layers, 2)
    x = example_batch(backbone, 2)
    found = assert_same(runner, x, bound)
    assert runner.difference == pytest.approx(
        {
            name: float((values[:1] - expected[:1]).abs().max() / expected[:1].abs().max())
            for (name, values), expected in zip(found.items(), pieces.features(x, layers).values(), strict=True)
        },
        rel=1e-3,
    )
    if "prob" in found:
        torch.testing.assert_close(found["prob"].sum(1), torch.ones(2), rtol=0, atol=1e-6)
    written = backbone.features(x, layers)
    for name, values in pieces.features(x, layers).items():
        assert written[name].dtype == torch.float32
        assert 0 < (written[name] - values).abs().max() <= bound * values.abs().max()


def test_the_same_input_gives_the_same_bits(pieces):
    x = clips(pieces, 3)
    first = Runner(pieces, "prob,conv2:flat", 3)
    again = Runner(pieces, "prob,conv2:flat", 3)
    for name, values in first(x).items():
        assert torch.equal(values, first(x)[name])
        assert torch.equal(values, again(x)[name])


def test_the_example_is_a_picture_in_the_range_of_bytes(pieces):
    x = example_batch(pieces, 3)
    assert x.shape == (3, 3, 4, 8, 8)
    assert torch.equal(x[0], x[2])
    assert torch.equal(x, example_batch(pieces, 3))
    assert 0 <= x.min() < 64 < 192 < x.max() <= 255  # the spec leaves bytes as they are


@pytest.mark.parametrize("gain", [1e38, float("inf"), float("nan")])
def test_what_is_not_finite_stays_so(gain):
    torch.manual_seed(0)
    module = trained(Pieces())
    module.conv.weight.data.mul_(gain)
    backbone = backbone_of(module, spec_of(4, 8))
    x = clips(backbone)
    found = Runner(backbone, "relu:flat", 2)(x)["relu:flat"]
    expected = backbone.features(x, "relu:flat")["relu:flat"]
    assert not expected.isfinite().all()
    assert torch.equal(found.isfinite(), expected.isfinite())


@pytest.mark.ci
def test_compiling_gives_the_same_numbers(pieces):
    if not runner_module._cpp_compiler():
        pytest.skip("no C++ compiler")
    runner = Runner(pieces, "relu,prob", 2, "on")
    assert_same(runner, clips(pieces))
    assert runner.how.endswith(", compiled")


def test_wrong_words_are_refused(pieces):
    with pytest.raises(UnknownNameError, match="way to compile 'yes'"):
        Runner(pieces, "prob", 2, "yes")
    with pytest.raises(UnknownNameError, match="unknown precision 'half'"):
        pieces.with_precision("half")
    with pytest.raises(UnknownNameError, match="layer of net"):
        Runner(pieces, "pool9", 2)
    for name in ("tf32", "fp16"):
        with pytest.raises(UserError, match=f"precision {name} needs a GPU"):
            pieces.with_precision(name)


@pytest.mark.parametrize(("precision", "tf32"), [("fp32", False), ("tf32", True), ("bf16", False)])
def test_tf32_is_on_for_tf32_alone_and_cudnn_stays_on(precision, tf32):
    """torch's switches, read inside and after; a build without CUDA has them too."""

    def switches():
        cudnn = torch.backends.cudnn
        return torch.backends.cuda.matmul.allow_tf32, cudnn.allow_tf32, cudnn.enabled, cudnn.benchmark

    before = switches()
    with arithmetic(precision, torch.device("cuda")):
        assert switches() == (tf32, tf32, True, False)
    assert switches() == before


def test_auto_is_the_reference_on_a_cpu(pieces):
    assert resolve_precision("auto", torch.device("cpu")) == "fp32"
    assert pieces.with_precision("auto").precision == "fp32"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(
    ("precision", "bound"), [("fp32", 1e-5), ("tf32", 3e-3), ("bf16", 3e-2), ("fp16", 5e-3)]
)
def test_on_a_gpu(p3d, precision, bound):
    network = Network(p3d.module, p3d.input_spec, random=True)
    backbone = Backbone("net", network, p3d.weights, torch.device("cuda")).with_precision(precision)
    try:
        runner = Runner(backbone, "res3b:avg,pool5,prob", 2, "on")
        x = clips(p3d).cuda()
        assert_same(runner, x, bound)
        assert torch.equal(runner(x)["pool5"], runner(x)["pool5"])
    finally:
        p3d.module.cpu()
