"""Networks that look at a clip's middle frame alone: no other is decoded, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from p3d_eval.backbones import Backbone, InputSpec, Network, WeightsInfo, load_backbone
from p3d_eval.backbones.frames import fold_frames
from p3d_eval.backbones.runner import Runner
from p3d_eval.features import open_features
from p3d_eval.features.extractor import extract
from p3d_eval.features.sampling import Sampling

SPEC = InputSpec(5, (18, 34), (16, 32), (0.4,) * 3, (0.2,) * 3, value_range=(0, 1), frame_stride=2)


class Image(nn.Module):
    """A convolution of the middle frame."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.conv(fold_frames(x, "centre"))


def backbone(centre):
    torch.manual_seed(0)
    network = Network(Image(), SPEC, images=True, centre=centre)
    return Backbone("image", network, WeightsInfo("", "", True), torch.device("cpu"))


@pytest.mark.parametrize("kind", ["uniform", "sliding", "random"])
def test_the_features_are_those_of_whole_clips(tmp_path, videos, kind):
    sampling = Sampling(5, kind, clips=3, frame_stride=2)
    stores = []
    for centre in (True, False):
        out = tmp_path / f"{centre}.h5"
        extract(backbone(centre), videos, "conv", out, sampling=sampling, batch_size=2, per_clip=True)
        stores.append(open_features(out))
    centre, whole = stores
    assert centre.provenance["sampling"] == whole.provenance["sampling"]
    for video in whole.ids:
        np.testing.assert_array_equal(centre.clip_starts(video), whole.clip_starts(video))
        found, expected = (store.clip_features(video, "conv") for store in stores)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)  # other memory, other rounding


def test_no_other_frame_is_needed():
    whole = Sampling(16, clips=2, frame_stride=3)
    centre = replace(whole, centre=True)
    for frames in (200, 20, 5):
        for start in whole.starts(frames, "v"):
            numbers = whole.frames_of(start, frames)
            assert centre.frames_of(start, frames).tolist() == [numbers[8]]
    assert whole.to_json() == centre.to_json()
    assert np.array_equal(whole.starts(99, "v"), centre.starts(99, "v"))


def test_built_in_networks_say_so():
    for frames, expected in (("centre", True), ("all", False)):
        net = load_backbone("resnet50", classes=2, frames=frames, crop=(32, 32), resize=32)
        assert net.network.centre is expected
        assert net.network.seen_shape == (3, 1 if expected else 16, 32, 32)
    assert not load_backbone("p3d63", classes=2).network.centre


def test_the_rewritten_network_takes_one_frame():
    runner = Runner(backbone(True), "conv", batch_size=2)
    assert runner.how.startswith("graph")
    assert runner.shape == (2, 3, 1, 16, 32)
    clips = torch.rand(2, 3, 5, 16, 32, generator=torch.Generator().manual_seed(0))
    expected = backbone(True).features(clips, "conv")["conv"]
    torch.testing.assert_close(runner(clips)["conv"], expected)
    torch.testing.assert_close(runner(clips[:, :, 2:3])["conv"], expected)
