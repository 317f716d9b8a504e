"""P3D's published files: the port's checkpoints and its arithmetic, Caffe's shapes of before 2014."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.conversion import convert_weights
from p3d_eval.backbones.p3d_checkpoint import read_p3d_caffemodel
from p3d_eval.backbones.runner import Runner
from p3d_eval.errors import UserError
from tests.support.caffemodel import layer, message, net, number_field
from tests.support.published_resnet import BLOCKS, port_state_dict

PORT = {"sum_rule": "port", "pool1": "padded"}


class Port:
    """The port's forward pass written out from its p3d_model.py, one operator after the other."""

    def __init__(self, state):
        self.state = state

    def conv_bn(self, x, conv, bn, stride=1, padding=0):
        run = functional.conv2d if x.ndim == 4 else functional.conv3d
        norm = [self.state[f"{bn}.{leaf}"] for leaf in ("running_mean", "running_var", "weight", "bias")]
        return functional.batch_norm(
            run(x, self.state[f"{conv}.weight"], stride=stride, padding=padding), *norm
        )

    def middle(self, x, prefix, kind):
        s = self.conv_bn(x, f"{prefix}conv2", f"{prefix}bn2", padding=(0, 1, 1)).relu()
        t = self.conv_bn(s if kind in "AC" else x, f"{prefix}conv3", f"{prefix}bn3", padding=(1, 0, 0)).relu()
        return t if kind == "A" else s + t

    def block(self, x, prefix, kind, stride):
        y = self.conv_bn(x, f"{prefix}conv1", f"{prefix}bn1", stride).relu()
        if kind:
            y = self.middle(y, prefix, kind)
        else:
            y = self.conv_bn(y, f"{prefix}conv_normal", f"{prefix}bn_normal", padding=1).relu()
        y = self.conv_bn(y, f"{prefix}conv4", f"{prefix}bn4")
        if f"{prefix}downsample.0.weight" in self.state:
            x = self.conv_bn(x, f"{prefix}downsample.0", f"{prefix}downsample.1", stride)
        return (x + y).relu()

    @torch.inference_mode()
    def __call__(self, x):
        x = self.conv_bn(x, "conv1_custom", "bn1", (1, 2, 2), (0, 3, 3)).relu()
        taps = {"pool1": functional.max_pool3d(x, (2, 3, 3), 2, (0, 1, 1))}
        x, index = taps["pool1"], 0
        for stage, count in enumerate(BLOCKS, start=1):
            for n in range(count):
                kind = "ABC"[index % 3] if stage < 4 else ""
                spatial = 2 if stage > 1 and n == 0 else 1
                x = self.block(x, f"layer{stage}.{n}.", kind, (1, spatial, spatial) if kind else spatial)
                index += 1
            taps[f"layer{stage}"] = x
            if stage < 4:
                x = functional.max_pool3d(x, (2, 1, 1), (2, 1, 1))
            if stage == 3:
                x = x.reshape(-1, *x.shape[1:2], *x.shape[3:])
        logits = functional.linear(x.mean((2, 3)), self.state["fc.weight"], self.state["fc.bias"])
        return {**taps, "fc": logits}


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """State dict in the port's naming, and its file as its training script saved it."""
    state = port_state_dict()
    path = tmp_path_factory.mktemp("port") / "p3d_rgb_63.checkpoint.pth.tar"
    parallel = {f"module.{name}": tensor for name, tensor in state.items()}
    content = {"epoch": 12, "arch": "p3d", "state_dict": parallel, "best_prec1": torch.tensor(0.5)}
    torch.save(content, path, _use_new_zipfile_serialization=False)  # 2017's torch had no other
    return state, path


CLIP = torch.rand(1, 3, 16, 48, 48, generator=torch.Generator().manual_seed(0)) * 255 - 110


def test_the_options_run_the_ports_arithmetic(port):
    state, path = port
    expected = Port(state)(CLIP)
    backbone = load_backbone("p3d63", weights=path, **PORT)
    places = {"pool1": "pool1", "layer1": "res2c", "layer2": "res3d", "layer3": "res4f", "layer4": "res5c"}
    found = backbone.features(CLIP, [f"{there}={here}" for there, here in {**places, "fc": "fc"}.items()])
    for name, tensor in expected.items():
        assert tensor.std() > 0.01
        assert (found[name] - tensor).abs().max() <= 1e-5 * tensor.abs().max(), name
    assert backbone.notices == ()


def test_official_arithmetic_is_the_default_with_a_notice(port):
    _, path = port
    backbone = load_backbone("p3d63", weights=path)
    assert (backbone.options["sum_rule"], backbone.options["pool1"]) == ("official", "ceil")
    (notice,) = backbone.notices
    assert "blocks B and C and pool1 otherwise" in notice
    assert "sum_rule=port" in notice
    small = backbone.with_input(crop=(16, 16), clip_length=2)
    assert notice in Runner(small, "pool1", batch_size=1).notices
    assert notice in load_backbone("p3d63", weights=path, sum_rule="port").notices
    ported = load_backbone("p3d63", weights=path, **PORT)
    ours, theirs = (net.features(CLIP, "fc")["fc"] for net in (backbone, ported))
    assert (ours - theirs).abs().max() > 0.01 * theirs.abs().max()  # it matters


def test_every_tensor_of_the_port_is_accounted_for(port, tmp_path):
    state, path = port
    out = tmp_path / "p3d63.safetensors"
    written = convert_weights(path, "p3d63", out, options=PORT)
    kept = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert len(written.tensors) == len(kept)
    back = load_backbone("p3d63", weights=out)
    assert (back.options["sum_rule"], back.notices) == ("port", ())
    tensors = back.module.state_dict()
    for ours, theirs in (
        ("conv1.weight", "conv1_custom.weight"),
        ("res2b.branch2b_t.weight", "layer1.1.conv3.weight"),
        ("res4f.bn_branch2c.running_var", "layer3.5.bn4.running_var"),
        ("res5a.branch2b.weight", "layer4.0.conv_normal.weight"),
        ("res3a.bn_branch1.bias", "layer2.0.downsample.1.bias"),
    ):
        assert torch.equal(tensors[ours], state[theirs])
    torch.save({**state, "layer1.9.conv1.weight": torch.ones(1)}, tmp_path / "more.pth")
    with pytest.raises(UserError, match=r"1 unexpected \(layer1\.9\.conv1\.weight\)"):
        load_backbone("p3d63", weights=tmp_path / "more.pth")


def test_flow_is_told_by_the_first_convolution(tmp_path):
    path = tmp_path / "p3d_flow.pth.tar"
    torch.save({"state_dict": port_state_dict(channels=2)}, path)
    backbone = load_backbone("p3d63", weights=path)
    assert (backbone.options["modality"], backbone.input_spec.channel_order) == ("flow", "flow")
    with pytest.raises(UserError, match="modality='flow', not 'rgb'"):
        load_backbone("p3d63", weights=path, modality="rgb")


def old_blob(array, sizes):
    """BlobProto without a shape: num, channels, height, width."""
    fields = [number_field(n, size) for n, size in enumerate(sizes, start=1)]
    return b"".join([*fields, message(5, np.ascontiguousarray(array, "<f4").tobytes())])


def test_four_sizes_get_their_time_axis(tmp_path):
    draw = np.random.default_rng(0)
    shapes = {  # Caffe's layer: the sizes in the file, the parameter here
        "conv1": ((4, 3, 7, 7), (4, 3, 1, 7, 7)),
        "res2a_branch1": ((8, 4, 1, 1), (8, 4, 1, 1, 1)),
        "res2a_branch2b": ((4, 4, 3, 3), (4, 4, 1, 3, 3)),
        "res4b35_branch2b_t": ((4, 4, 3, 1), (4, 4, 3, 1, 1)),
        "res3a_branch2b_t": ((4, 4, 1, 3), (4, 4, 3, 1, 1)),
        "res5a_branch2b": ((4, 4, 3, 3), (4, 4, 3, 3)),
        "fc_kinetics": ((1, 1, 5, 8), (5, 8)),
    }
    arrays = {name: draw.normal(size=here).astype(np.float32) for name, (_, here) in shapes.items()}
    blobs = {name: old_blob(arrays[name], sizes) for name, (sizes, _) in shapes.items()}
    layers = [layer(name, "Convolution", [encoded]) for name, encoded in blobs.items()]
    norm = [old_blob(np.arange(4) + n, (1, 4, 1, 1)) for n in range(4)]
    path = tmp_path / "old.caffemodel"
    path.write_bytes(net("P3D", [*layers, layer("bn2a_branch2b_t", "BN", norm)]))
    found = read_p3d_caffemodel(path).tensors
    for name, array in zip(list(found)[: len(arrays)], arrays.values(), strict=True):
        np.testing.assert_array_equal(found[name], array)
    np.testing.assert_array_equal(found["res2a.bn_branch2b_t.running_mean"], np.arange(4) + 2)
