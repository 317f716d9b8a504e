"""What check-videos calls bad is what extraction fails with, for the same reason."""

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from p3d_eval.cli.checking import command
from p3d_eval.features.checking import VideoCheck, check_all, check_video, note_duplicates
from p3d_eval.features.decode import DecodeError, read_video
from p3d_eval.features.ids import VideoFile, list_videos
from p3d_eval.features.isolation import map_isolated
from p3d_eval.features.sampling import Sampling
from tests.support.mutations import good_videos, mutated_corpus
from tests.support.videos import make_video, numbered_frame

ROOT = Path(__file__).parents[2]


def _reason(path):
    try:
        list(read_video(path, "v", Sampling(16, kind="sliding", clip_stride=1)))
    except DecodeError as error:
        return str(error)
    return None


def test_bad_is_what_extraction_fails_with(tmp_path):
    sources = good_videos(tmp_path / "good")
    for mutation in mutated_corpus(tmp_path / "damaged", sources, 100, seed=3):
        found = check_video(VideoFile("v", mutation.path), 16)
        assert found.reason == _reason(mutation.path), mutation


def test_what_is_odd_is_noted(tmp_path):
    whole = make_video(tmp_path / "v.avi", 60)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    make_video(tmp_path / "short.mp4", 5, "libx264")
    twin = tmp_path / "twin.avi"
    twin.write_bytes(whole.read_bytes())
    videos = list(list_videos(tmp_path))
    checks = {check.id: check for check in note_duplicates(videos, [check_video(v, 16) for v in videos])}
    assert checks["v"].notes == ("the same content as 'twin'",)
    assert (checks["twin"].status, checks["twin"].frames, checks["twin"].promised) == ("good", 60, 60)
    assert (checks["twin"].width, checks["twin"].height, checks["twin"].codec) == (64, 32, "mpeg4")
    assert checks["cut"].status == "noted"
    assert "of 60 promised frames decode: the file may be cut off" in checks["cut"].notes[0]
    assert checks["short"].notes == ("5 frames are fewer than a clip's 16: it is looped",)


def _save(folder, numbers, sizes):
    from PIL import Image

    folder.mkdir()
    for number, size in zip(numbers, sizes, strict=True):
        Image.fromarray(numbered_frame(1, *size)).save(folder / f"{number}.png")
    return folder


def test_folders_of_images(tmp_path):
    good = check_video(VideoFile("v", _save(tmp_path / "a", (0, 5, 10), [(32, 64)] * 3)), 2)
    assert (good.status, good.frames, good.codec) == ("good", 3, "images")
    gaps = check_video(VideoFile("v", _save(tmp_path / "b", (1, 2, 4), [(32, 64)] * 3)), 2)
    assert gaps.notes == ("the numbers of its images have gaps (1 … 4)",)
    sizes = check_video(VideoFile("v", _save(tmp_path / "c", (1, 2), [(32, 64), (64, 64)])), 2)
    assert sizes.reason == "the size of its frames changes at frame 1 (2.png)"


def _work(task):
    if task == "crash":
        os.abort()
    if task == "hang":
        time.sleep(600)
    return f"done {task}"


@pytest.mark.ci
def test_tasks_that_hang_or_crash_cost_only_themselves():
    tasks = ["a", "crash", "b", "hang", "c"]
    found = list(map_isolated(_work, tasks, lambda task, reason: f"{task}: {reason}", workers=2, seconds=5))
    assert found[0] == "done a"
    assert found[1].startswith("crash: the decoder crashed (exit status -6")
    assert found[2] == "done b"
    assert found[3] == "hang: took longer than 5 s"
    assert found[4] == "done c"


def test_processes_that_never_start_are_no_videos_fault(folder, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match=r"could not start \(exit status 1\)"):
        check_all(list_videos(folder))


_SCRIPT = """
from pathlib import Path
from p3d_eval.features.checking import check_all
from p3d_eval.features.ids import list_videos
print("begun", flush=True)
print([check.status for check in check_all(list_videos(Path({folder!r})), workers=2)])
"""


def test_a_script_without_a_main_guard_is_run_once(folder, tmp_path):
    script = tmp_path / "check.py"
    script.write_text(_SCRIPT.format(folder=str(folder)))
    done = subprocess.run(
        [sys.executable, script],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["begun", "['bad', 'good']"]


def _run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.fixture
def folder(tmp_path):
    make_video(tmp_path / "videos" / "good.avi", 20)
    (tmp_path / "videos" / "bad.avi").write_bytes(b"x" * 100)
    return tmp_path / "videos"


def test_the_command_lists_bad_videos_and_writes_reports(folder, tmp_path):
    report = tmp_path / "report.csv"
    result = _run(folder, "--out", report)
    assert result.exit_code == 3
    assert "bad" in result.stdout
    with report.open(newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert rows["good"]["status"] == "good"
    assert rows["good"]["frames"] == "20"
    assert rows["bad"]["reason"].startswith("cannot be decoded")
    assert set(rows["bad"]) == set(VideoCheck("", "").to_json())

    other = tmp_path / "report.json"
    printed = json.loads(_run(folder, "--out", other, "--json", "--quiet").stdout)
    assert (printed["checked"], printed["good"], printed["bad"]) == (2, 1, 1)
    assert [row["id"] for row in json.loads(other.read_text())] == ["bad", "good"]


def test_good_videos_exit_with_0_and_nothing_is_printed_when_quiet(folder):
    (folder / "bad.avi").unlink()
    result = _run(folder, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_wrong_use_of_the_command(folder, tmp_path):
    from p3d_eval.errors import UserError

    for arguments, message in (
        ((folder, "--out", tmp_path / "report.txt"), "unknown kind of report"),
        ((folder, "--workers", 0), "above 0"),
        ((tmp_path / "gone",), "no such folder"),
    ):
        error = _run(*arguments).exception
        assert isinstance(error, UserError)
        assert message in str(error)
    report = tmp_path / "r.csv"
    report.write_text("mine")
    assert "exists" in str(_run(folder, "--out", report).exception)
    assert report.read_text() == "mine"
    assert _run(folder, "--out", report, "--overwrite", "--quiet").exit_code == 3
    assert Path(report).read_text().startswith("status,")
