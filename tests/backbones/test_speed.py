"""Speed and memory of a network whose speed and memory are known."""

import time

import pytest
import torch
from torch import nn

from p3d_eval.backbones import Backbone, InputSpec, Network, WeightsInfo, speed
from p3d_eval.backbones.speed import measure_speed
from p3d_eval.errors import UserError

SPEC = InputSpec(4, (8, 8), (8, 8), (0.0,) * 3, (1.0,) * 3)
NAP = 0.03
BIG = 256 << 20


class Sleeper(nn.Module):
    def forward(self, x):
        if bool(x.isfinite().all()):  # what depends on values cannot be traced, and runs as written
            time.sleep(NAP)
        return x.flatten(1)


class Eater(nn.Module):
    def forward(self, x):
        if bool(x.isfinite().all()):
            return x.flatten(1) + torch.ones(BIG, dtype=torch.uint8).max()
        return x.flatten(1)


def backbone_of(module):
    network = Network(nn.Sequential(module), SPEC)
    return Backbone("own", network, WeightsInfo("none", "", True), torch.device("cpu"))


def test_a_nap_for_every_batch():
    found = measure_speed(backbone_of(Sleeper()), "0", batch_size=3, repeats=4)
    assert len(found.seconds) == 4
    assert min(found.seconds) >= NAP
    assert found.clips_per_second == tuple(3 / seconds for seconds in found.seconds)
    assert max(found.clips_per_second) <= 3 / NAP
    assert (found.precision, found.batch_size, found.how, found.failure) == ("fp32", 3, "as written", "")


def test_the_peak_is_that_of_this_measurement():
    large = measure_speed(backbone_of(Eater()), "0", 1, 1).peak_bytes
    small = measure_speed(backbone_of(Sleeper()), "0", 1, 1).peak_bytes
    if large is None:
        pytest.skip("this system does not tell a process's peak of memory")
    # Other memory of the process moves by a few megabytes.
    assert large - small == pytest.approx(BIG, rel=0.1)


def test_a_batch_that_does_not_fit_is_a_finding(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(speed, "Runner", full)
    found = measure_speed(backbone_of(Sleeper()), "0", 64)
    assert found.failure == "out of memory with 64 clips in a batch (OutOfMemoryError)"
    assert (found.seconds, found.clips_per_second, found.peak_bytes) == ((), (), None)


@pytest.mark.parametrize("given", [(0, 1), (1, 0), (-1, 5)])
def test_numbers_that_mean_nothing_are_refused(given):
    with pytest.raises(UserError, match="must be|1 at least"):
        measure_speed(backbone_of(Sleeper()), "0", *given)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: peak memory of a GPU is not measured")
def test_peak_of_a_gpu():
    backbone = backbone_of(nn.Conv3d(3, 64, 1))
    backbone = Backbone(backbone.name, backbone.network, backbone.weights, torch.device("cuda", 0))
    found = measure_speed(backbone, "0", 8, 2, "off")
    assert found.peak_bytes >= 8 * 64 * 4 * 8 * 8 * 4  # the output at least
