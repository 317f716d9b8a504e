"""Repositories with a ``hubconf.py``: a local folder stands for one of GitHub."""

import pytest
import torch

from p3d_eval.backbones import load_backbone
from p3d_eval.errors import UserError
from tests.backbones.zoos.test_torchvision import SMOOTH

HUBCONF = """
dependencies = ["torch"]
import torch
from torch import nn

class Paths(nn.Module):
    def __init__(self):
        super().__init__()
        self.slow, self.fast = nn.Conv3d(3, 2, 1), nn.Conv3d(3, 2, 1)
        self.proj = nn.Linear(4, 3)
    def forward(self, x):
        slow, fast = x
        self.frames = (slow.shape[2], fast.shape[2])
        return self.proj(torch.cat([self.slow(slow).mean((2, 3, 4)), self.fast(fast).mean((2, 3, 4))], 1))

def slowfast_r50(pretrained=False):
    return Paths()

def clips(width=2, pretrained=True):
    return nn.Sequential(nn.Conv3d(3, width, 1), nn.Identity() if pretrained else nn.ReLU())

def images(weights=None):
    return nn.Sequential(nn.Conv2d(3, 2, 1))

def number():
    return 3

def leaves():
    raise SystemExit("give a licence")

def network():
    from p3d_eval.backbones import InputSpec, Network
    spec = InputSpec(2, (8, 8), (8, 8), (0.0,) * 3, (1.0,) * 3)
    return Network(nn.Sequential(nn.Conv3d(3, 2, 1)), spec, classes=("a",), images=True)
"""
INPUT = {"clip_length": 2, "resize": 8, "crop": 8, "mean": 0.5, "std": 0.5, "value_range": (0, 1)}


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "pytorchvideo"
    folder.mkdir()
    (folder / "hubconf.py").write_text(HUBCONF)
    return f"torchhub:{folder}"


def test_what_pytorchvideo_states_is_known(repository):
    backbone = load_backbone(f"{repository}:slowfast_r50", weights="random")
    spec = backbone.input_spec
    assert (spec.clip_length, spec.frame_stride, spec.resize, spec.crop) == (32, 2, 256, (256, 256))
    assert (spec.mean, spec.std, spec.value_range) == ((0.45,) * 3, (0.225,) * 3, (0.0, 1.0))
    x = torch.randn(2, 3, 32, 8, 8, generator=torch.Generator().manual_seed(0))
    found = backbone.features(x, "proj,prob")
    assert backbone.module.frames == (8, 32)  # one of four, the first and the last among them
    slow = x[:, :, [0, 4, 8, 13, 17, 22, 26, 31]]
    with torch.inference_mode():
        means = [backbone.module.slow(slow).mean((2, 3, 4)), backbone.module.fast(x).mean((2, 3, 4))]
        logits = backbone.module.proj(torch.cat(means, 1))
    torch.testing.assert_close(found["proj"], logits)
    torch.testing.assert_close(found["prob"], logits.softmax(1))


def test_other_networks_need_the_users_word_on_their_input(repository):
    with pytest.raises(UserError, match="does not say what its input is: clip_length, resize, crop, mean, std"):
        load_backbone(f"{repository}:clips")
    backbone = load_backbone(f"{repository}:clips", **INPUT)
    assert backbone.layers == {"0": (2, 2, 8, 8), "1": (2, 2, 8, 8)}
    assert isinstance(backbone.module[1], torch.nn.Identity)
    random = load_backbone(f"{repository}:clips", weights="random", width="5", **INPUT)
    assert random.weights.random
    assert isinstance(random.module[1], torch.nn.ReLU)
    assert random.layers["0"] == (5, 2, 8, 8)


def test_images_and_functions_without_the_word_pretrained(repository):
    backbone = load_backbone(f"{repository}:images", images="true", frames="all", **INPUT)
    assert backbone(SMOOTH[None, :2], "0")["0"].shape == (1, 2, 8, 8)


def test_a_repository_may_give_a_network_itself(repository):
    backbone = load_backbone(f"{repository}:network")
    assert backbone.classes == ("a",)
    assert not backbone.network.centre  # its own word counts


def test_mistakes(repository):
    for name, reason in (
        (f"{repository}:absent", "Cannot find callable absent in hubconf"),
        (f"{repository}:number", "is a int, no network"),
        (f"{repository}:leaves", ":leaves': SystemExit: give a licence"),
        ("torchhub:slowfast_r50", "names no function of a repository"),
        ("torchhub:not a repository:x", "backbone 'torchhub:not a repository:x': "),
    ):
        with pytest.raises(UserError, match=reason):
            load_backbone(name)
