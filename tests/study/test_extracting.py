"""An extraction of a study loads the network that the command ``extract`` would load."""

import pytest

from p3d_eval.backbones.input_changes import CHANGEABLE
from p3d_eval.study.extracting import load_network
from p3d_eval.study.settings import INPUT_KEYS, ExtractSettings
from p3d_eval.study.tasks import ExtractTask
from tests.support.tiny_study import NETWORK


@pytest.mark.parametrize(
    ("key", "value", "seen"),
    [
        ("clip_length", 6, 6),
        ("frame_stride", 3, 3),
        ("resize", [20, 36], (20, 36)),
        ("crop_size", 12, (12, 12)),
        ("mean", 0.25, (0.25, 0.25, 0.25)),
        ("std", [0.5, 0.25, 0.125], (0.5, 0.25, 0.125)),
        ("value_range", [-1, 1], (-1, 1)),
        ("channel_order", "BGR", "BGR"),
        ("interpolation", "bicubic", "bicubic"),
        ("antialias", True, True),
    ],
)
def test_every_change_of_the_input_reaches_the_network(tmp_path, key, value, seen):
    asked = ExtractSettings(device="cpu", **{key: value})
    network, _ = load_network(ExtractTask(f"{NETWORK}:factory", None, {}, asked, (), tmp_path / "f.h5"))
    assert getattr(network.input_spec, key.removesuffix("_size")) == seen


def test_a_study_can_change_all_that_can_be_changed_of_an_input():
    assert {key.removesuffix("_size") for key in INPUT_KEYS} == set(CHANGEABLE)
