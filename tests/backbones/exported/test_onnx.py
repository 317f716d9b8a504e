"""ONNX models against the same network in PyTorch."""

import pytest
import torch
from torch.nn import functional
from typer.testing import CliRunner

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.cost import measure_cost
from p3d_eval.backbones.description import describe_backbone
from p3d_eval.cli import app
from p3d_eval.errors import UserError
from tests.support.exported import Clips, write_onnx

FRAMES = torch.randint(0, 256, (3, 5, 20, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("batch", ["N", 1, 2])
def test_outputs_are_layers(tmp_path, batch):
    backbone = load_backbone(str(write_onnx(tmp_path / "net.onnx", [batch, 3, 5, 16, 32])))
    assert backbone.layers == {"block_maps": (6, 2, 7, 15), "prob": (3,)}
    assert (backbone.classes, backbone.input_spec.clip_length) == (("run", "jump", "wave"), 5)
    x = backbone.preprocess(FRAMES)
    expected = Clips()(x)
    found = backbone.features(x, "block_maps,prob")
    torch.testing.assert_close(found["block_maps"], expected["maps"].detach())
    torch.testing.assert_close(found["prob"], expected["prob"].detach())


@pytest.mark.parametrize("external", [False, True])
def test_weights_that_onnx_runtime_holds_are_counted_in_bytes_alone(tmp_path, external):
    path = write_onnx(tmp_path / "net.onnx", ["N", 3, 5, 16, 32], external=external)
    cost = measure_cost(load_backbone(str(path)), "prob")
    # Which of its numbers are trained, and its multiply-adds, no file of ONNX says.
    assert (cost.parameters, cost.macs) == (None, None)
    held = sum(tensor.numel() for tensor in Clips().state_dict().values())
    assert 4 * held <= cost.model_bytes <= 4 * held + 64  # and a few sizes
    assert describe_backbone(str(path)).parameters is None
    shown = CliRunner().invoke(app, ["backbones", "show", str(path)])
    assert ["parameters", "not", "known"] in [line.split() for line in shown.stdout.splitlines()]


def test_images(tmp_path):
    path = str(write_onnx(tmp_path / "net.onnx", ["N", 3, 16, 32]))
    backbone = load_backbone(path, frames="all")
    module = Clips()
    x = backbone.preprocess(FRAMES)
    frames = x.transpose(1, 2).flatten(0, 1)
    maps = functional.conv2d(frames, module.conv.weight[:, :, 1], module.conv.bias, stride=2).relu()
    expected = maps.detach().unflatten(0, (3, 5)).mean(1)
    torch.testing.assert_close(backbone.features(x, "block_maps")["block_maps"], expected)
    assert backbone.layers["block_maps"] == (6, 7, 15)


def test_lengths_that_go_any_way_are_the_users(tmp_path):
    path = str(write_onnx(tmp_path / "net.onnx", ["N", 3, "T", "H", "W"]))
    with pytest.raises(UserError, match="does not say what its input is: clip_length, crop"):
        load_backbone(path)
    assert load_backbone(path, clip_length=7, crop=16).layers["block_maps"] == (6, 3, 7, 7)


def test_tensors_beside_the_file_are_part_of_its_hash(tmp_path):
    path = write_onnx(tmp_path / "net.onnx", ["N", 3, 5, 16, 32], external=True)
    first = load_backbone(str(path))
    beside = tmp_path / "net.data"
    content = bytearray(beside.read_bytes())
    content[0] ^= 1
    beside.write_bytes(bytes(content))
    assert load_backbone(str(path)).weights.sha256 != first.weights.sha256
    beside.unlink()
    with pytest.raises(UserError, match=r"net\.onnx cannot be loaded"):
        load_backbone(str(path))


def test_tensors_outside_the_folder_are_refused(tmp_path):
    import onnx

    inner = tmp_path / "inner"
    inner.mkdir()
    path = write_onnx(inner / "net.onnx", ["N", 3, 5, 16, 32], external=True)
    (inner / "net.data").rename(tmp_path / "net.data")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        tensor.external_data[0].value = "../net.data"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="cannot be loaded|no file of its folder"):
        load_backbone(str(path))


def test_files_that_are_no_models(tmp_path):
    path = tmp_path / "x.onnx"
    whole = write_onnx(tmp_path / "net.onnx", ["N", 3, 5, 16, 32]).read_bytes()
    for content in (b"", b"no model", whole[:100]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"x\.onnx cannot be loaded"):
            load_backbone(str(path))
