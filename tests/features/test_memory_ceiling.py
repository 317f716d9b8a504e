"""Resident memory stays under a ceiling, whatever the length of a video."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.support.videos import make_long_video

ROOT = Path(__file__).parents[2]
CEILING = 1 << 30  # bytes, of the process and its decoder: torch and FFmpeg, two copies of shared memory
GROWTH = 96 << 20  # from a video to one ten times as long

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")


def _texture(step: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    return np.roll(np.kron(coarse, np.ones((8, 8, 1), np.uint8)), (step, 2 * step), (0, 1))


def _peak(video: Path, kind: str) -> int:
    command = [sys.executable, "-m", "tests.support.resident", str(video), str(video.with_suffix(".h5")), kind]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return sum(map(int, done.stdout.split()))


def _long_video(path: Path, frames: int) -> Path:
    period = [_texture(step) for step in range(50)]
    return make_long_video(path, period, frames // len(period))


def test_a_video_of_2000_frames_stays_under_the_ceiling(tmp_path):
    assert _peak(_long_video(tmp_path / "v.avi", 2000), "sliding") < CEILING


@pytest.mark.ci
@pytest.mark.parametrize("kind", ["uniform", "sliding"])
def test_20000_frames_of_320_by_240_stay_under_the_ceiling(tmp_path, kind):
    short = _peak(_long_video(tmp_path / "short.avi", 2000), kind)
    long = _peak(_long_video(tmp_path / "long.avi", 20_000), kind)
    assert long < CEILING
    assert long - short < GROWTH
