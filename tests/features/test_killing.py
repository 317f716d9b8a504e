"""Runs killed with SIGKILL at random moments: never a damaged file, and in the end the same features."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from p3d_eval.features import open_features
from p3d_eval.features.extractor import extract
from tests.features.conftest import TINY
from tests.support.processes import left_over, mark

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def many_videos(tmp_path_factory):
    from tests.support.videos import make_video

    folder = tmp_path_factory.mktemp("many")
    for number in range(16):
        make_video(folder / f"v_{number:02}.avi", 6 + number)
    return folder


@pytest.fixture(autouse=True)
def slow(monkeypatch):
    """The network sleeps, and is computed as it is when it does: a kill should find the run at work."""
    monkeypatch.setenv("TINY_DELAY", "0.001")


def _kill_and_compare(folder: Path, tmp_path: Path, kills: int, seed: int, longest: float) -> None:
    from p3d_eval.backbones import load_backbone

    whole = tmp_path / "whole.h5"
    extract(load_backbone(TINY), folder, "prob,res", whole, batch_size=3, per_clip=True)
    expected = open_features(whole)
    out = tmp_path / "killed.h5"
    arguments = [str(folder), str(out), str(kills), str(seed), str(longest)]
    marked = mark()
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    environment = os.environ | {"TINY_DELAY": "0.01"} | threads | marked
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.killing", *arguments],
        cwd=ROOT,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not left_over(marked)  # decoders end with the run that was killed
    found = open_features(out)
    assert found.identity == expected.identity
    assert found.ids == expected.ids
    stopped_midway = 0
    for number in range(kills + 1):
        copy = tmp_path / f"killed.h5.{number}"
        if copy.exists():
            stopped_midway += _agrees(copy, expected)
    assert _agrees(out, expected) == 0
    assert stopped_midway > 0  # the kills hit the run itself, not only its start


def _agrees(path: Path, expected) -> bool:
    """Check every video that the file says is done; return whether the run was under way."""
    store = open_features(path, allow_incomplete=True)
    assert store.failed == {}
    for layer in store.layers:
        np.testing.assert_array_equal(store[layer][:], expected[layer].rows(store.ids))
        for video in store.ids:
            np.testing.assert_array_equal(
                store.clip_features(video, layer), expected.clip_features(video, layer)
            )
    return 0 < len(store.ids) < len(store.expected_ids)


def test_killed_runs_resume_to_the_same_features(tmp_path, many_videos):
    _kill_and_compare(many_videos, tmp_path, kills=3, seed=1, longest=0.5)


@pytest.mark.ci
def test_twenty_kills_resume_to_the_same_features(tmp_path, many_videos):
    _kill_and_compare(many_videos, tmp_path, kills=20, seed=2, longest=0.15)
