"""What cannot be rewritten or compiled, or is so wrongly: it runs as written, and says why."""

import logging

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional

from p3d_eval.backbones import InputSpec
from p3d_eval.backbones import runner as runner_module
from p3d_eval.backbones.graph.convolution import Convolution
from p3d_eval.backbones.graph.fusing import fuse
from p3d_eval.backbones.runner import Runner
from tests.support.rewriting import Pieces, assert_same, backbone_of, clips, spec_of, trained
from tests.support.rewriting import pieces as make_pieces

logging.getLogger("torch").setLevel(logging.WARNING)  # pytest would collect every step of tracing


@pytest.fixture(scope="module")
def pieces():
    return make_pieces()


class ByValue(Pieces):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


class Failing(Pieces):
    """Fails while it is traced, with many words."""

    def forward(self, x):
        if isinstance(x, FakeTensor):
            raise TypeError("too many words " * 50)
        return super().forward(x)


class Noisy(Pieces):
    def forward(self, x):
        return super().forward(x + 0 * torch.rand_like(x))


class Overwriting(Pieces):
    def forward(self, x):
        x = self.conv(x)
        x[:, 0] = 0
        return self.relu(x)


@pytest.mark.parametrize(
    ("kind", "layer", "reason"),
    [
        (ByValue, "prob", "the values of tensors decide"),
        (Failing, "prob", "TypeError: too many words"),
        (Noisy, "prob", "is random"),
        (Overwriting, "relu", "writes into a tensor"),
    ],
)
def test_networks_that_cannot_be_rewritten_run_as_written(kind, layer, reason):
    torch.manual_seed(0)
    backbone = backbone_of(trained(kind()), spec_of(4, 8))
    runner = Runner(backbone, layer, 2)
    assert runner.how == "as written"
    assert len(runner.notices) == 1
    assert reason in runner.notices[0]
    assert len(runner.notices[0]) < 200
    x = clips(backbone)
    assert torch.equal(runner(x)[layer], backbone.features(x, layer)[layer])


@pytest.fixture
def wrong_rewriting(monkeypatch):
    """Shift the first convolution by a number: little beside large inputs, much beside small ones."""

    def fuse_wrongly(graph, _kind):
        count = fuse(graph, Convolution)
        graph.get_submodule("convolution_0").bias += 0.05
        return count

    monkeypatch.setattr(runner_module, "fuse", fuse_wrongly)


def test_a_wrong_graph_is_found_before_the_first_batch_and_not_used(pieces, wrong_rewriting):
    runner = Runner(pieces, "conv2:avg,prob", 2)
    assert runner.how == "as written"
    assert "of the rewritten network differs by" in runner.notices[0]
    x = clips(pieces)
    assert torch.equal(runner(x)["prob"], pieces.features(x, "prob")["prob"])


@pytest.mark.parametrize("allowed", [1e-9, 1.0])
def test_how_a_network_runs_does_not_depend_on_the_batch_that_comes_first(
    pieces, wrong_rewriting, monkeypatch, allowed
):
    monkeypatch.setitem(runner_module.BOUNDS, "fp32", allowed)
    x = clips(pieces)
    first, resumed = Runner(pieces, "conv2:avg,prob", 2), Runner(pieces, "conv2:avg,prob", 2)
    assert first.difference == resumed.difference
    first(x * 1e-3)  # each of these batches alone would say something else of the fault
    resumed(x * 1e5)
    for name, values in first(x).items():
        assert torch.equal(values, resumed(x)[name])
    assert (first.how == "as written") == (allowed < 1)


def test_other_batches_than_announced_run_as_written(pieces):
    runner = Runner(pieces, "prob", 3)
    x = clips(pieces, 2)
    assert torch.equal(runner(x)["prob"], pieces.features(x, "prob")["prob"])


def test_without_a_compiler_the_network_runs_uncompiled(pieces, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    runner = Runner(pieces, "prob", 2, "on")
    assert "no C++ compiler" in runner.notices[0]
    expected = pieces.features(clips(pieces), "prob")["prob"]
    torch.testing.assert_close(runner(clips(pieces))["prob"], expected, rtol=1e-6, atol=1e-7)


def test_a_compiler_that_fails_is_done_without(pieces, monkeypatch):
    def failing(*_args, **_kwargs):
        def run(_x):
            raise RuntimeError("CppCompileError: what it says\nand 300 lines")

        return run

    monkeypatch.setattr(torch, "compile", failing)
    runner = Runner(pieces, "prob", 2, "on")
    if runner_module._cpp_compiler():
        assert runner.notices == [
            "torch.compile failed, the network runs without: RuntimeError: CppCompileError: what it says"
        ]
    assert runner(clips(pieces))["prob"].shape == (2, 4)


class Attention(nn.Module):
    """Attention over frames, with so much dropout as is said: none, as transformers call it in evaluation."""

    def __init__(self, dropout):
        super().__init__()
        self.dropout = dropout
        self.embed = nn.Linear(3 * 8 * 8, 6)
        self.out = nn.Identity()

    def forward(self, x):
        tokens = self.embed(x.transpose(1, 2).flatten(2))[:, None]
        return self.out(functional.scaled_dot_product_attention(tokens, tokens, tokens, dropout_p=self.dropout))


@pytest.mark.parametrize(("dropout", "how"), [(0.0, "graph"), (0.5, "as written")])
def test_attention_without_dropout_is_not_random(dropout, how):
    torch.manual_seed(0)
    spec = InputSpec(6, (8, 8), (8, 8), (0.0,) * 3, (255.0,) * 3)
    backbone = backbone_of(Attention(dropout), spec)
    runner = Runner(backbone, "out", 2)
    assert runner.how.startswith(how)
    if not dropout:
        assert_same(runner, clips(backbone))
