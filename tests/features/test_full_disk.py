"""A disk that is full, or becomes full: exit code 2, and no video is called done whose values are not there."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from p3d_eval.errors import UserError
from p3d_eval.features import open_features
from p3d_eval.features.extractor import extract
from p3d_eval.features.importers import import_features
from p3d_eval.features.sampling import Sampling
from tests.features.conftest import TINY

ROOT = Path(__file__).parents[2]

# The command line with files limited to so many bytes: from the start, or once so many videos are done.
LIMITED = """
import resource, sys
from p3d_eval.cli import app
from p3d_eval.progress import Progress

limit, after = int(sys.argv[1]), int(sys.argv[2])
if after == 0:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
advance = Progress.advance

def counting(self, steps=1):
    global after
    advance(self, steps)
    after -= 1
    if after == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

Progress.advance = counting
app(sys.argv[3:])
"""


def limited(limit: int, after: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMITED, str(limit), str(after), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def extraction(videos: Path, out: Path, *more: object) -> list[object]:
    words = ["--backbone", TINY, "--videos", videos, "--layers", "prob,res", "--batch-size", 1, "--clips", 2]
    return ["extract", *words, "--out", out, *more]


def refused(result: subprocess.CompletedProcess[str], *names: str) -> None:
    """Check for exit code 2 and one line with its hint."""
    assert result.returncode == 2, (result.returncode, result.stderr)
    message = result.stderr[result.stderr.index("error: ") :]
    assert len(message.strip().splitlines()) == 2, message
    for name in names:
        assert name in message


@pytest.fixture
def good(tmp_path, videos, tiny):
    extract(tiny, videos, "prob,res", tmp_path / "good.h5", batch_size=1, sampling=Sampling(4, clips=2))
    return open_features(tmp_path / "good.h5")


def done_as_in(path: Path, good) -> int:
    """Compare every video that the file calls done; return how many there are."""
    store = open_features(path, allow_incomplete=True)
    assert not store.complete
    assert store.failed == {}
    for layer in store.layers:
        np.testing.assert_array_equal(store[layer][:], good[layer].rows(store.ids))
    return len(store.ids)


def test_no_room_for_the_file_is_found_before_the_first_video(tmp_path, videos, good):
    limit = int(0.9 * good.path.stat().st_size)
    refused(limited(limit, 0, *extraction(videos, tmp_path / "f.h5")), "f.h5", "Free space")
    assert [path.name for path in tmp_path.iterdir()] == ["good.h5"]


def test_a_disk_that_fails_half_way_keeps_what_is_done(tmp_path, videos, tiny, good):
    out = tmp_path / "f.h5"
    # res is the last dataset: the limit lies in the third video's row, after two videos are done.
    size = good.path.stat().st_size
    row = good["res"].shape[1] * 4
    refused(limited(size - row - row // 2, 2, *extraction(videos, out)), "f.h5", "Free space")
    assert done_as_in(out, good) == 2
    extract(tiny, videos, "prob,res", out, batch_size=1, sampling=Sampling(4, clips=2))
    for layer in good.layers:
        np.testing.assert_array_equal(open_features(out)[layer], good[layer])


def test_writes_that_never_reach_the_disk_are_not_called_done(tmp_path, videos, tiny, monkeypatch):
    synced = os.fsync
    fails = False

    class Failing:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def advance(self):
            nonlocal fails
            fails = True

        def describe(self, detail):
            pass

        def note(self, text):
            raise AssertionError(text)

    def fsync(descriptor):
        if fails:
            raise OSError(28, "No space left on device")
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(UserError, match=r"cannot write .*f\.h5: No space left"):
        extract(tiny, videos, "res", tmp_path / "f.h5", batch_size=1, progress=lambda *_: Failing())
    monkeypatch.setattr(os, "fsync", synced)
    assert len(open_features(tmp_path / "f.h5", allow_incomplete=True).ids) == 1


@pytest.mark.parametrize("share", [0.0, 0.999])
def test_import_on_a_full_disk(tmp_path, share):
    values = np.random.default_rng(0).normal(size=(40, 3000)).astype(np.float32)
    np.save(tmp_path / "a.npy", values)
    (tmp_path / "ids.txt").write_text("\n".join(f"v{number}" for number in range(40)))
    words = ["import", tmp_path / "a.npy", "--ids", tmp_path / "ids.txt", "--name", "x", "--out"]
    import_features(tmp_path / "a.npy", tmp_path / "whole.h5", name="x", ids=tmp_path / "ids.txt")
    size = (tmp_path / "whole.h5").stat().st_size
    refused(limited(int(share * size), 0, *words, tmp_path / "f.h5"), "f.h5: File too large", "Free space")
    assert {path.name for path in tmp_path.iterdir()} == {"a.npy", "ids.txt", "whole.h5"}


def test_space_is_set_aside_not_only_promised(tmp_path, videos, tiny):
    with pytest.raises(KeyboardInterrupt):
        extract(tiny, videos, "res", tmp_path / "f.h5", per_clip=True, progress=_interrupt)
    found = (tmp_path / "f.h5").stat()
    assert found.st_blocks * 512 >= found.st_size  # a sparse file has fewer blocks


def _interrupt(*_):
    raise KeyboardInterrupt


@pytest.mark.ci
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_file_system_that_is_full(tmp_path, videos, good):
    mount = tmp_path / "small"
    mount.mkdir()
    size = good.path.stat().st_size
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size // 2}", "tmpfs", mount], check=False
    ).returncode:
        pytest.skip("mounting is not permitted")
    try:
        refused(limited(1 << 30, 0, *extraction(videos, mount / "f.h5")), "f.h5")
        np.save(tmp_path / "a.npy", good["res"][:])
        (tmp_path / "ids.txt").write_text("\n".join(good.ids))
        words = ["import", tmp_path / "a.npy", "--ids", tmp_path / "ids.txt", "--name", "x"]
        refused(limited(1 << 30, 0, *words, "--out", mount / "i.h5"), "i.h5: No space left")
        assert list(mount.iterdir()) == []
        with pytest.raises(UserError, match="No space left"):
            import_features(tmp_path / "a.npy", mount / "i.h5", name="x", ids=tmp_path / "ids.txt")
    finally:
        subprocess.run(["umount", mount], check=True)
