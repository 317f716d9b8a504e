"""``p3d-eval run`` as a user types it."""

import json

import pytest
from typer.testing import CliRunner

from p3d_eval.cli import app
from p3d_eval.study.planning import plan_study
from p3d_eval.study.predicting import predict
from p3d_eval.study.screen import Screen
from tests.support.tiny_study import change, study_of


def run(*words):
    return CliRunner().invoke(app, ["run", *map(str, words)])


def test_a_second_run_prints_the_tables_and_says_that_there_is_nothing_to_do(study):
    done = run(study)
    assert done.exit_code == 0
    assert "one (random weights)" in done.stdout
    assert "nothing to do" in done.stderr


def test_quiet_prints_nothing_and_json_one_document(study):
    quiet = run(study, "--quiet")
    assert (quiet.exit_code, quiet.stdout, quiet.stderr) == (0, "", "")
    document = json.loads(run(study, "--json", "--quiet").stdout)
    assert [one["status"] for one in document["cells"]] == ["kept"] * 8
    assert any(path.endswith("report.html") for path in document["report"])


def test_failures_are_listed_with_what_to_do_even_when_quiet(study, in_threads):
    text = study.read_text(encoding="utf-8").replace("seed = 1", 'seed = 1\noptions = { gain = "loud" }')
    study.write_text(text, encoding="utf-8")
    done = run(study, "--quiet")
    assert done.exit_code == 3
    assert done.stdout == ""
    assert "failed: extract two on tiny: backbone" in done.stderr.replace("\n", " ")
    assert "failed: retrieval on two, tiny: its features failed" in done.stderr
    assert "Give gain as the factory takes it, or mend the factory" in done.stderr
    assert "Traceback" not in done.stderr
    dry = run(study, "--dry-run")
    assert dry.exit_code == 3
    assert "extract two on tiny: Give gain as the factory takes it" in dry.stdout
    cells = {one["cell"]: one for one in json.loads(run(study, "--dry-run", "--json", "-q").stdout)["cells"]}
    assert "Give gain as" in cells["extract two on tiny"]["hint"]
    assert cells["extract one on tiny"]["hint"] is None
    cells = {one["cell"]: one for one in json.loads(run(study, "--json", "-q").stdout)["cells"]}
    assert "Give gain as" in cells["extract two on tiny"]["hint"]


def test_a_dry_run_prints_a_plan_with_its_sum(study, in_threads):
    study.write_text(study.read_text(encoding="utf-8").replace("seed = 1", "seed = 3"), encoding="utf-8")
    done = run(study, "--dry-run")
    assert done.exit_code == 0
    lines = {line.split("  ")[0]: line.split() for line in done.stdout.splitlines()}
    assert "done" in lines["extract one on tiny"]
    assert lines["extract two on tiny"][-1] == "kB"
    assert done.stdout.splitlines()[-1].startswith("About ")
    cells = json.loads(run(study, "--dry-run", "--json", "--quiet").stdout)["cells"]
    assert {one["state"] for one in cells} == {"done", "to do"}


def test_debug_shows_where_a_bug_of_ours_is(study, in_threads, monkeypatch):
    def broken(*_, **__):
        raise ValueError("no")

    monkeypatch.setattr("p3d_eval.protocols.evaluation.evaluate", broken)
    change(study, "C = [1, 10]", "C = 3")
    usual = run(study)
    assert "failed: ucf101 on one, tiny: internal error: ValueError: no" in usual.stderr
    assert "Traceback" not in usual.stderr
    monkeypatch.setattr("sys.argv", ["p3d-eval", "run", "--debug"])
    assert 'in broken\n    raise ValueError("no")' in run(study, "--debug").stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent.toml"], "absent.toml: no such study file"),
        (["STUDY", "--limit", "0"], "--limit 0: must be 1 at least"),
        (["STUDY", "--jobs", "0"], "--jobs 0: must be 1 at least"),
    ],
)
def test_wrong_words_are_one_line_and_exit_status_2(study, words, message):
    done = run(*(study if word == "STUDY" else word for word in words))
    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_plan_tells_of_a_damaged_file_and_of_one_to_go_on_with(study, in_threads):
    one, two = sorted((study.parent / "study" / "features").glob("*.h5"))
    one.write_bytes(b"damaged")
    plan = plan_study(study_of(study))
    states = {found.cell.name: found.state for found in predict(plan, {}, quiet=True)}
    assert states["extract one on tiny"].startswith("fails: ")
    assert states["extract two on tiny"] == "done"
    assert run(study, "--dry-run", "--quiet").exit_code == 3
    done = run(study, "--quiet")
    assert done.exit_code == 3
    assert "failed: extract one on tiny" in done.stderr
    assert two.exists()


def test_stages_are_plain_lines_where_there_is_no_terminal(capsys):
    with Screen("study", total=2) as screen:
        screen.start("a", "extract a")
        screen.note("a", "a word")
        screen.finish("a", "3 videos")
    assert capsys.readouterr().err.splitlines() == [
        "extract a …",
        "extract a: a word",
        "extract a: 3 videos (0 s)",
    ]


def test_the_time_left_is_that_of_steps_after_the_first(capsys, monkeypatch):
    clock = iter([0.0, 60.0, 70.0, 72.0, 74.0])  # a minute to load, ten seconds for the first video
    monkeypatch.setattr("p3d_eval.study.screen.time.monotonic", lambda: next(clock))
    monkeypatch.setattr("p3d_eval.study.screen._PLAIN_INTERVAL", 0.0)
    screen = Screen("study", total=1)
    screen.start("a", "extract a")
    for done in (4, 5, 6, 7):
        screen.progress("a", done, 11, "videos")
    assert capsys.readouterr().err.splitlines() == [
        "extract a …",
        "extract a: 4/11 videos",
        "extract a: 5/11 videos",
        "extract a: 6/11 videos, 0.50/s, 10 s left",
        "extract a: 7/11 videos, 0.50/s, 8 s left",
    ]


def test_one_video_is_no_videos(study, in_threads):
    change(study, 'videos = "videos"', 'videos = "list.txt"\nroot = "videos"')
    (study.parent / "list.txt").write_text("Run/v_Run_g01_c01.avi\n", encoding="utf-8")
    assert "extract one on tiny: 1 video (" in run(study).stderr
