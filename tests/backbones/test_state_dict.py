"""State dicts of other projects: what is read, and what is refused without running it."""

import os
import pickle
import zipfile
from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.state_dict import read_state_dict
from p3d_eval.errors import UserError

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


def saved(path, content, **options):
    torch.save(content, path, **options)
    return path


def assert_same(found, expected=TENSORS):
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        TENSORS,
        OrderedDict(TENSORS),
        {"epoch": 3, "arch": "x", "state_dict": OrderedDict(TENSORS), "optimizer": {"lr": [0.1]}},
        {"model_state_dict": {f"module.{name}": tensor for name, tensor in TENSORS.items()}},
        {**TENSORS, "bn.num_batches_tracked": torch.tensor(5)},
        {name: torch.nn.Parameter(tensor) for name, tensor in TENSORS.items()},
    ],
)
def test_the_networks_tensors_are_found(tmp_path, content, zipped):
    path = saved(tmp_path / "x.pth.tar", content, _use_new_zipfile_serialization=zipped)
    assert_same(read_state_dict(path))


def test_foreign_safetensors_are_state_dicts(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path)
    assert_same(read_state_dict(path), {name: TENSORS[name] for name in sorted(TENSORS)})


class Attack:
    """Unpickled freely, this would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path, zipped):
    trap = tmp_path / "trap"
    path = saved(tmp_path / "x.pth", {"w": Attack(trap), **TENSORS}, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"names posix\.mkdir") as caught:
        read_state_dict(path)
    assert "\n" not in caught.value.message
    assert "Nothing in the file was run" in caught.value.hint
    assert not trap.exists()


def test_a_plain_pickle_that_attacks_is_refused_too(tmp_path):
    trap, path = tmp_path / "trap", tmp_path / "x.pt"
    path.write_bytes(pickle.dumps({"w": Attack(trap)}))
    with pytest.raises(UserError, match="not a readable state dict"):
        read_state_dict(path)
    assert not trap.exists()


def test_tensors_that_are_not_in_the_file_are_refused(tmp_path):
    path = saved(tmp_path / "x.pth", {"w": torch.ones(1).expand(10**6, 10**6)})
    assert path.stat().st_size < 10_000
    with pytest.raises(UserError, match="w is not a plain tensor"):
        read_state_dict(path)


def test_compressed_archives_are_refused(tmp_path):
    whole, path = saved(tmp_path / "whole.pth", {"w": torch.zeros(100_000)}), tmp_path / "x.pth"
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    with pytest.raises(UserError, match="unpacks to more than its own size"):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"w": 3}, "w is a int, not a tensor"),
        ({7: torch.ones(1)}, "its key 7 is no name"),
        ({}, "it is an empty dictionary"),
        ([torch.ones(1)], "holds a list"),
        (torch.ones(3), "holds a Tensor"),
        ({"w": torch.ones(2).to_sparse()}, "w is not a plain tensor"),
        ({"w": torch.ones(2, dtype=torch.complex64)}, "w is not a plain tensor"),
    ],
)
def test_other_contents_are_named(tmp_path, content, reason):
    with pytest.raises(UserError, match=reason):
        read_state_dict(saved(tmp_path / "x.pth", content))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html>", "torch.save did not write it"),
        (b"junk", "torch.save did not"),
    ],
)
def test_files_of_other_kinds_are_told_as_such(tmp_path, content, reason):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(UserError, match=f"x.pth is not a readable state dict: {reason}"):
        read_state_dict(tmp_path / "x.pth")


@pytest.mark.parametrize("zipped", [True, False])
def test_every_truncation_is_one_line(tmp_path, zipped):
    whole = saved(tmp_path / "x.pth", TENSORS, _use_new_zipfile_serialization=zipped).read_bytes()
    path = tmp_path / "cut.pth"
    for end in range(0, len(whole) - 1, 29):
        path.write_bytes(whole[:end])
        with pytest.raises(UserError) as caught:
            read_state_dict(path)
        assert "\n" not in caught.value.message


@given(st.binary(max_size=100))
def test_any_bytes_are_a_user_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "x.pth"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_state_dict(path)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["resnet50", "vgg19", "p3d63", "i3d", "s3d"])
def test_every_network_refuses_a_malicious_file(tmp_path, name):
    trap = tmp_path / "trap"
    path = saved(
        tmp_path / "x.pth", {"state_dict": {"conv1.weight": Attack(trap), "fc.weight": torch.ones(2, 2)}}
    )
    with pytest.raises(UserError, match=r"names posix\.mkdir"):
        load_backbone(name, weights=path)
    assert not trap.exists()
