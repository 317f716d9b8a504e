"""Cutting an extraction into shards, and putting their files together again."""

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.features import embed_annotations, merging, open_features
from p3d_eval.features.extractor import extract
from p3d_eval.features.layer import read_rows
from p3d_eval.features.merging import merge_shards
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.sharding import Shard
from p3d_eval.features.store import FeatureStore
from tests.features.conftest import TINY
from tests.support.videos import make_video

NUMBER = 7  # videos of the folder below, the fourth broken


@given(st.integers(1, 500), st.integers(1, 16), st.integers(1, 40))
def test_shards_cover_all_videos_once_and_cut_between_groups(videos, group, count):
    groups = -(-videos // group)
    if count > groups:
        with pytest.raises(UserError, match=f"make {groups} shards at most"):
            Shard(1, count).rows(videos, group)
        return
    shards = [Shard(index, count).rows(videos, group) for index in range(1, count + 1)]
    assert [row for shard in shards for row in shard] == list(range(videos))
    assert all(shard.start % group == 0 for shard in shards)
    sizes = [-(-len(shard) // group) for shard in shards]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "a/3", "1/", "/3", "-1/3", "1/3/5", "1.0/3", "²/3"])
def test_unusable_shards_are_named(text):
    with pytest.raises(UserError, match=r"unusable shard .*\n.*--shard i/n"):
        Shard.parse(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Videos of 5 to 11 frames, the fourth of them broken."""
    folder = tmp_path_factory.mktemp("some")
    for number in range(NUMBER):
        make_video(folder / f"v_{number}.avi", 5 + number)
    (folder / "v_3.avi").write_bytes(b"RIFF, but no video")
    return folder


class Run:
    """One extraction, whole or in shards of groups of two videos."""

    def __init__(self, network, videos: Path, target: Path, **options) -> None:
        self.network, self.videos, self.target = network, videos, target
        self.options = {"batch_size": 2, "sampling": Sampling(4, clips=3)} | options

    def whole(self) -> FeatureStore:
        out = self.target / "whole.h5"
        extract(self.network, self.videos, "prob,res", out, **self.options)
        return open_features(out)

    def shard(self, index: int, count: int, **changes) -> Path:
        out = self.target / f"shard-{index}.h5"
        extract(self.network, self.videos, "prob,res", out, shard=f"{index}/{count}", **self.options | changes)
        return out

    def shards(self, count: int) -> list[Path]:
        return [self.shard(index, count) for index in range(1, count + 1)]


@pytest.fixture
def run(tmp_path, folder, tiny) -> Run:
    return Run(tiny, folder, tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"per_clip": True, "dtype": "float16"},
        {"per_clip": True, "sampling": Sampling(4, kind="sliding", clip_stride=2)},
        {"sampling": Sampling(4, kind="random", clips=1, seed=5), "batch_size": 3},
    ],
    ids=["means", "clips in float16", "sliding clips", "random clip"],
)
@pytest.mark.parametrize("count", [1, 3])
def test_merged_shards_are_the_undivided_run(tmp_path, folder, tiny, options, count):
    run = Run(tiny, folder, tmp_path, **options)
    whole = run.whole()
    annotations = {"aslan": {"View2.mat": b"raw"}}
    shards = run.shards(count)
    embed_annotations(shards[-1], "aslan", annotations["aslan"])
    summary = merge_shards(shards[::-1], tmp_path / "merged.h5")
    merged = open_features(tmp_path / "merged.h5")
    assert (summary.done, summary.expected, set(summary.failed)) == (NUMBER - 1, NUMBER, {"v_3"})
    assert merged.identity == whole.identity
    assert (merged.ids, merged.failed, merged.classes) == (whole.ids, whole.failed, whole.classes)
    assert merged.annotations("aslan") == annotations["aslan"]
    for column in ("status", "reason", "size", "mtime_ns", "frames", "clips"):
        np.testing.assert_array_equal(merged.video_table[column], whole.video_table[column])
    for layer in whole.layers:
        np.testing.assert_array_equal(merged[layer][:], whole[layer][:])
        for video in whole.ids if whole.has_clips else ():
            np.testing.assert_array_equal(merged.clip_starts(video), whole.clip_starts(video))
            np.testing.assert_array_equal(merged.clip_features(video, layer), whole.clip_features(video, layer))
    # Every video still points at the run that made it.
    first = 0
    for number, shard in enumerate(FeatureStore(path) for path in shards):
        rows = slice(first, first + len(shard.expected_ids))
        assert set(merged.video_table["run"][rows].tolist()) == {number}
        assert merged.runs[number] == shard.runs[0]
        first = rows.stop
    # The undivided command goes on with the merged file: it tries the failed video again.
    again = extract(tiny, folder, "prob,res", tmp_path / "merged.h5", **run.options)
    assert (again.skipped, set(again.failed)) == (NUMBER - 1, {"v_3"})
    assert len(open_features(tmp_path / "merged.h5").runs) == count + 1


def test_a_shard_is_not_taken_for_the_whole(tmp_path, run, folder, tiny):
    shard = run.shard(2, 3)
    with pytest.raises(UserError, match=r"(?s)shard-2\.h5 is only shard 2 of 3.*p3d-eval merge"):
        open_features(shard)
    assert open_features(shard, allow_incomplete=True).ids == ("v_2",)
    with pytest.raises(UserError, match=r"shard\.index: 2 there, 1 now"):
        extract(tiny, folder, "prob,res", shard, shard="1/3", **run.options)
    with pytest.raises(UserError, match=r"shard\.index: 2 there, 'none' now"):
        extract(tiny, folder, "prob,res", shard, **run.options)
    assert extract(tiny, folder, "prob,res", shard, shard="2/3", **run.options).skipped == 1


def _edited(path: Path, change) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def _never_ended(file) -> None:
    file["complete"][0] = 0
    file["videos/status"][1] = 0


def test_shards_that_do_not_belong_together_are_refused_by_file_and_field(tmp_path, run, folder, tiny):
    one, two, three = run.shards(3)
    out = tmp_path / "merged.h5"

    def refused(message: str, *paths: Path) -> None:
        with pytest.raises(UserError, match=message):
            merge_shards(paths, out)
        assert not out.exists()

    refused(r"1 of 3 shards are missing: 2", one, three)
    refused(r"shard-1\.h5 and .*shard-1\.h5 are both shard 1 of 3", one, two, three, one)
    whole = run.whole().path
    refused(r"whole\.h5 is not a shard", one, whole, two, three)
    copy = tmp_path / "copy.h5"
    shutil.copyfile(two, copy)
    refused(r"copy\.h5 \(shard 2/3\) is incomplete: 1 of 2 videos", one, _edited(copy, _never_ended), three)
    other = Run(tiny, folder, tmp_path / "other", **run.options | {"sampling": Sampling(4, clips=4)})
    (tmp_path / "other").mkdir()
    message = r"other/shard-3\.h5 belongs to another run than .*/shard-1\.h5: sampling\.clips is 4, 3 there"
    refused(message, one, two, other.shard(3, 3))
    other.options |= run.options
    refused(r"shards is 2, 3 there", one, two, other.shard(2, 2))
    cut_elsewhere = other.shard(3, 3, batch_size=3, overwrite=True)
    refused(r"other/shard-3\.h5 begins at video 7, where video 5 is due", one, two, cut_elsewhere)
    refused(r"shard-1\.h5 ends at video 3 of 7", other.shard(1, 3, batch_size=3), two, three) if 0 else None
    out.write_bytes(three.read_bytes())
    with pytest.raises(UserError, match=r"merged\.h5 is one of the shards"):
        merge_shards([one, two, out], out, overwrite=True)


def test_shards_of_videos_that_changed_in_between_are_refused(tmp_path, folder, tiny):
    shutil.copytree(folder, tmp_path / "v")
    run = Run(tiny, tmp_path / "v", tmp_path)
    one = run.shard(1, 2)
    os.utime(tmp_path / "v" / "v_0.avi", ns=(1, 1))
    late = run.shard(2, 2)
    with pytest.raises(UserError, match=r"shard-2\.h5 belongs .*: list of videos \(ids, sizes, times\)"):
        merge_shards([one, late], tmp_path / "merged.h5")


def test_different_annotations_of_one_data_set_are_refused(tmp_path, run):
    one, two = run.shards(2)
    embed_annotations(one, "aslan", {"View2.mat": b"A"})
    embed_annotations(two, "aslan", {"View2.mat": b"B"})
    with pytest.raises(UserError, match=r"shard-1\.h5 and .*shard-2\.h5 hold different annotations of 'aslan'"):
        merge_shards([one, two], tmp_path / "merged.h5")


def test_merging_copies_in_blocks(tmp_path, run, monkeypatch):
    whole = run.whole()
    shards = run.shards(2)
    sizes = []

    def reading(*arguments):
        values = read_rows(*arguments)
        sizes.append(values.nbytes)
        return values

    monkeypatch.setattr(merging, "_BLOCK_BYTES", 64)
    monkeypatch.setattr(merging, "read_rows", reading)
    merge_shards(shards, tmp_path / "merged.h5")
    row = whole["res"].shape[1] * 4
    assert max(sizes) == row  # one row is more than a block here
    assert sum(sizes) == NUMBER * (row + whole["prob"].shape[1] * 4)
    np.testing.assert_array_equal(open_features(tmp_path / "merged.h5")["res"][:], whole["res"][:])


def test_a_merge_that_fails_leaves_nothing(tmp_path, run, monkeypatch):
    shards = run.shards(2)
    before = sorted(path.name for path in tmp_path.iterdir())
    written = os.pwrite
    left = 40

    def pwrite(descriptor, data, place):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(28, "No space left on device")
        return written(descriptor, data, place)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(UserError, match=r"cannot write .*merged\.h5: No space left"):
        merge_shards(shards, tmp_path / "merged.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_sharding_on_the_command_line(tmp_path, folder):
    def run(*arguments):
        return CliRunner().invoke(app, [str(word) for word in arguments])

    words = ["--backbone", TINY, "--videos", folder, "--layers", "prob", "--batch-size", 1, "--clips", 2]
    for index in (1, 2):
        out = tmp_path / f"shard-{index}.h5"
        result = run("extract", *words, "--shard", f"{index}/2", "--out", out)
        assert result.exit_code == (3 if index == 2 else 0), result.stderr
    shards = [tmp_path / "shard-2.h5", tmp_path / "shard-1.h5"]
    merged = run("merge", *shards, "--out", tmp_path / "f.h5", "--json", "--quiet")
    assert merged.exit_code == 3
    assert json.loads(merged.stdout) == {
        "out": str(tmp_path / "f.h5"),
        "shards": 2,
        "expected": NUMBER,
        "done": NUMBER - 1,
        "failed": {"v_3": FeatureStore(tmp_path / "f.h5").failed["v_3"]},
    }
    again = run("merge", *shards, "--out", tmp_path / "f.h5")
    assert again.exit_code == 2
    assert "f.h5 exists" in again.stderr
    shown = run("merge", *shards, "--out", tmp_path / "f.h5", "--overwrite")
    assert "2 shards, 6 of 7 videos done, 1 failed" in shown.stderr
    assert run("extract", *words, "--shard", "9/9", "--out", tmp_path / "x.h5").exit_code == 2
    assert not (tmp_path / "x.h5").exists()
