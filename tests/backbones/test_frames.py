"""Networks of single images on clips: which frames, and the mean over them."""

import pytest
import torch
from torch import nn

from p3d_eval.backbones import Backbone, InputSpec, Network, WeightsInfo
from p3d_eval.backbones.frames import Batch, average_frames, fold_frames
from p3d_eval.backbones.runner import Runner
from p3d_eval.errors import UserError


class Images(nn.Module):
    """A convolution and a softmax on each frame."""

    def __init__(self, frames):
        super().__init__()
        self.frames = frames
        self.conv = nn.Conv2d(3, 4, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.prob = nn.Softmax(1)

    def forward(self, x):
        return self.prob(self.flatten(self.pool(self.conv(fold_frames(x, self.frames)))))


def backbone(frames):
    torch.manual_seed(0)
    spec = InputSpec(6, (8, 8), (8, 8), (0.0,) * 3, (255.0,) * 3)
    network = Network(Images(frames), spec, images=True)
    return Backbone("images", network, WeightsInfo("", "", True), torch.device("cpu"))


CLIPS = torch.rand(3, 3, 6, 8, 8, generator=torch.Generator().manual_seed(1))


def test_all_frames_are_averaged_at_every_layer():
    net = backbone("all")
    found = net.features(CLIPS, "conv,conv:avg,prob")
    for n, clip in enumerate(CLIPS):
        frames = clip.transpose(0, 1)
        conv = net.module.conv(frames)
        prob = conv.mean((2, 3)).softmax(1)
        torch.testing.assert_close(found["conv"][n], conv.mean(0))
        torch.testing.assert_close(found["conv:avg"][n], conv.mean((0, 2, 3)))
        torch.testing.assert_close(found["prob"][n], prob.mean(0))
    assert net.layers["conv"] == (4, 6, 6)
    assert net.axes["conv"] == "CHW"


def test_centre_is_the_middle_frame_alone():
    found = backbone("centre").features(CLIPS, "prob")["prob"]
    still = CLIPS[:, :, 3:4].expand(-1, -1, 6, -1, -1)
    torch.testing.assert_close(found, backbone("all").features(still, "prob")["prob"])


@pytest.mark.parametrize("frames", ["centre", "all"])
def test_the_rewritten_network_averages_too(frames):
    net = backbone(frames)
    runner = Runner(net, "conv,prob", batch_size=3)
    assert runner.how.startswith("graph")
    expected = net.features(CLIPS, "conv,prob")
    for name, values in runner(CLIPS).items():
        torch.testing.assert_close(values, expected[name])


def test_rows_that_are_no_frames_are_refused():
    with pytest.raises(UserError, match="'x' gives 7 × 2 for 2 clips: its first axis is not the batch"):
        average_frames(torch.ones(7, 2), Batch(2, 3), "x")
    with pytest.raises(UserError, match="'x' gives 4 × 2 for 2 clips"):  # parts of frames, not frames
        average_frames(torch.ones(4, 2), Batch(2, 1), "x")
    with pytest.raises(UserError, match="gives one number for 2 clips"):
        average_frames(torch.tensor(1.0), Batch(2, 3), "x")
