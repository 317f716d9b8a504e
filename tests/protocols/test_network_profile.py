"""``p3d-eval profile`` as typed, and its result."""

import json
import statistics
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

from p3d_eval.backbones import load_backbone, speed
from p3d_eval.backbones.speed import Speed
from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.protocols import network_profile
from p3d_eval.protocols.network_profile import ProfileOptions, profile_network
from p3d_eval.protocols.result import Result
from tests.support.exported import write_onnx

TINY = str(Path(__file__).parents[1] / "support" / "tiny.py") + ":factory"
# tiny.py: 3 → 6 channels, 3 × 5 × 5 kernels, stride 4 in space and padding 2: 4 × 4 × 8 outputs; 6 → 5 classes.
MACS = 4 * 4 * 8 * 6 * 3 * 75 + 6 * 5


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def result():
    options = ProfileOptions(precisions=("fp32", "auto"), batch_sizes=(1, 3), repeats=3)
    return profile_network(load_backbone(TINY), options)


def test_costs_and_speeds(result):
    value = {name: metric.value for name, metric in result.metrics.items()}
    assert (value["macs"], value["flops"]) == (MACS, 2 * MACS)
    assert value["model_bytes"] == 4 * value["parameters"] == 4 * (6 * 3 * 75 + 6 + 6 * 5 + 5)
    assert value["frames_per_second"] == pytest.approx(4 * value["clips_per_second"])
    assert result.options["layers"] == "prob"


def test_every_way_is_a_variant_and_the_fastest_the_headline(result):
    settings = [(one.options["precision"], one.options["batch_size"]) for one in result.variants]
    assert settings == [("fp32", 1), ("fp32", 3)] * 2  # auto is fp32 on a processor
    rates = [one.metrics["clips_per_second"].value for one in result.variants]
    (headline,) = [one for one in result.variants if one.headline]
    assert headline.metrics["clips_per_second"].value == max(rates)
    assert result.metrics["clips_per_second"] == headline.metrics["clips_per_second"]
    for one in result.variants:
        rate = one.metrics["clips_per_second"]
        assert rate.low <= rate.value <= rate.high
        assert (rate.n, rate.unit) == (3, "batches")


def test_the_result_is_a_result(result, tmp_path):
    again = Result.load(result.save(tmp_path / "x.json"))
    assert again.metrics == result.metrics
    assert (again.result_id, again.protocol) == (result.result_id, "profile")
    assert again.features["backbone"] == TINY


def test_median_of_the_batches(monkeypatch):
    times = iter([1.0, 4.0, 2.0])
    fake = speed.Speed("fp32", 2, tuple(times), None, "as written")
    monkeypatch.setattr("p3d_eval.protocols.network_profile.measure_speed", lambda *_: fake)
    found = profile_network(load_backbone(TINY), ProfileOptions(batch_sizes=(2,)))
    rate = found.metrics["clips_per_second"]
    assert (rate.low, rate.value, rate.high) == (0.5, statistics.median([2, 0.5, 1]), 2)
    assert found.metrics["peak_bytes"].value is None
    assert "does not tell" in found.metrics["peak_bytes"].reason


def test_the_command_writes_one_result_a_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("profile", "--backbone", TINY, "--batch-size", 2, "--repeats", 1, "--device", "cpu")
    done = run(*words)
    assert done.exit_code == 0, done.output
    path = tmp_path / "results" / "profile-tiny.py-factory.json"
    assert Result.load(path).metrics["macs"].value == MACS
    assert "multiply-adds" in done.stdout
    # 1,391 numbers of four bytes, in the unit of the paper's Table 1 and of the reports, which is 2²⁰ bytes.
    assert ["model", "size", "0.005306", "MiB"] in [line.split() for line in done.stdout.splitlines()]
    assert "peak MiB" in done.stdout
    again = run(*words)
    assert again.exit_code == 2
    assert "exists" in again.output
    listed = json.loads(run(*words, "--json", "--out", "other.json").stdout)
    assert [one["metrics"]["macs"]["value"] for one in listed] == [MACS]
    assert run(*words, "--overwrite", "--quiet").output == ""
    wider = run(*words, "--option", "gain=9", "--quiet")
    assert wider.exit_code == 0, wider.output
    assert (tmp_path / "results" / "profile-tiny.py-factory-gain-9.json").is_file()


def test_large_rates_are_written_out(tmp_path, monkeypatch):
    fast = speed.Speed("fp32", 2, (2**-13,), None, "as written")
    monkeypatch.setattr("p3d_eval.protocols.network_profile.measure_speed", lambda *_: fast)
    done = run(
        "profile", "--backbone", TINY, "--batch-size", 2, "--device", "cpu", "--out", tmp_path / "p.json"
    )
    assert ["fp32", "2", "16,384", "16,384", "16,384", "65,536", "–"] in map(
        str.split, done.stdout.splitlines()
    )


def test_a_batch_too_large_is_listed_and_the_rest_measured(tmp_path, monkeypatch):
    runner = speed.Runner

    def full(backbone, layers, batch_size, compiling):
        if batch_size == 9:
            raise torch.OutOfMemoryError
        return runner(backbone, layers, batch_size, compiling)

    monkeypatch.setattr(speed, "Runner", full)
    out = tmp_path / "p.json"
    words = ("--batch-size", 9, "--batch-size", 1, "--repeats", 1, "--device", "cpu", "--out")
    done = run("profile", "--backbone", TINY, *words, out)
    assert done.exit_code == 3
    assert "out of memory with 9 clips in a batch" in done.output
    first, second = Result.load(out).variants
    assert first.metrics["clips_per_second"].value is None
    assert second.metrics["clips_per_second"].value > 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--backbone", "p3d1999"), "Did you mean p3d199"),
        (("--backbone", TINY, "--precision", "fp8"), "unknown precision"),
        (("--backbone", TINY, "--layers", "pool6"), "pool6"),
        (("--backbone", TINY, "--batch-size", 0), "1 at least"),
        (("--backbone", TINY, "--device", "cuda:99"), "not available"),
        (("--backbone", TINY, "--backbone", "p3d1999"), "Did you mean p3d199"),
        (("--backbone", TINY, "--backbone", f"other/{Path(TINY).name}"), "two networks would be written to"),
        (("--backbone", TINY, "--crop-size", "64"), "does not fit"),
        (("--backbone", TINY, "--backbone", "p3d63", "--out", "x.json"), "one file for 2 networks"),
        (("--backbone", TINY, "--out", "x.txt"), "x.txt: the name of a result ends in .json"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(words, complaint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run("profile", *words)
    assert done.exit_code == 2
    assert complaint in done.output
    assert not list(tmp_path.rglob("*.json"))


def test_a_longer_clip_costs_more(tmp_path):
    words = ("--clip-length", 8, "--batch-size", 1, "--repeats", 1, "--device", "cpu", "--out")
    assert run("profile", "--backbone", TINY, *words, tmp_path / "p.json").exit_code == 0
    result = Result.load(tmp_path / "p.json")
    assert result.metrics["macs"].value == 2 * (MACS - 30) + 30
    assert result.features["input_spec"]["clip_length"] == 8


def test_what_a_file_does_not_say_of_its_input_can_be_said(tmp_path):
    path, out = write_onnx(tmp_path / "net.onnx", ["N", 3, 5, 16, 32], said=None), tmp_path / "p.json"
    words = ("profile", "--backbone", path, "--batch-size", 1, "--repeats", 1, "--device", "cpu", "--out", out)
    refused = run(*words)
    assert refused.exit_code == 2
    given = refused.stderr.partition("trained with: ")[2].split()  # the hint, as it stands
    done = run(*words, *given[:1], "16x32", *given[2:])
    assert done.exit_code == 0, done.output
    assert ["parameters", "–"] in [line.split() for line in done.stdout.splitlines()]
    assert "– another library holds the weights" in done.stdout
    found = Result.load(out)
    assert found.features["input_spec"]["mean"] == [0.45, 0.45, 0.45]
    assert found.metrics["parameters"].value is None
    assert found.metrics["model_bytes"].value > 0


def test_options_name_something():
    with pytest.raises(UserError, match="no precision"):
        ProfileOptions(precisions=())


def test_the_prediction_counts_every_batch_that_is_run(monkeypatch):
    """One clip takes 0.5 s: of 2.5 s with a check, a warm-up and a timed batch, 1.0 s is done once a size."""
    network = load_backbone(TINY)
    clock = iter((10.0, 12.5))
    monkeypatch.setattr(network_profile, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(
        network_profile, "measure_speed", lambda *_: Speed("fp32", 1, (0.5,), None, "as written")
    )
    options = ProfileOptions(layers="flat", precisions=("fp32",), batch_sizes=(1, 8, 8), repeats=5)
    assert network_profile.predict_seconds(network, options) == 2 * 1.0 + (1 + 8) * (2 + 5) * 0.5
