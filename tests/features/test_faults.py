"""Injected faults: torn writes, errors of the disk, power that goes between two writes, truncation."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from p3d_eval.features import open_features
from p3d_eval.features.extractor import extract
from p3d_eval.features.sampling import Sampling
from tests.support.disk import RecordedDisk

ROOT = Path(__file__).parents[2]
OPTIONS = {"batch_size": 3, "per_clip": True, "sampling": Sampling(4, clips=3)}


def promised(path: Path, expected) -> int:
    """Check every video that the file calls done; return how many there are."""
    store = open_features(path, allow_incomplete=True)
    assert store.failed == {}
    assert not store.complete or store.ids == expected.ids
    table, whole = store.video_table, expected.video_table
    for column in ("frames", "clips"):
        rows = store.file_rows
        np.testing.assert_array_equal(table[column][rows], whole[column][rows])
    for layer in store.layers:
        np.testing.assert_array_equal(store[layer][:], expected[layer].rows(store.ids))
        for video in store.ids:
            np.testing.assert_array_equal(store.clip_starts(video), expected.clip_starts(video))
            np.testing.assert_array_equal(
                store.clip_features(video, layer), expected.clip_features(video, layer)
            )
    return len(store.ids)


def test_a_file_is_honest_whatever_the_disk_kept_of_unsynced_writes(tmp_path, videos, tiny, monkeypatch):
    out = tmp_path / "f.h5"
    disk = RecordedDisk(out)
    with monkeypatch.context() as patched:
        disk.attach(patched)
        extract(tiny, videos, "prob,res", out, **OPTIONS)
    expected = open_features(out)
    chance = random.Random(7)
    crashed = tmp_path / "crashed.h5"
    seen = set()
    for number in range(200):
        moment = chance.randint(0, len(disk.events))
        crashed.write_bytes(disk.after_crash(moment, chance))
        seen.add(promised(crashed, expected))
        if number % 40 == 0:
            extract(tiny, videos, "prob,res", crashed, **OPTIONS)
            assert promised(crashed, expected) == len(expected.ids)
    assert seen == set(range(len(expected.ids) + 1))
    crashed.write_bytes(disk.after_crash(len(disk.events), chance))
    assert open_features(crashed).complete  # the last event is a sync


def test_the_simulated_disk_finds_a_status_that_is_written_too_early(tmp_path, videos, tiny, monkeypatch):
    """Without the sync before the status, the same crashes must show videos that are done and wrong."""
    from p3d_eval.features.direct import RowWriter

    out = tmp_path / "f.h5"
    disk = RecordedDisk(out)
    with monkeypatch.context() as patched:
        patched.setattr(RowWriter, "sync", lambda _: None)
        disk.attach(patched)
        extract(tiny, videos, "prob,res", out, **OPTIONS)
    expected = open_features(out)
    chance = random.Random(7)
    crashed = tmp_path / "crashed.h5"

    def crash() -> None:
        for _ in range(100):
            crashed.write_bytes(disk.after_crash(chance.randint(0, len(disk.events)), chance))
            promised(crashed, expected)

    with pytest.raises(AssertionError):
        crash()


def _tear(videos: Path, tmp_path: Path, cases: int, seed: int, tiny) -> None:
    extract(tiny, videos, "prob,res", tmp_path / "whole.h5", batch_size=3, per_clip=True)
    expected = open_features(tmp_path / "whole.h5")
    out = tmp_path / "f.h5"
    words = [str(videos), str(out), str(cases), str(seed)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.tearing", *words],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    midway = 0
    for number in range(cases):
        torn = tmp_path / f"f.h5.{number}.torn"
        if torn.exists():
            midway += 0 < promised(torn, expected) < len(expected.ids)
        assert promised(tmp_path / f"f.h5.{number}", expected) == len(expected.ids)
    assert midway > 0
    left = {path.name for path in tmp_path.iterdir() if path.name.startswith(".")}
    assert left == set()  # what torn runs left under temporary names was removed by the next ones


def test_torn_writes_are_never_called_done(tmp_path, videos, tiny):
    _tear(videos, tmp_path, cases=4, seed=3, tiny=tiny)


@pytest.mark.ci
def test_twenty_torn_writes_are_never_called_done(tmp_path, videos, tiny):
    _tear(videos, tmp_path, cases=20, seed=4, tiny=tiny)


def test_every_truncation_of_an_unfinished_file_is_found(tmp_path, videos, tiny):
    """A run does not go on in a file that was cut off; the message names the file and what to do."""
    from p3d_eval.errors import UserError

    out = tmp_path / "f.h5"
    extract(tiny, videos, "prob,res", out, **OPTIONS)
    content = out.read_bytes()
    chance = random.Random(1)
    for size in [0, 1, len(content) - 1, *(chance.randrange(len(content)) for _ in range(40))]:
        out.write_bytes(content[:size])
        with pytest.raises(UserError, match=r"f\.h5") as caught:
            extract(tiny, videos, "prob,res", out, **OPTIONS)
        assert caught.value.hint
        assert out.stat().st_size == size
