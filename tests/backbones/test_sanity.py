"""Networks with one thing wrong, each found by its check; and sound ones."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from typer.testing import CliRunner

from p3d_eval.backbones import Backbone, InputSpec, Network, WeightsInfo, load_backbone
from p3d_eval.backbones.sanity import check_backbone, example_clips, worst_verdict
from p3d_eval.cli import app
from p3d_eval.errors import UserError
from tests.support.tiny import SPEC
from tests.support.videos import make_video, moving_frames

TINY = str(Path(__file__).parents[1] / "support" / "tiny.py") + ":factory"
MODULES = {}


def faulty(module):
    """Register a network whose last layer is called ``out``."""
    MODULES[module.__name__] = module
    return module


class Sound(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv3d(3, 8, (2, 3, 3))
        self.norm = nn.BatchNorm3d(8)
        self.out = nn.Identity()

    def pooled(self, x):
        return functional.relu(self.norm(self.conv(x))).mean((2, 3, 4))

    def forward(self, x):
        return self.out(self.pooled(x))


@faulty
class DropsOut(Sound):
    def forward(self, x):
        return self.out(functional.dropout(self.pooled(x), 0.5, training=True))


@faulty
class NormalisesOverTheBatch(Sound):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm3d(8, track_running_stats=False)


@faulty
class Trains(Sound):
    def forward(self, x):
        self.norm.train()
        return super().forward(x)


@faulty
class Learns(Sound):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += 1
        return super().forward(x)


@faulty
class Constant(Sound):
    def forward(self, x):
        return self.out(torch.ones(len(x), 4, device=x.device))


@faulty
class Infinite(Sound):
    def __init__(self):
        super().__init__()
        self.prob = nn.Softmax(1)

    def forward(self, x):
        return self.prob(self.out(self.pooled(x) * self.factor(x)))

    def factor(self, x):
        return float("inf")


@faulty
class NoNumbers(Infinite):
    def factor(self, x):
        return float("nan")


@faulty
class NoNumbersBackwards(Infinite):
    """Fails on a clip that ends darker than it begins."""

    def factor(self, x):
        return float("nan") if (x[:, :, -1].mean((1, 2, 3)) < x[:, :, 0].mean((1, 2, 3))).any() else 1.0


@faulty
class SeesNoOrder(Sound):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 8, (1, 3, 3))


def backbone_of(module, spec=SPEC, layers=("out",)):
    network = Network(module, spec, layers=layers)
    return Backbone("own", network, WeightsInfo("w.pt", "0" * 64, False), torch.device("cpu"))


def findings(backbone, **given):
    return {check.name: check for check in check_backbone(backbone, **given)}


def wrong(found):
    return {name: check.verdict for name, check in found.items() if check.verdict != "pass"}


def test_nothing_is_wrong_with_a_sound_network():
    found = findings(backbone_of(Sound()))
    assert wrong(found) == {}
    assert worst_verdict(list(found.values())) == "pass"
    assert list(found) == [
        "input range",
        "finite values",
        "determinism",
        "batch invariance",
        "evaluation mode",
        "constant output",
        "time reversal",
        "weights",
    ]


@pytest.mark.parametrize(
    ("name", "expected", "words"),
    [
        ("DropsOut", {"determinism": "fail"}, "dropout"),
        ("NormalisesOverTheBatch", {"batch invariance": "fail"}, "normalise over the batch"),
        ("Trains", {"batch invariance": "fail", "evaluation mode": "fail"}, "parameters or statistics"),
        ("Learns", {"evaluation mode": "fail"}, "parameters or statistics"),
        ("Constant", {"constant output": "fail", "time reversal": "warn"}, "the same out"),
        ("SeesNoOrder", {"time reversal": "warn"}, "no order of frames"),
    ],
)
def test_each_fault_is_found_and_named(name, expected, words):
    found = findings(backbone_of(MODULES[name]()))
    assert wrong(found) == expected
    assert any(words in check.finding for check in found.values() if check.verdict != "pass")


@pytest.mark.parametrize("name", ["Infinite", "NoNumbers", "NoNumbersBackwards"])
def test_numbers_that_are_none_are_found_and_nothing_else_is_blamed(name):
    found = findings(backbone_of(MODULES[name](), layers=("out", "prob")), layers="out,prob")
    assert wrong(found) == {"finite values": "fail"}
    assert found["finite values"].finding == "infinite or no numbers in out, prob"
    assert list(found) == ["input range", "finite values", "evaluation mode", "weights"]


class Guesses(Sound):
    """Its ``prob`` lacks the softmax."""

    def __init__(self, softmax):
        super().__init__()
        self.prob = nn.Softmax(1) if softmax else nn.Identity()

    def forward(self, x):
        return self.prob(self.pooled(x))


@pytest.mark.parametrize(("softmax", "verdict"), [(True, "pass"), (False, "fail")])
def test_prob_must_be_a_distribution(softmax, verdict):
    assert findings(backbone_of(Guesses(softmax), layers=("prob",)))["probabilities"].verdict == verdict


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "pass"),
        ({"mean": 104.0}, "fail"),  # a mean of bytes, values in 0 … 1
        ({"value_range": (0, 255)}, "warn"),  # a mean of 0 … 1, values of bytes
        ({"value_range": (0, 255), "mean": (104, 117, 123), "std": 1}, "pass"),  # Caffe's networks
        ({"value_range": (-1, 1), "mean": 0, "std": 1}, "pass"),  # I3D
        ({"value_range": (0, 255), "mean": 0, "std": 1}, "pass"),  # C3D, which subtracts its mean itself
    ],
)
def test_a_mean_of_another_range_is_noticed(changes, verdict):
    found = findings(backbone_of(Sound()).with_input(**changes))
    assert found["input range"].verdict == verdict, found["input range"].finding


def test_random_weights_are_told():
    assert findings(load_backbone(TINY))["weights"].verdict == "warn"


def test_example_clips_move_and_differ():
    first, second = example_clips(SPEC)
    assert first.shape == (4, 18, 34, 3)
    assert first.dtype == torch.uint8
    assert not torch.equal(first, second)
    assert not torch.equal(first[0], first[1])
    assert torch.equal(first, example_clips(SPEC)[0])
    assert np.abs(np.diff(first.numpy().astype(int), axis=2)).mean() < 30  # smooth: noise would have 85


def test_clips_of_ones_own():
    clip = example_clips(SPEC)[0]
    found = findings(backbone_of(Sound()), clips=[clip, clip])
    assert wrong(found) == {"constant output": "fail"}
    with pytest.raises(UserError, match="two clips"):
        check_backbone(backbone_of(Sound()), clips=[clip])


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "own.py"
    path.write_text(
        "from tests.backbones.test_sanity import MODULES, Sound, SPEC\n"
        "from p3d_eval.backbones import Network\n"
        "def make(which='Sound'):\n"
        "    return Network({'Sound': Sound, **MODULES}[which](), SPEC, layers=('out',))\n"
    )
    return f"{path}:make"


def test_the_command_and_its_exit_status(network, tmp_path):
    good = run("check-backbone", network)
    assert good.exit_code == 0
    assert f"{network}: pass" in good.stdout  # as it is: no picture for a word between colons
    bad = run("check-backbone", network, "--option", "which=Constant", "--json")
    assert bad.exit_code == 3
    told = json.loads(bad.stdout)
    assert told["verdict"] == "fail"
    assert [one["name"] for one in told["checks"] if one["verdict"] == "fail"] == ["constant output"]
    quiet = run("check-backbone", network, "--option", "which=Constant", "--quiet")
    assert (quiet.exit_code, quiet.stdout) == (3, "")
    assert "not fit to be evaluated" in quiet.stderr
    video = make_video(tmp_path / "v.avi", moving_frames(20))
    assert run("check-backbone", network, "--video", video, "--quiet").output == ""


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("p3d1999",), "Did you mean p3d199"),
        ((TINY, "--layers", "pool6"), "pool6"),
        ((TINY, "--video", "absent.avi"), "absent.avi: no such file"),
        ((TINY, "--crop-size", "64"), "does not fit"),
    ],
)
def test_mistakes_are_one_line(words, complaint):
    done = run("check-backbone", *words)
    assert done.exit_code == 2
    assert complaint in done.stderr


def test_a_network_of_images_sees_no_order():
    for frames in ("centre", "all"):
        found = findings(load_backbone("resnet50", frames=frames, crop=33, resize=33, clip_length=4))
        assert found["time reversal"].verdict == "pass"
        assert "as for every network of images" in found["time reversal"].finding


def test_a_network_of_one_frame_has_no_order():
    spec = InputSpec(1, (18, 34), (16, 32), (0.5,) * 3, (0.25,) * 3, (0, 1))
    module = SeesNoOrder()
    assert wrong(findings(backbone_of(module, spec))) == {}
