"""Running the same extraction again: nothing to do, going on, refusing, waiting for another writer."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from p3d_eval.backbones import load_backbone, views_of
from p3d_eval.errors import UserError
from p3d_eval.features import open_features
from p3d_eval.features.extractor import extract
from p3d_eval.features.lock import WriterLock, lock_path
from p3d_eval.features.sampling import Sampling
from tests.features.conftest import TINY
from tests.support.videos import make_video

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("gone", [[0], [3], [1, 2], [0, 1, 2, 3]])
def test_whatever_is_done_again_has_the_same_bits(tmp_path, videos, tiny, gone):
    out = tmp_path / "f.h5"
    extract(tiny, videos, "res,prob", out, batch_size=3)
    before = {layer: open_features(out)[layer][:] for layer in ("res", "prob")}
    with h5py.File(out, "r+") as file:  # as a run that was stopped leaves it
        file["complete"][0] = 0
        for row in gone:
            file["videos/status"][row] = 0
            file["layers/res/mean"][row] = 7
            file["layers/prob/mean"][row] = 7
    assert extract(tiny, videos, "res,prob", out, batch_size=3).skipped == 4 - len(gone)
    for layer, values in before.items():
        np.testing.assert_array_equal(open_features(out)[layer], values)


def test_the_same_run_again_has_nothing_to_do(tmp_path, videos, tiny):
    out = tmp_path / "f.h5"
    extract(tiny, videos, "res", out, batch_size=2)
    before = out.read_bytes()
    summary = extract(tiny, videos, "res", out, batch_size=5, workers=1)
    assert summary.nothing_to_do
    assert out.read_bytes() == before
    extract(tiny, videos, "res", out, annotations={"aslan": {"View2.mat": b"x"}})
    assert open_features(out).annotations("aslan") == {"View2.mat": b"x"}


def test_annotations_are_embedded_once_and_never_replaced_in_silence(tmp_path, videos, tiny):
    out = tmp_path / "f.h5"
    with pytest.raises(KeyboardInterrupt):
        extract(tiny, videos, "res", out, annotations=_view2(b"A"), progress=lambda *_: _Interrupting(1))
    with pytest.raises(
        UserError, match=r"(?s)f\.h5 holds other annotations of 'aslan'.*annotate .*--overwrite"
    ):
        extract(tiny, videos, "res", out, annotations=_view2(b"B"))
    assert len(open_features(out, allow_incomplete=True).ids) == 1  # refused before the work
    extract(tiny, videos, "res", out, annotations=_view2(b"A"))
    before = out.read_bytes()
    extract(tiny, videos, "res", out, annotations=_view2(b"A"))
    assert out.read_bytes() == before
    assert open_features(out).annotations("aslan") == {"View2.mat": b"A"}


def _view2(content: bytes) -> dict[str, dict[str, bytes]]:
    return {"aslan": {"View2.mat": content}}


def test_a_linked_output_is_followed(tmp_path, videos, tiny):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "f.h5"
    link.symlink_to("disk/real.h5")
    extract(tiny, videos, "res", link)
    assert extract(tiny, videos, "res", link).nothing_to_do
    assert link.is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["real.h5"]


def test_a_users_own_file_with_a_locks_name_is_kept(tmp_path, store_path):
    (tmp_path / "feats.h5.lock").write_text("the combination of my bicycle")
    lock_path(store_path).write_text("notes\n")
    with pytest.raises(UserError, match=r"\.feats\.h5\.lock is in the way"):
        WriterLock(store_path).__enter__()
    assert lock_path(store_path).read_text() == "notes\n"
    lock_path(store_path).unlink()
    with WriterLock(store_path):
        pass
    assert (tmp_path / "feats.h5.lock").read_text() == "the combination of my bicycle"


def test_a_file_system_without_locks_is_the_users_to_change(tmp_path, store_path, monkeypatch):
    def flock(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(UserError, match=r"feats\.h5\.lock cannot be locked: Operation not supported"):
        WriterLock(store_path).__enter__()


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path, store_path):
    stale = [".feats.h5.tmp-12", ".feats.h5.new", "..feats.h5.tmp-12.new"]
    others = [".feats.h5.tmp-x", ".other.h5.tmp-12", "feats.h5.new", ".feats.h5.tmp-12.bak"]
    for name in (*stale, *others):
        (tmp_path / name).touch()
    with WriterLock(store_path):
        assert {path.name for path in tmp_path.iterdir()} == {"feats.h5", ".feats.h5.lock", *others}


def test_failed_videos_are_tried_again(tmp_path, videos, tiny):
    broken = tmp_path / "v" / "b.avi"
    make_video(tmp_path / "v" / "a.avi", 5)
    whole = make_video(broken, 9).read_bytes()
    stamp = broken.stat().st_mtime_ns
    broken.write_bytes(bytes(len(whole)))
    os.utime(broken, ns=(stamp, stamp))
    assert set(extract(tiny, tmp_path / "v", "res", tmp_path / "f.h5").failed) == {"b"}
    broken.write_bytes(whole)
    os.utime(broken, ns=(stamp, stamp))
    again = extract(tiny, tmp_path / "v", "res", tmp_path / "f.h5")
    assert (again.done, again.skipped, again.failed) == (2, 1, {})
    store = open_features(tmp_path / "f.h5")
    assert store.failed == {}
    assert store.video_table["run"].tolist() == [0, 1]


DIFFERENT = {
    "layers": ({"layers": "flat"}, r"layers\.flat: 'none' there, 'flat' now"),
    "sampling": ({"sampling": Sampling(4, clips=3)}, r"sampling\.clips: 20 there, 3 now"),
    "seed": (
        {"sampling": Sampling(4, kind="random", seed=5)},
        r"sampling\.kind: 'uniform' there, 'random' now",
    ),
    "rate": ({"sampling": Sampling(4, fps=12.5)}, r"sampling\.fps: 'none' there, 12\.5 now"),
    "views": (
        {"views": views_of("centre", mirror=True)},
        r"sampling\.views: 'none' there, \['centre', 'centre mirrored'\] now",
    ),
    "precision": ({"backbone": "bf16"}, r"precision: 'fp32' there, 'bf16' now"),
    "clips and type": ({"dtype": "float16", "sampling": Sampling(4, clips=3)}, r"sampling\.clips"),
    "dtype": ({"dtype": "float16"}, r"dtype\.res: 'float32' there, 'float16' now"),
    "per clip": ({"per_clip": True}, r"per_clip: False there, True now"),
    "network": ({"backbone": "gain"}, r"options\.gain: 'none' there, '2' now"),
}


@pytest.mark.parametrize(("change", "message"), DIFFERENT.values(), ids=DIFFERENT.keys())
def test_another_run_is_refused_by_the_name_of_the_field(tmp_path, videos, tiny, change, message):
    out = tmp_path / "f.h5"
    extract(tiny, videos, "res", out)
    before = out.read_bytes()
    options = dict(change)
    networks = {"gain": {"gain": "2"}, "bf16": {"precision": "bf16"}, None: {}}
    network = load_backbone(TINY, **networks[options.pop("backbone", None)])
    layers = options.pop("layers", "res")
    with pytest.raises(UserError, match=message) as caught:
        extract(network, videos, layers, out, **options)
    assert str(out) in caught.value.message
    assert out.read_bytes() == before
    extract(network, videos, layers, out, overwrite=True, **options)
    assert open_features(out).layers == (layers,)


def test_other_videos_are_refused_by_id_size_and_time(tmp_path, videos, tiny):
    folder = tmp_path / "v"
    shutil.copytree(videos, folder)
    out = tmp_path / "f.h5"
    extract(tiny, folder, "res", out)
    os.utime(folder / "run/v_run_g01_c01.avi", ns=(1, 1))
    with pytest.raises(UserError, match=r"modification time of 'run/v_run_g01_c01' \(ns\): \d+ there, 1 now"):
        extract(tiny, folder, "res", out)
    (folder / "run/v_run_g01_c01.avi").rename(folder / "run/v_other.avi")
    with pytest.raises(UserError, match="id of video 1: 'run/v_run_g01_c01' there, 'run/v_other' now"):
        extract(tiny, folder, "res", out)
    (folder / "run/v_other.avi").unlink()
    with pytest.raises(UserError, match="number of videos: 4 there, 3 now"):
        extract(tiny, folder, "res", out)


def test_two_writers_are_kept_apart_and_a_dead_one_is_forgotten(tmp_path, videos, tiny):
    out = tmp_path / "f.h5"
    with (
        WriterLock(out),
        pytest.raises(UserError, match=rf"f\.h5 is being written by another process \({os.getpid()}@"),
    ):
        extract(tiny, videos, "res", out)
    script = (
        "import os, signal, sys; from pathlib import Path; from p3d_eval.features.lock import WriterLock\n"
        "WriterLock(Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(out)], cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert lock_path(out).exists()
    assert extract(tiny, videos, "res", out).done == 4
    assert not lock_path(out).exists()


class _Interrupting:
    """A progress that is interrupted, as by Ctrl-C, after some videos."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def note(self, text):
        pass

    def describe(self, detail):
        pass

    def advance(self):
        self.after -= 1
        if self.after == 0:
            raise KeyboardInterrupt


def test_an_interrupted_run_stops_cleanly_and_goes_on(tmp_path, videos, tiny):
    out = tmp_path / "f.h5"
    with pytest.raises(KeyboardInterrupt):
        extract(tiny, videos, "res", out, batch_size=2, progress=lambda *_: _Interrupting(2))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decode-")]
    assert not lock_path(out).exists()
    with pytest.raises(UserError, match=r"incomplete: 2 of 4 videos"):
        open_features(out)
    assert len(open_features(out, allow_incomplete=True).ids) == 2
    summary = extract(tiny, videos, "res", out, batch_size=2)
    assert (summary.skipped, summary.done) == (2, 4)
    extract(tiny, videos, "res", tmp_path / "whole.h5", batch_size=2)
    np.testing.assert_array_equal(open_features(out)["res"], open_features(tmp_path / "whole.h5")["res"])
