"""``p3d-eval backbones`` and ``p3d-eval weights`` as typed."""

import json

import pytest
import torch
from typer.testing import CliRunner

from p3d_eval.backbones.description import describe_backbone
from p3d_eval.cli import app
from tests.backbones.test_i3d import pickled_checkpoint
from tests.support.published_resnet import port_state_dict, torchvision_resnet50


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_listing():
    found = json.loads(run("backbones", "--json").stdout)
    assert [row["name"] for row in found][:5] == ["p3d199", "p3d131", "p3d63", "c3d", "i3d"]
    assert "p3d199" in run("backbones").stdout


def test_show_tells_input_and_layers():
    result = run("backbones", "show", "p3d199", "--option", "modality=flow", "--json")
    found = json.loads(result.stdout)
    assert found["input_spec"]["channel_order"] == "flow"
    assert found["layers"]["res4b35"] == {"shape": [1024, 2, 10, 10], "axes": "CTHW"}
    assert found["aslan_layers"] == ["prob", "pool5", "res5c", "res4b35"]
    assert "1024 × 2 × 10 × 10" in run("backbones", "show", "p3d199").stdout
    assert run("backbones", "show", "p3d1999").exit_code == 2
    assert run("backbones", "show", "p3d199", "--option", "modality").exit_code == 2


def test_describing_a_factory(tmp_path):
    (tmp_path / "f.py").write_text(
        "from torch import nn\n"
        "from p3d_eval.backbones import InputSpec, Network\n"
        "def make(k='2'):\n"
        "    spec = InputSpec(1, (4, 4), (4, 4), (0.,) * 3, (1.,) * 3)\n"
        "    return Network(nn.Sequential(nn.Conv3d(3, int(k), 1)), spec)\n"
    )
    described = describe_backbone(f"{tmp_path / 'f.py'}:make", {"k": "5"})
    assert described.layers == {"0": ((5, 1, 4, 4), "CTHW")}
    assert described.parameters == 20


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("i3d") / "x.ckpt"
    path.write_bytes(pickled_checkpoint())
    return path


def test_convert_then_show(checkpoint, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("\n".join("abcdefg") + "\n")
    out = tmp_path / "i3d.safetensors"
    words = ("weights", "convert", checkpoint, "--backbone", "i3d", "--out", out, "--classes", names)
    result = run(*words, "--trained-on", "nothing")
    assert result.exit_code == 0, result.output
    assert "230 tensors of i3d, 7 class names" in result.stdout
    assert run(*words).exit_code == 2  # exists
    assert run(*words, "--overwrite", "--quiet").stdout == ""
    shown = json.loads(run("weights", "show", out, "--json").stdout)
    assert (shown["architecture"], shown["classes"]) == ("i3d", list("abcdefg"))
    assert shown["shapes"]["logits.weight"] == [7, 1024]
    assert "64 × 3 × 7 × 7 × 7" in run("weights", "show", out).stdout


def test_one_of_a_kind_is_said_in_the_singular(tmp_path):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "one.pth")
    assert "\n1 tensor\n" in run("weights", "show", tmp_path / "one.pth").stdout.replace(" \n", "\n")
    refused = run("check-backbone", "c3d", "--clip-length", 1).stderr
    assert "C3D cannot take clips of 1 frame: " in refused
    refused = run("check-backbone", "i3d", "--clip-length", 1).stderr
    assert "I3D cannot take clips of 1 frame: 1 would be left" in refused


def test_mistakes_exit_with_two(checkpoint, tmp_path):
    assert run("weights", "show", tmp_path / "absent.ckpt").exit_code == 2
    out = tmp_path / "x.safetensors"
    assert run("weights", "convert", checkpoint, "--backbone", "p3d199", "--out", out).exit_code == 2
    assert run("weights", "fetch", "c3d").exit_code == 2
    assert not out.exists()


def test_fetch_says_when_it_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path))
    path = tmp_path / "weights" / "i3d-kinetics-400.safetensors"
    path.parent.mkdir()
    path.touch()
    result = run("weights", "fetch", "i3d")
    assert result.exit_code == 0
    assert result.stdout.strip() == str(path)
    assert "is already there" in result.stderr
    assert run("weights", "fetch", "i3d", "--quiet").stderr == ""


def test_layers_are_listed_by_pattern():
    result = run("backbones", "show", "p3d63", "--layers", "res5c*", "--json")
    found = json.loads(result.stdout)["layers"]
    assert found["res5c"] == {"shape": [2048, 5, 5], "axes": "CHW"}
    assert "res5c.branch2b" in found
    assert all(name.startswith("res5c") for name in found)
    missing = run("backbones", "show", "p3d63", "--layers", "res9*")
    assert (missing.exit_code, "no layer matches 'res9*'" in missing.stderr) == (2, True)


def test_inflate(tmp_path):
    path, out = tmp_path / "resnet50.pth", tmp_path / "p3d63.safetensors"
    torchvision_resnet50(path, classes=3)
    (tmp_path / "names.txt").write_text("a\nb\nc\n")
    words = ("weights", "inflate", path, "--backbone", "p3d63", "--out", out)
    result = run(*words, "--classes", tmp_path / "names.txt", "--option", "variant=A")
    assert result.exit_code == 0, result.output
    assert "p3d63, 3 class names" in result.stdout
    shown = json.loads(run("weights", "show", out, "--json").stdout)
    assert (shown["options"]["variant"], shown["options"]["stride_on"]) == ("A", "3x3")
    assert shown["trained_on"] == "ImageNet (2-D), inflated"
    assert run(*words).exit_code == 2  # exists
    assert run(*words, "--overwrite", "--quiet").stdout == ""
    assert run("weights", "inflate", path, "--backbone", "p3d199", "--out", out, "--overwrite").exit_code == 2


def test_convert_tells_of_the_ports_arithmetic(tmp_path):
    path = tmp_path / "p3d.pth.tar"
    torch.save({"state_dict": port_state_dict()}, path)
    words = ("weights", "convert", path, "--backbone", "p3d63", "--overwrite")
    words += ("--out", tmp_path / "x.safetensors")
    assert "note: " in run(*words).stderr
    assert "sum_rule=port" in run(*words).stderr
    assert run(*words, "--option", "sum_rule=port", "--option", "pool1=padded").stderr == ""
