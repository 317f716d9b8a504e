"""Videos, the tiny network and a small store for the tests of this folder."""

from pathlib import Path

import numpy as np
import pytest

from p3d_eval.backbones import Backbone, load_backbone
from p3d_eval.features import write_store
from tests.support.videos import make_video

TINY = str(Path(__file__).parents[1] / "support" / "tiny.py") + ":factory"
LENGTHS = {"run/v_run_g01_c01": 9, "run/v_run_g02_c01": 30, "wave/v_wave_g01_c01": 3, "wave/v_wave_g02_c01": 61}


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four AVI files (MPEG-4 Part 2, as UCF101's) of known lengths."""
    folder = tmp_path_factory.mktemp("videos")
    for video, frames in LENGTHS.items():
        make_video(folder / f"{video}.avi", frames)
    return folder


@pytest.fixture(scope="session")
def tiny() -> Backbone:
    return load_backbone(TINY)


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        "res5c": rng.normal(size=(6, 4, 3, 2)).astype(np.float32),
        "prob": rng.random((6, 5)).astype(np.float32),
    }


@pytest.fixture
def store_path(tmp_path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """A complete file of six videos, with a failed one, classes and embedded annotations."""
    return write_store(
        tmp_path / "feats.h5",
        [f"c{i % 2}/v_{i}" for i in range(6)],
        arrays,
        backbone="i3d",
        classes=["a", "b", "c", "d", "é"],
        failed={"c1/broken": "no video stream"},
        annotations={"aslan": {"View2.mat": b"\0\1raw", "empty": b""}},
    )
