"""Progress off a terminal: plain lines, at intervals, with rate and time left."""

import re

from p3d_eval import progress
from p3d_eval.progress import Progress


def test_plain_lines_count_rate_and_time_left(capsys, monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    with Progress("extract", total=3, unit="videos") as bar:
        bar.advance()
        bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"extract: 1/3 videos, [\d.]+/s, [\d:]+ left", lines[0])
    assert lines[-1].startswith("extract: 2/3 videos in ")


def test_steps_of_an_earlier_run_count_as_done_but_not_in_the_rate(capsys, monkeypatch):
    clock = iter([0.0, 0.0, 10.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    bar = Progress("extract", total=10, unit="videos", quiet=True, done=8)
    bar.__enter__()
    bar.done += 1
    assert bar.rate == 0.1
    assert capsys.readouterr().err == ""


def test_quiet_prints_nothing(capsys):
    with Progress("extract", total=2, unit="videos", quiet=True) as bar:
        bar.advance()
        bar.note("a line")
    assert capsys.readouterr() == ("", "")
