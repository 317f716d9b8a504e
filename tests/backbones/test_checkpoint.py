"""Weights files: the package's own format, and the account of every parameter."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.checkpoint import Checkpoint, fill, read_safetensors, write_safetensors
from p3d_eval.backbones.conversion import convert_weights, read_class_names, summarise_weights
from p3d_eval.backbones.p3d import P3D63
from p3d_eval.errors import UserError
from tests.support.caffemodel import blob, layer, net


def tiny():
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))


def tensors_of(module):
    return {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}


def test_fill_gives_the_same_network_even_from_nothing():
    source = tiny().eval()
    with torch.device("meta"):
        target = tiny().eval()
    fill(target, tensors_of(source), "x")
    x = torch.randn(4, 3)
    assert torch.equal(source(x), target(x))


def test_every_parameter_is_accounted_for():
    tensors = tensors_of(tiny())
    del tensors["0.bias"]
    tensors["1.weight"] = torch.ones(5)
    tensors["2.we\nird"] = torch.ones(1)
    tensors["1.running_var"] = torch.tensor([1.0, torch.nan])
    with pytest.raises(UserError) as caught:
        fill(tiny(), tensors, "file.x")
    assert caught.value.message == (
        "file.x does not fit: 1 missing (0.bias); 1 unexpected (2.we\\nird); "
        "1 mis-shaped (1.weight is 5, expected 2); 1 with NaN or Inf (1.running_var)"
    )


@pytest.fixture(scope="module")
def p3d_file(tmp_path_factory):
    """P3D-63 of three classes, variant A, in the package's format."""
    path = tmp_path_factory.mktemp("weights") / "p3d63.safetensors"
    backbone = load_backbone("p3d63", classes=3, variant="A", seed=5)
    checkpoint = Checkpoint(
        tensors_of(backbone.module), "p3d63", dict(backbone.options), ("a", "b", "ü"), "a data set"
    )
    write_safetensors(path, checkpoint)
    return path


def test_round_trip_keeps_weights_options_and_classes(p3d_file):
    back = load_backbone("p3d63", weights=p3d_file)
    assert (back.classes, back.trained_on) == (("a", "b", "ü"), "a data set")
    assert back.options["variant"] == "A"
    assert (back.weights.source, back.weights.random) == (str(p3d_file), False)
    same = load_backbone("p3d63", classes=3, variant="A", seed=5)
    x = torch.randn(1, 3, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(back.features(x, "prob")["prob"], same.features(x, "prob")["prob"])


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("p3d199", {}, "weights of p3d63, not of p3d199"),
        ("p3d63", {"variant": "C"}, "variant='A', not 'C'"),
        ("p3d63", {"modality": "flow"}, "modality='rgb', not 'flow'"),
        ("p3d63", {"classes": 4}, "has 3 classes, not the 4 given"),
        ("p3d63", {"classes": ["x", "y"]}, "has 3 classes, not the 2 given"),
        ("i3d", {}, "weights of p3d63, not of i3d"),
    ],
)
def test_weights_of_another_network_are_refused(p3d_file, name, options, reason):
    with pytest.raises(UserError, match=reason):
        load_backbone(name, weights=p3d_file, **options)


def test_class_names_can_be_given(p3d_file):
    assert load_backbone("p3d63", weights=p3d_file, classes=["x", "y", "z"]).classes == ("x", "y", "z")


def test_truncated_and_foreign_files_are_refused(p3d_file, tmp_path):
    whole = p3d_file.read_bytes()
    path = tmp_path / "cut.safetensors"
    for size in (0, 7, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match="not a readable safetensors file") as caught:
            read_safetensors(path)
        assert "\n" not in caught.value.message
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(UserError, match="not this package's metadata"):
        read_safetensors(path)
    metadata = {"format": "p3d-eval-weights", "classes": "{broken"}
    save_file({"a": torch.ones(2)}, path, metadata=metadata)
    with pytest.raises(UserError, match="'classes' is not JSON"):
        read_safetensors(path)
    save_file({"a": torch.ones(2)}, path, metadata={**metadata, "classes": json.dumps({"a": 1})})
    with pytest.raises(UserError, match="'classes' is a dict, not a list"):
        read_safetensors(path)


def test_missing_files_and_unknown_suffixes(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        load_backbone("p3d63", weights=tmp_path / "absent.safetensors")
    with pytest.raises(UserError, match="is not a file"):
        load_backbone("p3d63", weights=tmp_path)
    (tmp_path / "x.h5").write_bytes(b"x")
    with pytest.raises(UserError, match=r"no reader for \.h5"):
        load_backbone("p3d63", weights=tmp_path / "x.h5")


def test_a_caffemodel_of_another_network_names_what_differs(tmp_path):
    path = tmp_path / "other.caffemodel"
    ones = torch.ones(4, 2).numpy()
    path.write_bytes(net("x", [layer("fc8", "InnerProduct", [blob(ones)]), layer("conv9", "C", [blob(ones)])]))
    with pytest.raises(
        UserError, match=r"missing \(conv1.weight, .*1 unexpected \(conv9.weight\).*fc.weight is 4×2"
    ):
        load_backbone("p3d63", weights=path)
    path.write_bytes(net("x", [layer("conv9", "C", [blob(ones)])]))
    with pytest.raises(UserError, match=r"no classifier 'fc.weight' of p3d63 \(its tensors: conv9.weight\)"):
        load_backbone("p3d63", weights=path)


def test_convert_adds_what_the_source_does_not_say(p3d_file, tmp_path):
    out = tmp_path / "new.safetensors"
    names = tmp_path / "names.txt"
    names.write_text("one\r\ntwo\r\nthree\r\n")
    convert_weights(p3d_file, "p3d63", out, classes=read_class_names(names), trained_on="mine")
    summary = summarise_weights(out)
    assert (summary.architecture, summary.classes, summary.trained_on) == (
        "p3d63",
        ("one", "two", "three"),
        "mine",
    )
    assert summary.options == P3D63.resolve_options({"variant": "A"})
    assert summary.shapes["fc.weight"] == (3, 2048)
    with pytest.raises(UserError, match="exists"):
        convert_weights(p3d_file, "p3d63", out)
    with pytest.raises(UserError, match="3 classes for the 1 name given"):
        convert_weights(p3d_file, "p3d63", out, classes=["x"], overwrite=True)
    with pytest.raises(UserError, match=r"does not end in \.safetensors"):
        convert_weights(p3d_file, "p3d63", tmp_path / "x.bin")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "is empty"), ("a\n\nb\n", "line 2: an empty line"), ("a\nb\na\n", "line 3: the class 'a'")],
)
def test_class_files_with_mistakes(tmp_path, text, reason):
    path = tmp_path / "names.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=reason):
        read_class_names(path)


def test_integers_stay_integers():
    class Indexed(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("index", torch.arange(3))

    module = Indexed()
    fill(module, {"index": torch.tensor([2, 1, 0])}, "x")
    assert module.index.dtype == torch.int64
    assert module.index.tolist() == [2, 1, 0]
