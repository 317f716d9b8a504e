"""Names, factories and what a backbone promises to those who call it."""

import re

import pytest
import torch
from torch import nn

from p3d_eval.backbones import BACKBONES, Backbone, InputSpec, Network, load_backbone
from p3d_eval.errors import UnknownNameError, UserError

FACTORY = """
import sys
import torch
from torch import nn
from p3d_eval.backbones import InputSpec, Network

SPEC = InputSpec(4, (8, 8), (8, 8), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), value_range=(0, 1))

def make(width=5, weights=None):
    body = nn.Sequential(nn.Conv3d(3, width, 1), nn.BatchNorm3d(width), nn.ReLU(inplace=True))
    if weights is not None:
        body.load_state_dict(torch.load(weights, weights_only=True))
    return Network(body, SPEC, classes=("a",), random=weights is None)

def broken():
    raise RuntimeError("two\\nlines")

def leaves():
    sys.exit("no licence")

class Leaves(nn.Module):
    def forward(self, x):
        sys.exit()

def left_later():
    return Network(nn.Sequential(Leaves()), SPEC)

def plain():
    return nn.Identity()

number = 3
"""


@pytest.fixture
def factory(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FACTORY)
    return str(path)


def test_a_factory_in_a_file(factory, tmp_path):
    backbone = load_backbone(f"{factory}:make", width=7, seed=1)
    assert backbone.layers == {"0": (7, 4, 8, 8), "1": (7, 4, 8, 8), "2": (7, 4, 8, 8)}
    assert backbone.weights.random
    assert backbone.weights.sha256 == load_backbone(f"{factory}:make", width=7, seed=1).weights.sha256
    assert backbone.weights.sha256 != load_backbone(f"{factory}:make", width=7, seed=2).weights.sha256
    path = tmp_path / "w.pt"
    torch.save(backbone.module.state_dict(), path)
    loaded = load_backbone(f"{factory}:make", weights=path, width=7)
    assert (loaded.weights.source, loaded.weights.random) == (str(path), False)


def test_an_in_place_relu_does_not_reach_the_layer_before_it(factory):
    backbone = load_backbone(f"{factory}:make")
    found = backbone(torch.randint(0, 256, (2, 4, 9, 9, 3), dtype=torch.uint8), "1,flat=1:flat,2,mean=1:avg")
    assert found["1"].min() < 0 == found["2"].min()
    assert torch.equal(found["1"].clamp(min=0), found["2"])
    assert torch.equal(found["flat"], found["1"].flatten(1))
    torch.testing.assert_close(found["mean"], found["1"].mean((2, 3, 4)))


def test_a_factory_in_a_module(factory, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    assert load_backbone("mine:make").classes == ("a",)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("{}:absent", {}, "has no 'absent'"),
        ("{}:broken", {}, "failed with RuntimeError: two lines"),
        ("{}:make", {"width": "abc"}, "make' with width='abc' failed with TypeError"),
        ("{}:make", {"width": "abc"}, "Give width as the factory takes it, or mend the factory"),
        ("{}:leaves", {}, "failed with SystemExit: no licence"),
        ("{}:number", {}, "is a int, not a function"),
        ("{}:plain", {}, "returned Identity"),
        ("{}:plain", {"weights": "x.pt"}, "takes no weights"),
        ("{}:make", {"depth": 3}, "unexpected keyword argument 'depth'"),
        ("{}:maek", {}, "Did you mean make"),
        ("{}", {}, "names no function"),
        ("/nowhere/x.py:make", {}, "/nowhere/x.py does not exist"),
        ("no_such_module_at_all:make", {}, "cannot import"),
    ],
)
def test_factories_with_mistakes(factory, name, options, reason):
    with pytest.raises(UserError, match=reason):
        load_backbone(name.format(factory), **options)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def (:", "failed with SyntaxError: invalid syntax"),
        ("unknown", "failed with NameError: name 'unknown' is not defined"),
        ("import sys; sys.exit('bye')", "failed with SystemExit: bye"),
        ("import sys; sys.exit()", "failed with SystemExit$"),
    ],
)
def test_code_that_fails_when_it_is_imported(tmp_path, monkeypatch, code, reason):
    (tmp_path / "fails_here.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    for name in (f"{tmp_path / 'fails_here.py'}:make", "fails_here:make"):
        with pytest.raises(UserError) as caught:
            load_backbone(name)
        assert re.search(reason, caught.value.message), caught.value.message


def test_a_network_that_ends_the_program_is_an_error_of_its_own(factory):
    backbone = load_backbone(f"{factory}:left_later")
    with pytest.raises(UserError, match="the network fails on a clip of 3 × 4 × 8 × 8.*: SystemExit\n"):
        _ = backbone.layers


MISTAKEN = """
from torch import nn
from p3d_eval.backbones import InputSpec, Network

def make(**said):
    spec = {"clip_length": 2, "resize": 8, "crop": (8, 8), "mean": (0.0,) * 3, "std": (1.0,) * 3}
    return Network(nn.Sequential(nn.Conv3d(3, 2, 1)), InputSpec(**{**spec, **said}))

def crop(): return make(crop=8)
def side(): return make(crop=(8,))
def resize(): return make(resize="8")
def mean(): return make(mean=0.5)
def span(): return make(value_range=255)
def frames(): return make(clip_length="2")
def order(): return make(channel_order="rgb")
def layers(): return Network(make().module, make().input_spec, layers=("0"))
def absent(): return Network(make().module, make().input_spec, layers=("0", "pool"))
"""


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("crop", "input spec: crop=8 is not height and width in pixels"),
        ("side", r"input spec: crop=\(8,\) is not height and width"),
        ("resize", "input spec: resize='8' is not the shorter side, or height and width"),
        ("mean", "input spec: mean=0.5 is not 3 numbers, one for each channel of RGB"),
        ("span", "input spec: value_range=255 is not two numbers"),
        ("frames", "input spec: clip_length='2' is not a whole number"),
        ("order", "unknown channel order 'rgb'\nDid you mean RGB"),
        ("layers", "layers of a Network are names, not the text '0'"),
        ("absent", "unknown layer of .*absent 'pool'\nAvailable: 0$"),
    ],
)
def test_what_a_factory_says_wrongly_is_named(tmp_path, name, reason):
    (tmp_path / "mine.py").write_text(MISTAKEN)
    with pytest.raises(UserError, match=reason):
        _ = load_backbone(f"{tmp_path / 'mine.py'}:{name}").layers


def test_plug_ins_come_through_entry_points(factory, monkeypatch):
    class Point:
        name, value, dist = "mine", "mine:make", None

        def load(self):
            return lambda: Network(nn.Flatten(), InputSpec(1, (2, 2), (2, 2), (0.0,) * 3, (1.0,) * 3))

    monkeypatch.setattr("p3d_eval.registry.entry_points", lambda **_: [Point()])
    assert BACKBONES.names()[-1] == "mine"
    assert isinstance(load_backbone("mine"), Backbone)


def test_unknown_names_offer_the_closest():
    with pytest.raises(UnknownNameError, match="Did you mean p3d199"):
        load_backbone("p3d198")
    with pytest.raises(UserError, match="device: 'gpu' is unknown"):
        load_backbone("i3d", device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="0 CUDA devices"):
            load_backbone("i3d", device="cuda")


@pytest.fixture(scope="module")
def small():
    return load_backbone("p3d63", classes=4, crop=32, clip_length=4)


def test_unknown_layers_offer_the_closest(small):
    with pytest.raises(UnknownNameError, match="Did you mean res5c"):
        small.request_shapes("res5d")
    with pytest.raises(UnknownNameError, match=r"res4f\.branch2c"):
        small.request_shapes("res4f.branch2x")


def test_announced_shapes_are_those_that_come_out(small):
    layers = "prob,pool5,res5c,res4f,a=res4f:spatial,res5c:flat,res3a.bn_branch2b_t:avg,conv1"
    announced = small.request_shapes(layers)
    found = small(torch.randint(0, 256, (3, 4, 20, 30, 3), dtype=torch.uint8), layers)
    assert list(found) == list(announced)
    assert {name: tuple(tensor.shape[1:]) for name, tensor in found.items()} == {
        name: shape for name, (shape, _) in announced.items()
    }
    assert all(len(tensor) == 3 and tensor.dtype == torch.float32 for tensor in found.values())
    assert announced["a"] == ((1024, 1), "CT")


def test_features_is_what_calling_does_after_preprocessing(small):
    clips = torch.randint(0, 256, (2, 4, 40, 50, 3), dtype=torch.uint8)
    called = small(clips, "prob")["prob"]
    assert torch.equal(called, small.features(small.preprocess(clips), ["prob"])["prob"])
    assert not called.requires_grad
    assert not small.module.training


def test_wrong_tensors_are_refused(small):
    for x in (torch.zeros(1, 2, 4, 32, 32), torch.zeros(3, 4, 32, 32), torch.zeros(1, 3, 4, 32, 32).byte()):
        with pytest.raises(UserError, match="not float of shape N × 3 × T × H × W"):
            small.features(x, "prob")


def test_the_recipe_loads_the_same_network_again():
    first = load_backbone("p3d63", seed=3, classes=7, variant="B").with_input(clip_length=8, crop=(96, 128))
    again = load_backbone(**first.recipe)
    assert again.weights == first.weights
    assert (again.input_spec, again.options, again.recipe) == (first.input_spec, first.options, first.recipe)
    assert again.weights != load_backbone("p3d63", seed=4, classes=7, variant="B").weights


def test_with_input_leaves_the_original_alone(small):
    other = small.with_input(clip_length=8, frame_stride=2)
    assert (small.input_spec.clip_length, small.input_spec.frame_stride) == (4, 1)
    assert (other.input_spec.clip_length, other.input_spec.frame_stride) == (8, 2)
    assert other.module is small.module
    with pytest.raises(UserError, match="does not fit into frames"):
        small.with_input(crop=(200, 200))


def test_devices_that_are_not_supported_are_refused(tmp_path):
    for device in ("meta", "xpu", "nonsense"):
        with pytest.raises(UserError, match=f"device: '{device}' is (unknown|not supported)"):
            load_backbone("p3d63", device=device)


SIMPLE = """
from torch import nn
from p3d_eval.backbones import Backbone, InputSpec, Network, WeightsInfo
import torch

SPEC = InputSpec(clip_length=2, resize=(8, 8), crop=(8, 8), mean=(0.0,) * 3, std=(1.0,) * 3)

def network():
    return Network(nn.Sequential(nn.Identity()), SPEC)

def backbone():
    info = WeightsInfo("mine", "0" * 64, random=False)
    return Backbone("mine", network(), info, torch.device("cpu"), {"depth": 1})
"""


@pytest.mark.parametrize("factory", ["network", "backbone"])
def test_code_of_a_file_is_part_of_what_resume_compares(tmp_path, factory):
    path = tmp_path / "net.py"
    path.write_text(SIMPLE)
    first = load_backbone(f"{path}:{factory}").options["code_sha256"]
    path.write_text(SIMPLE + "# changed\n")
    assert load_backbone(f"{path}:{factory}").options["code_sha256"] != first
