"""Decoders that crash, hang, have bugs, or stay behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from p3d_eval import child_process
from p3d_eval.features import decoders, open_features
from p3d_eval.features.blocks import Job
from p3d_eval.features.decoding import DecoderPool, Loan
from p3d_eval.features.extractor import extract
from p3d_eval.features.meter import Meter
from p3d_eval.features.planning import ExtractionPlan
from p3d_eval.features.requests import VideoHeader
from p3d_eval.features.sampling import Sampling
from tests.support.faulty import READER
from tests.support.videos import make_video, read_number

ROOT = Path(__file__).parents[2]


@pytest.fixture
def faulty(monkeypatch):
    """Let decoders read with `tests.support.faulty`."""
    plain = ExtractionPlan.job

    def job(self, *arguments, **options):
        made = plain(self, *arguments, **options)
        return replace(made, reader=READER)

    monkeypatch.setattr(ExtractionPlan, "job", job)


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate("abcdef"):
        make_video(tmp_path / "v" / f"{name}.avi", 8 + number)
    return tmp_path / "v"


def _pool(folder, names, sampling, workers=2, timeout=60.0, **options):
    jobs = (
        (row, Job(str(folder / f"{name}.avi"), name, sampling, **options)) for row, name in enumerate(names)
    )
    return DecoderPool(iter(jobs), workers, timeout, Meter())


def _read_all(pool):
    """Read every video: row → (frame count, {number: image}, reason)."""
    found = {}
    with pool:
        for stream in pool:
            frames, images = 0, {}
            for item in pool.read(stream):
                if isinstance(item, VideoHeader):
                    frames = item.frames
                    continue
                rgb = item.block.form.read(item.frames)
                images |= {n: rgb[i].copy() for i, n in enumerate(item.block.numbers)}
                item.release()
            found[stream.row] = (frames, images, stream.reason)
    return found


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_videos_come_in_order_with_every_needed_frame_once(folder, workers):
    sampling = Sampling(4, clips=2)
    found = _read_all(_pool(folder, "abcdef", sampling, workers))
    assert list(found) == [0, 1, 2, 3, 4, 5]
    for row, (frames, images, reason) in found.items():
        starts = sampling.starts(8 + row, "abcdef"[row])
        assert (frames, reason) == (8 + row, None)
        assert sorted(images) == sorted({int(start) + i for start in starts for i in range(4)})
        assert all(read_number(image) == number for number, image in images.items())


def test_frames_larger_than_a_slab_and_of_changing_size_go_through(tmp_path, monkeypatch):
    for name, size in {"a": (48, 64), "b": (96, 128), "c": (48, 64)}.items():
        image = np.zeros((*size, 3), np.uint8)
        image[:, : size[1] // 2] = 200
        make_video(tmp_path / f"{name}.avi", [image] * 30)
    monkeypatch.setattr("p3d_eval.features.arena.SLAB_BYTES", 4096)  # of threads alone: less than a frame
    monkeypatch.setattr("p3d_eval.features.arena.ARENA_BYTES", 65536)
    found = _read_all(_pool(tmp_path, "abc", Sampling(4, clips=20), workers=0))
    for (frames, images, reason), size in zip(found.values(), [(48, 64), (96, 128), (48, 64)], strict=True):
        assert (frames, reason, len(images)) == (30, None, 30)
        for image in images.values():
            assert image.shape == (*size, 3)
            assert abs(int(image[:, 4].mean()) - 200) < 5
            assert image[:, -4].mean() < 5


def test_a_decoder_waits_while_its_memory_is_full(tmp_path, monkeypatch):
    make_video(tmp_path / "a.avi", 60)
    monkeypatch.setattr("p3d_eval.features.arena.SLAB_BYTES", 2 * 32 * 64 * 3)
    monkeypatch.setattr("p3d_eval.features.arena.ARENA_BYTES", 6 * 32 * 64 * 3)
    taken = []
    with _pool(tmp_path, "a", Sampling(4, clips=20), workers=0) as pool:
        for stream in pool:
            for item in pool.read(stream):
                if isinstance(item, Loan):
                    taken.append(item)
                    deadline = time.monotonic() + 0.3
                    while time.monotonic() < deadline and len(taken) == 1:
                        pool.poll(0.05)
                    assert sum(isinstance(other, Loan) for other in stream.items) <= 3
                    item.release()
    needed = {int(start) + i for start in Sampling(4, clips=20).starts(60, "a") for i in range(4)}
    assert [number for item in taken for number in item.block.numbers] == sorted(needed)


def test_a_crash_is_retried_once_and_then_listed(tmp_path, folder, tiny, faulty):
    make_video(folder / "crash-1.avi", 9)
    make_video(folder / "crashonce-1.avi", 9)
    summary = extract(tiny, folder, "res", tmp_path / "f.h5", batch_size=3)
    assert summary.failed == {"crash-1": "crashed its decoder twice (SIGSEGV)"}
    assert summary.done == 7
    make_video(folder / "crash-1.avi", 9)
    for mark in folder.glob("*.crashed"):
        mark.unlink()


def test_what_a_crash_interrupts_has_the_same_bits(tmp_path, folder, tiny, faulty):
    make_video(folder / "crashonce-1.avi", 60)
    extract(tiny, folder, "res", tmp_path / "f.h5", batch_size=3, per_clip=True)
    assert (folder / "crashonce-1.crashed").exists()
    extract(tiny, folder, "res", tmp_path / "g.h5", batch_size=3, per_clip=True)
    crashed, plain = open_features(tmp_path / "f.h5"), open_features(tmp_path / "g.h5")
    np.testing.assert_array_equal(crashed["res"], plain["res"])
    for video in plain.ids:
        np.testing.assert_array_equal(crashed.clip_features(video, "res"), plain.clip_features(video, "res"))


def test_a_decoder_that_hangs_is_ended_and_its_video_listed(tmp_path, folder, tiny, faulty):
    make_video(folder / "hang-1.avi", 9)
    summary = extract(tiny, folder, "res", tmp_path / "f.h5", video_timeout=2.0)
    assert summary.failed == {"hang-1": "no frame for 2 s: given up (--video-timeout)"}
    assert summary.done == 6


def test_a_decoders_notice_is_shown_and_is_no_failure(tmp_path, folder, tiny, faulty, capfd):
    from p3d_eval.progress import Progress

    make_video(folder / "notice-1.avi", 9)
    summary = extract(
        tiny,
        folder,
        "res",
        tmp_path / "f.h5",
        progress=lambda total, done: Progress("extract", total, "videos"),
    )
    assert (summary.done, summary.failed) == (7, {})
    assert "notice-1: read otherwise\n" in capfd.readouterr().err


def test_counting_survives_crashes_too(tmp_path, folder, tiny, faulty):
    make_video(folder / "crash-1.avi", 9)
    sampling = Sampling(4, kind="sliding", clip_stride=2)
    summary = extract(tiny, folder, "res", tmp_path / "f.h5", sampling=sampling, per_clip=True)
    assert set(summary.failed) == {"crash-1"}
    assert summary.done == 6


def test_too_little_memory_is_a_videos_reason(tmp_path, folder, tiny, faulty):
    make_video(folder / "memory-1.avi", 9)
    summary = extract(tiny, folder, "res", tmp_path / "f.h5")
    assert summary.failed == {"memory-1": "needs more memory than there is: a frame of 2 TB"}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bug_ends_the_run_with_the_decoders_traceback(tmp_path, folder, tiny, faulty, workers):
    make_video(folder / "bug-1.avi", 9)
    with pytest.raises(RuntimeError, match="decoding bug-1: TypeError: no such thing") as caught:
        extract(tiny, folder, "res", tmp_path / "f.h5", workers=workers)
    assert "_go_wrong" in caught.value.__notes__[0]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead-")]


def test_a_decoder_that_cannot_start_says_why(folder, monkeypatch):
    monkeypatch.setattr(child_process, "_START", "raise SystemExit('no such library')")
    decoders.end_idle_decoders()
    with pytest.raises(RuntimeError, match=r"could not start: exit status 1: no such library"):
        _read_all(_pool(folder, "abc", Sampling(4)))


def test_processes_are_used_again_and_end_with_the_last_user(folder):
    decoders.end_idle_decoders()
    _read_all(_pool(folder, "abc", Sampling(4, clips=2)))
    kept = [decoder.pid for decoder in decoders._idle]
    assert kept
    _read_all(_pool(folder, "abc", Sampling(4, clips=2)))
    assert set(kept) <= {decoder.pid for decoder in decoders._idle}
    decoders.end_idle_decoders()
    assert not any(_runs(pid) for pid in kept)


ENDLESS = """
import os, sys
from dataclasses import replace
from pathlib import Path
from p3d_eval.features import decoders
from p3d_eval.features.blocks import Job
from p3d_eval.features.decoding import DecoderPool
from p3d_eval.features.meter import Meter
from p3d_eval.features.sampling import Sampling
from tests.support.faulty import READER

job = Job(sys.argv[1], "hang-1", Sampling(4), reader=READER)
with DecoderPool(iter([(0, job)]), 1, 600.0, Meter()) as pool:
    for stream in pool:
        for item in pool.read(stream):
            print(pool._seats[0].decoder.pid, flush=True)
            for second in pool.read(stream):
                pass
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_its_parent(tmp_path, ending):
    video = make_video(tmp_path / "hang-1.avi", 9)
    command = [sys.executable, "-c", ENDLESS, str(video)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    parent = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)
    child = int(parent.stdout.readline())
    assert _runs(child)
    parent.send_signal(ending)
    parent.wait(timeout=20)
    deadline = time.monotonic() + 20
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(child)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")
