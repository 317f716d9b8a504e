"""Extraction in several processes, one for each device; CPU processes stand for GPUs here."""

import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from p3d_eval.backbones import Backbone, load_backbone
from p3d_eval.errors import UserError
from p3d_eval.features import open_features
from p3d_eval.features.extractor import extract, run_extraction
from p3d_eval.features.planning import plan_extraction
from p3d_eval.features.processes import compute_on
from p3d_eval.features.sampling import Sampling
from tests.support.videos import make_video

ROOT = Path(__file__).parents[2]
FATAL = str(ROOT / "tests" / "support" / "fatal.py") + ":factory"
OPTIONS = {"batch_size": 2, "workers": 1, "sampling": Sampling(4, clips=3)}
TWO = partial(compute_on, ("cpu", "cpu"))
BRIGHT = "v_05"  # kills `Fatal`


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Twelve videos; one is white."""
    folder = tmp_path_factory.mktemp("dozen")
    for number in range(12):
        make_video(folder / f"v_{number:02}.avi", 5 + number)
    white = np.full((32, 64, 3), 255, np.uint8)
    make_video(folder / f"{BRIGHT}.avi", [white] * 9)
    return folder


@pytest.fixture(autouse=True)
def one_thread():
    """Processes get their share of this one's threads: one here, so that the bits are the same."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def in_two(network: Backbone, videos: Path, out: Path, **changes):
    plan = plan_extraction(network, videos, "prob,res", out, **OPTIONS | changes)
    return run_extraction(plan, engine=TWO)


def same(path: Path, expected, ids) -> None:
    store = open_features(path)
    assert store.identity == expected.identity
    for layer in expected.layers:
        np.testing.assert_array_equal(store[layer].rows(ids), expected[layer].rows(ids))
        for video in ids if expected.has_clips else ():
            np.testing.assert_array_equal(
                store.clip_features(video, layer), expected.clip_features(video, layer)
            )


def test_two_processes_give_the_bits_of_one(tmp_path, folder, tiny):
    extract(tiny, folder, "prob,res", tmp_path / "one.h5", per_clip=True, **OPTIONS)
    summary = in_two(tiny, folder, tmp_path / "two.h5", per_clip=True)
    assert (summary.done, summary.failed) == (12, {})
    one = open_features(tmp_path / "one.h5")
    same(tmp_path / "two.h5", one, one.ids)
    assert not workers_left()


def workers_left() -> list[str]:
    """Command lines of worker and decoder processes that are still there."""
    gone = time.monotonic() + 10
    while time.monotonic() < gone:
        found = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
        left = [line for line in found if str(ROOT) in line and "features.worker" in line]
        if not left:
            break
        time.sleep(0.1)
    return left


def test_a_worker_that_dies_once_costs_nothing(tmp_path, folder, monkeypatch):
    network = load_backbone(FATAL)
    extract(network, folder, "prob,res", tmp_path / "one.h5", **OPTIONS)
    one = open_features(tmp_path / "one.h5")
    monkeypatch.setenv("FATAL", str(tmp_path / "deaths"))
    monkeypatch.setenv("FATAL_ONCE", "1")
    summary = in_two(network, folder, tmp_path / "two.h5")
    assert (summary.done, summary.failed) == (12, {})
    assert (tmp_path / "deaths").read_bytes() == b"!"
    same(tmp_path / "two.h5", one, one.ids)


def test_a_video_that_kills_its_worker_takes_only_its_group_with_it(tmp_path, folder, monkeypatch):
    network = load_backbone(FATAL)
    extract(network, folder, "prob,res", tmp_path / "one.h5", **OPTIONS)
    one = open_features(tmp_path / "one.h5")
    monkeypatch.setenv("FATAL", str(tmp_path / "deaths"))
    summary = in_two(network, folder, tmp_path / "two.h5")
    assert (tmp_path / "deaths").read_bytes() == b"!!"  # tried twice
    assert set(summary.failed) == {"v_04", BRIGHT}  # batches of two videos
    assert "2 workers died at it or its neighbours (SIGKILL" in summary.failed[BRIGHT]
    same(tmp_path / "two.h5", one, [video for video in one.ids if video not in summary.failed])
    monkeypatch.delenv("FATAL")  # the cause is gone: the same command tries the two again
    assert in_two(network, folder, tmp_path / "two.h5").failed == {}
    same(tmp_path / "two.h5", one, one.ids)


def test_workers_that_never_start_end_the_run(tmp_path, folder, tiny, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UserError, match="3 workers died in a row; the last one: exit status 1"):
        in_two(tiny, folder, tmp_path / "two.h5")
    assert not open_features(tmp_path / "two.h5", allow_incomplete=True).failed


def test_a_network_that_other_processes_load_differently_is_refused(tmp_path, folder, monkeypatch):
    source = Path(FATAL.rpartition(":")[0]).with_name("tiny.py").read_text()
    (tmp_path / "net.py").write_text(source)
    network = load_backbone(f"{tmp_path}/net.py:factory")
    (tmp_path / "net.py").write_text(source + "\n# changed meanwhile\n")
    with pytest.raises(UserError, match=r"options\.code_sha256 is '.*where the extraction was planned"):
        in_two(network, folder, tmp_path / "two.h5")


def test_a_network_without_a_recipe_stays_in_this_process(tmp_path, folder, tiny):
    own = Backbone("own", tiny.network, tiny.weights, tiny.device)
    with pytest.raises(UserError, match="own was not made by load_backbone"):
        in_two(own, folder, tmp_path / "two.h5")
