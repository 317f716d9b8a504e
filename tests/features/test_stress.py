"""Three hundred video files, most of them damaged: nothing good is lost, nothing bad hidden."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from p3d_eval.features import open_features
from p3d_eval.features.extractor import extract
from p3d_eval.features.sampling import Sampling
from tests.features.conftest import TINY
from tests.support.mutations import good_videos, mutated_corpus

ROOT = Path(__file__).parents[2]
FILES = 300
HOPELESS = ("zero length", "header only", "not a video")
SMALL = 300_000  # bytes of a real clip that is worth thirty copies


def _real_clips() -> list[Path]:
    folder = os.environ.get("P3D_EVAL_TEST_DATA")
    clips = Path(folder, "clips") if folder else Path("nowhere")
    found = sorted(path for path in clips.rglob("*.*") if path.suffix in (".avi", ".mp4", ".webm"))
    return [path for path in found if path.stat().st_size < SMALL][:3]


@pytest.mark.ci
def test_three_hundred_files_good_and_bad(tmp_path, tiny):
    (tmp_path / "good").mkdir()
    sources = good_videos(tmp_path / "good") + _real_clips()
    corpus = mutated_corpus(tmp_path / "v", sources, FILES, seed=4)
    sampling = Sampling(4, clips=2)
    expected, frames = {}, {}
    for number, source in enumerate(sources):
        one = tmp_path / f"{number}.txt"
        one.write_text(f"{source}\n")
        extract(tiny, one, "res", tmp_path / f"{number}.h5", sampling=sampling, root=source.parent)
        store = open_features(tmp_path / f"{number}.h5")
        expected[source], frames[source] = store["res"][0], store.video_table["frames"][0]

    out = tmp_path / "f.h5"
    words = ["--backbone", TINY, "--videos", str(tmp_path / "v"), "--layers", "res", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "p3d_eval", "extract", *words, "--clips", "2", "--json", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    summary = json.loads(done.stdout)
    store = open_features(out)
    assert summary["failed"] == store.failed
    assert len(store.ids) + len(store.failed) == summary["expected"] == FILES
    assert all(reason.strip() for reason in store.failed.values())
    assert not [reason for reason in store.failed.values() if "crashed" in reason or "given up" in reason]
    for mutation in corpus:
        video = mutation.path.stem
        if mutation.kind in HOPELESS:
            assert video in store.failed
        if mutation.intact:
            row = store.positions[video]
            assert store.video_table["frames"][store.file_rows[row]] == frames[mutation.source]
            # Another place in the batch: the last bit of float32 may differ.
            np.testing.assert_allclose(
                store["res"][row], expected[mutation.source], rtol=1e-5, atol=1e-6, err_msg=video
            )
