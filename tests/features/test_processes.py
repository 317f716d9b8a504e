"""Extraction in several processes, one for each device; CPU processes stand for GPUs here."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from p3d_eval.backbones import Backbone, load_backbone
from p3d_eval.errors import UserError
from p3d_eval.features import open_features
from p3d_eval.features.engines import choose_engine
from p3d_eval.features.extractor import extract
from p3d_eval.features.planning import plan_extraction
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.worker import Orders
from tests.features.conftest import TINY
from tests.support.processes import left_over, mark
from tests.support.videos import make_video

ROOT = Path(__file__).parents[2]
FATAL = str(ROOT / "tests" / "support" / "fatal.py") + ":factory"
OPTIONS = {"batch_size": 2, "workers": 1, "sampling": Sampling(4, clips=3)}
TWO = choose_engine(device="cpu", processes=2)
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
    return extract(network, videos, "prob,res", out, engine=TWO, **OPTIONS | changes)


def same(path: Path, expected, ids) -> None:
    store = open_features(path)
    assert store.identity == expected.identity
    for layer in expected.layers:
        np.testing.assert_array_equal(store[layer].rows(ids), expected[layer].rows(ids))
        for video in ids if expected.has_clips else ():
            np.testing.assert_array_equal(
                store.clip_features(video, layer), expected.clip_features(video, layer)
            )


def test_two_processes_give_the_bits_of_one(tmp_path, folder, tiny, marked):
    summary = in_two(tiny, folder, tmp_path / "two.h5", per_clip=True)
    assert (summary.done, summary.failed) == (12, {})
    assert not left_over(marked)
    extract(tiny, folder, "prob,res", tmp_path / "one.h5", per_clip=True, **OPTIONS)
    one = open_features(tmp_path / "one.h5")
    same(tmp_path / "two.h5", one, one.ids)
    two = open_features(tmp_path / "two.h5")
    assert two.provenance["device"] == "cpu, 2 processes"
    assert json.loads(two.runs[0]["settings"])["processes"] == 2


@pytest.fixture
def marked(monkeypatch) -> dict[str, str]:
    """Environment of all processes that a test starts."""
    word = mark()
    for name, value in word.items():
        monkeypatch.setenv(name, value)
    return word


def test_a_worker_that_dies_once_costs_nothing(tmp_path, folder, monkeypatch, marked):
    network = load_backbone(FATAL)
    extract(network, folder, "prob,res", tmp_path / "one.h5", **OPTIONS)
    one = open_features(tmp_path / "one.h5")
    monkeypatch.setenv("FATAL", str(tmp_path / "deaths"))
    monkeypatch.setenv("FATAL_ONCE", "1")
    summary = in_two(network, folder, tmp_path / "two.h5")
    assert (summary.done, summary.failed) == (12, {})
    assert not left_over(marked)  # the dead worker's decoder ended too
    assert (tmp_path / "deaths").read_bytes() == b"!"
    same(tmp_path / "two.h5", one, one.ids)


@pytest.mark.ci
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


@pytest.mark.ci
def test_a_network_that_other_processes_load_differently_is_refused(tmp_path, folder, monkeypatch):
    source = Path(FATAL.rpartition(":")[0]).with_name("tiny.py").read_text()
    (tmp_path / "net.py").write_text(source)
    network = load_backbone(f"{tmp_path}/net.py:factory")
    (tmp_path / "net.py").write_text(source + "\n# changed meanwhile\n")
    with pytest.raises(UserError, match=r"options\.code_sha256 is '.*where the extraction was planned"):
        in_two(network, folder, tmp_path / "two.h5")


def test_a_machine_that_does_not_see_the_videos_is_refused(tmp_path, tiny):
    moved = make_video(tmp_path / "v" / "v.avi", 9)
    plan = plan_extraction(tiny, tmp_path / "v", "res", tmp_path / "f.h5", **OPTIONS)
    orders = pickle.loads(pickle.dumps(Orders.of(plan, 1, 3)))
    again = orders.unpack("cpu")
    assert (again.videos, again.workers, again.backbone.weights) == (plan.videos, 3, tiny.weights)
    moved.rename(tmp_path / "elsewhere.avi")
    with pytest.raises(UserError, match=r"v\.avi is not there\nEvery machine must see the videos"):
        orders.unpack("cpu")


def test_a_network_without_a_recipe_stays_in_this_process(tmp_path, folder, tiny):
    own = Backbone("own", tiny.network, tiny.weights, tiny.device)
    with pytest.raises(UserError, match="own was not made by load_backbone"):
        in_two(own, folder, tmp_path / "two.h5")
    assert list(tmp_path.iterdir()) == []


def interrupted(signal_number: int, videos: Path, out: Path) -> subprocess.Popen[str]:
    """Run the command line in two processes, and signal it once a video is stored."""
    words = [
        "--backbone",
        TINY,
        "--videos",
        str(videos),
        "--layers",
        "res",
        "--processes",
        "2",
        "--workers",
        "2",
    ]
    more = ["--batch-size", "2", "--clips", "6", "--out", str(out)]
    run = subprocess.Popen(
        [sys.executable, "-m", "p3d_eval", "extract", *words, *more],
        cwd=ROOT,
        env=os.environ | {"TINY_DELAY": "0.2", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    late = time.monotonic() + 60
    while time.monotonic() < late:
        if out.exists() and open_features(out, allow_incomplete=True).ids:
            break
        time.sleep(0.05)
    run.send_signal(signal_number)
    return run


@pytest.mark.ci
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_run_that_is_stopped_leaves_no_process_and_goes_on(
    tmp_path, folder, tiny, marked, monkeypatch, sent, code
):
    monkeypatch.setenv("TINY_DELAY", "0.001")  # as written here too
    out = tmp_path / "two.h5"
    run = interrupted(sent, folder, out)
    assert run.wait(30) == code
    assert not left_over(marked)
    done = open_features(out, allow_incomplete=True).ids
    assert 0 < len(done) < 12
    options = OPTIONS | {"sampling": Sampling(4, clips=6)}
    assert extract(tiny, folder, "res", out, **options).skipped == len(done)
    extract(tiny, folder, "res", tmp_path / "one.h5", **options)
    np.testing.assert_array_equal(open_features(out)["res"][:], open_features(tmp_path / "one.h5")["res"][:])
