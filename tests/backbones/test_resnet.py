"""ResNet on frames: counts, agreement with torchvision, and both kinds of published weights."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.conversion import convert_weights
from p3d_eval.backbones.resnet import RESNET50, RESNET101, RESNET152
from p3d_eval.errors import UserError
from tests.support.caffemodel import blob, layer, net
from tests.support.counting import count_parameters, mult_adds
from tests.support.published_resnet import disturb_batch_norms, torchvision_resnet50
from tests.support.torchvision_operators import import_torchvision

ROUNDING = 1e-5  # of the largest value: the same operators in the same order


def build(architecture, **options):
    with torch.device("meta"):
        return architecture.build(architecture.resolve_options(options), 1000)


@pytest.mark.parametrize(
    ("architecture", "parameters", "torchvision", "paper"),
    [
        # torchvision's documentation of its weights; billions of multiply-adds there and in He et al., Table 1.
        (RESNET50, 25_557_032, 4.089, 3.8),
        (RESNET101, 44_549_160, 7.801, 7.6),
        (RESNET152, 60_192_808, 11.514, 11.3),
    ],
)
def test_parameters_and_mult_adds(architecture, parameters, torchvision, paper):
    module = build(architecture)
    assert count_parameters(module) == parameters
    assert round(mult_adds(module, (1, 3, 1, 224, 224)) / 1e9, 3) == torchvision
    caffe = build(architecture, arrangement="caffe")
    assert count_parameters(caffe) == parameters
    assert abs(mult_adds(caffe, (1, 3, 1, 224, 224)) / 1e9 - paper) < 0.1  # the paper's are rounded


def test_shapes_and_names():
    backbone = load_backbone("resnet50", classes=7)
    expected = {
        "pool1": (64, 56, 56),
        "res3d": (512, 28, 28),
        "res5c": (2048, 7, 7),
        "pool5": (2048,),
        "prob": (7,),
    }
    assert {name: backbone.layers[name] for name in expected} == expected
    assert RESNET152.aslan_layers == ("prob", "pool5", "res5c", "res4b35")
    spec = backbone.input_spec
    assert (spec.clip_length, spec.resize, spec.crop, spec.channel_order) == (16, 256, (224, 224), "RGB")
    caffe = load_backbone("resnet50", classes=7, arrangement="caffe")
    assert (caffe.input_spec.channel_order, caffe.input_spec.value_range) == ("BGR", (0, 255))
    assert caffe.layers["pool1"] == (64, 56, 56)
    with pytest.raises(UserError, match="crop of 16 × 16"):
        backbone.with_input(crop=(16, 16))


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """torchvision's ResNet-50 with disturbed random weights, and its file."""
    path = tmp_path_factory.mktemp("resnet") / "resnet50.pth"
    return torchvision_resnet50(path), path


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= ROUNDING * expected.abs().max()


def test_torchvisions_network_and_file(original):
    model, path = original
    backbone = load_backbone("resnet50", weights=path, frames="all")
    assert backbone.options["arrangement"] == "torchvision"
    clips = torch.randn(2, 3, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    found = backbone.features(clips, "res2c,res5c,pool5,fc,prob")
    taps = {}
    for name, part in (("res2c", model.layer1), ("res5c", model.layer4), ("pool5", model.avgpool)):
        part.register_forward_hook(lambda _m, _i, output, name=name: taps.update({name: output}))
    with torch.inference_mode():
        for n, clip in enumerate(clips):
            logits = model(clip.transpose(0, 1))
            for name, output in taps.items():
                assert_close(found[name][n], output.mean(0).reshape(found[name][n].shape))
            assert_close(found["fc"][n], logits.mean(0))
            assert_close(found["prob"][n], logits.softmax(1).mean(0))


def test_every_tensor_is_accounted_for_and_survives_conversion(original, tmp_path):
    model, path = original
    out = tmp_path / "resnet50.safetensors"
    written = convert_weights(path, "resnet50", out)
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert len(written.tensors) == len(state)
    read, back = (load_backbone("resnet50", weights=file).module.state_dict() for file in (path, out))
    assert list(read) == list(back)
    assert all(torch.equal(read[name], back[name]) for name in read)
    sums = [
        sorted(float(tensor.double().sum()) for name, tensor in found.items() if "num_batches" not in name)
        for found in (back, state)
    ]
    assert sums[0] == sums[1]


def test_timms_network_and_file(tmp_path):
    import_torchvision()  # which timm imports
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = timm.create_model("resnet50", num_classes=4).eval()
    disturb_batch_norms(model)
    path = tmp_path / "model.safetensors"
    save_file(model.state_dict(), path)
    clip = torch.randn(1, 3, 1, 64, 64, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        expected = model(clip[:, :, 0])
    assert_close(load_backbone("resnet50", weights=path).features(clip, "fc")["fc"], expected)


def test_another_depth_is_refused_by_its_tensors(original):
    with pytest.raises(UserError, match=r"resnet50\.pth does not fit: \d+ missing \(res4b6\."):
        load_backbone("resnet101", weights=original[1])


def caffe_file(path, draw):
    """Write the authors' layers with random numbers, and return their tensors by Caffe's names."""
    module = build(RESNET50, arrangement="caffe")
    numbers, layers = {}, []
    for name, parameter in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        values = 0.5 + torch.rand(parameter.shape, generator=draw)
        numbers[name] = (values - 1) * 0.1 if parameter.ndim > 1 else values
    for prefix in dict.fromkeys(name.rpartition(".")[0] for name in numbers):
        block, _, part = prefix.rpartition(".")
        names = [f"{prefix}.{leaf}" for leaf in ("weight", "bias")]
        affine = [blob(numbers[name].numpy()) for name in names if name in numbers]
        if prefix == "fc":
            layers.append(layer("fc1000", "InnerProduct", affine))
        elif "bn_" in prefix:
            place = f"{block[3:]}_{part[3:]}" if block else "_conv1"
            leaves = ("running_mean", "running_var")
            factor = np.array([2.0], np.float32)
            doubled = [blob(2 * numbers[f"{prefix}.{leaf}"].numpy()) for leaf in leaves]
            layers.append(layer(f"bn{place}", "BatchNorm", [*doubled, blob(factor)]))
            layers.append(layer(f"scale{place}", "Scale", affine))
        else:
            name = f"{block}_{part}" if block else "conv1"
            bias = [blob(np.full(64, 0.25, np.float32))] if name == "conv1" else []  # as the authors' ResNet-50
            layers.append(layer(name, "Convolution", affine + bias))
    path.write_bytes(net("ResNet-50", layers))
    return numbers


def test_the_authors_caffe_file(tmp_path):
    path = tmp_path / "ResNet-50-model.caffemodel"
    numbers = caffe_file(path, torch.Generator().manual_seed(3))
    backbone = load_backbone("resnet50", weights=path)
    assert backbone.options["arrangement"] == "caffe"
    state = backbone.module.state_dict()
    for name, expected in numbers.items():
        shift = 0.25 if name == "bn_conv1.running_mean" else 0.0
        torch.testing.assert_close(state[name], expected - shift, rtol=1e-6, atol=1e-6)
    # The stem, written out: convolution with its bias, the two layers of batch norm, pooling that rounds up.
    clip = torch.randn(1, 3, 1, 64, 64, generator=torch.Generator().manual_seed(4))
    x = functional.conv2d(clip[:, :, 0], numbers["conv1.weight"], torch.full((64,), 0.25), 2, 3)
    mean, variance, slope, shift = (
        numbers[f"bn_conv1.{leaf}"].view(1, -1, 1, 1)
        for leaf in ("running_mean", "running_var", "weight", "bias")
    )
    x = ((x - mean) / (variance + 1e-5).sqrt() * slope + shift).clamp(min=0)
    x = functional.max_pool2d(functional.pad(x, (0, 1, 0, 1), value=-torch.inf), 3, 2)
    assert_close(backbone.features(clip, "pool1")["pool1"], x)


def test_no_tensor_is_lost_to_another(original, tmp_path):
    state = {**original[0].state_dict(), "res2a.branch2a.weight": torch.ones(1)}
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(UserError, match=r"1 unexpected \(res2a\.branch2a\.weight again\)"):
        load_backbone("resnet50", weights=tmp_path / "x.pth")
    matrix = blob(np.ones((2, 2048), np.float32))
    path = tmp_path / "x.caffemodel"
    path.write_bytes(net("x", [layer(name, "InnerProduct", [matrix]) for name in ("fc1000", "fc_mine")]))
    with pytest.raises(UserError, match=r"1 unexpected \(fc again\.weight\)"):
        load_backbone("resnet50", weights=path)


def test_caffe_layers_with_missing_blobs_are_named(tmp_path):
    path = tmp_path / "x.caffemodel"
    path.write_bytes(net("x", [layer("bn2a_branch1", "BatchNorm", [blob(np.ones(4, np.float32))])]))
    with pytest.raises(UserError, match="layer 'bn2a_branch1' has 1 blob, expected 3"):
        load_backbone("resnet50", weights=path)
