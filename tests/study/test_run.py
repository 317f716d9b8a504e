"""Running a study: what is there is kept, what changed is made again and nothing else, failures stay alone."""

import json
import os
import shutil

import numpy as np
import pytest

import p3d_eval as pe
from p3d_eval.errors import UserError
from p3d_eval.features.importers import import_features
from p3d_eval.features.lock import WriterLock
from p3d_eval.protocols.result import Result
from p3d_eval.study import running
from p3d_eval.study.plan import EARLIER
from p3d_eval.study.run import run_study
from tests.support.tiny_study import NETWORK, ThreadWorker, change


def contents(folder):
    """Time of the last change of every file, hidden ones (notes, former results) left out."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns for path in paths if EARLIER not in path.parts
    }


def made(done):
    return [one.cell.name for one in done.made]


def no_worker(*_):
    raise AssertionError("a process was started")


def test_a_study_gives_what_its_commands_give(finished, tmp_path):
    assert finished.whole
    assert len(finished.made) == 8
    videos = finished.plan.study.base / "videos"
    store = pe.extract(
        pe.load_backbone(f"{NETWORK}:factory", seed=1), videos, tmp_path / "two.h5", "flat", clips=2, quiet=True
    )
    two = next(one for one in finished.outcomes if one.cell.name == "extract two on tiny")
    assert np.array_equal(pe.open_features(two.path)["flat"][:], store["flat"][:])
    ten = next(one for one in finished.outcomes if one.cell.name == "ucf101 C=10 on two, tiny")
    alone = pe.evaluate("ucf101", store, layer="flat", C=10.0, label="two")
    result = Result.load(ten.path)
    assert (result.metrics, result.label, dict(result.options)) == (
        alone.metrics,
        alone.label,
        dict(alone.options),
    )
    rows = finished.report.to_frame()
    assert (rows["kind"] == "measured").sum() == 6


def test_a_second_run_starts_nothing_and_writes_nothing(finished, study, monkeypatch):
    before = contents(study.parent)
    monkeypatch.setattr(running, "TaskWorker", no_worker)
    again = run_study(study, quiet=True)
    assert again.whole
    assert {one.status for one in again.outcomes} == {"kept"}
    assert contents(study.parent) == before
    assert again.report.to_csv() == finished.report.to_csv()


def test_a_changed_option_evaluates_its_cells_alone_and_changing_back_evaluates_none(study, in_threads):
    before = contents(study.parent / "study" / "results")
    change(study, "C = [1, 10]", "C = [1, 100]")
    assert made(run_study(study, quiet=True)) == ["ucf101 C=100 on one, tiny", "ucf101 C=100 on two, tiny"]
    now = contents(study.parent / "study" / "results")
    assert len(now) == len(before)
    assert not any("C-10-" in name for name in now)
    change(study, "C = [1, 100]", "C = [1, 10]")
    assert made(run_study(study, quiet=True)) == []
    assert contents(study.parent / "study" / "results") == before


def test_a_changed_network_extracts_and_evaluates_its_row_alone(study, in_threads):
    change(study, "seed = 1", "seed = 2")
    assert made(run_study(study, quiet=True)) == [
        "extract two on tiny",
        "ucf101 C=1 on two, tiny",
        "ucf101 C=10 on two, tiny",
        "retrieval on two, tiny",
    ]


def test_what_changes_no_number_makes_no_cell(study, in_threads):
    change(study, "clips = 2", "clips = 2\nbatch_size = 3\nworkers = 0\nvideo_timeout = 9.5")
    change(study, "seed = 1", 'seed = 1\nlabel = "the second"')
    done = run_study(study, quiet=True)
    assert made(done) == []
    assert "the second (random weights)" in done.report.to_text()
    result = Result.load(done.outcomes[-1].path)
    assert result.label == "the second (random weights)"
    assert len(result.load_scores(done.outcomes[-1].path).ids)  # the scores were not lost


def test_a_changed_video_makes_everything_again(study, in_threads):
    video = next((study.parent / "videos").rglob("*.avi"))
    os.utime(video, ns=(0, 0))
    assert len(made(run_study(study, quiet=True))) == 8


def test_a_failed_cell_stops_no_other_and_is_shown(study, in_threads):
    change(study, "seed = 1", 'seed = 1\noptions = { gain = "loud" }')
    done = run_study(study, quiet=True)
    assert [one.cell.name for one in done.failed] == [
        "extract two on tiny",
        "ucf101 C=1 on two, tiny",
        "ucf101 C=10 on two, tiny",
        "retrieval on two, tiny",
    ]
    assert "could not convert string to float: 'loud'" in done.failed[0].reason
    assert "mend the factory" in done.failed[0].hint
    assert not done.whole
    assert "failed: retrieval on two, tiny: its features failed</p>" in done._repr_html_()
    text = (done.folder / "report" / "tables.md").read_text(encoding="utf-8")
    assert text.count("| failed |") == 3
    change(study, "loud", "2")
    assert len(made(run_study(study, quiet=True))) == 4


def test_a_broken_video_is_told_and_tried_again_on_request(study, in_threads):
    video = next((study.parent / "videos").rglob("*.avi"))
    video.write_bytes(b"no video")
    change(study, 'layer = "flat"', 'layer = "flat"\nallow_missing = "excluded"')
    done = run_study(study, quiet=True)
    assert set(done.failed_videos) == {"extract one on tiny", "extract two on tiny"}
    assert not done.failed
    assert not done.whole
    again = run_study(study, quiet=True)
    assert again.failed_videos == done.failed_videos
    assert made(again) == []
    assert made(run_study(study, quiet=True, retry=True)) == ["extract one on tiny", "extract two on tiny"]


def test_features_made_elsewhere_are_a_row_and_the_same_ones_count_once(study, finished, in_threads):
    change(study, "seed = 1", 'seed = 1\n[backbones.theirs]\nfeatures = { tiny = "theirs.h5" }')
    numbers = pe.open_features(finished.outcomes[0].path)["flat"][:]
    ids = pe.open_features(finished.outcomes[0].path).ids
    np.save(study.parent / "theirs.npy", numbers)
    (study.parent / "ids.txt").write_text("\n".join(ids), encoding="utf-8")
    given = {"name": "theirs", "layer": "flat", "ids": study.parent / "ids.txt"}
    import_features(study.parent / "theirs.npy", study.parent / "theirs.h5", **given)
    done = run_study(study, quiet=True)
    assert done.whole
    found = {one.cell.name: Result.load(one.path).metrics for one in done.outcomes[2:]}
    assert found["retrieval on theirs, tiny"] == found["retrieval on one, tiny"]
    shutil.copyfile(finished.outcomes[0].path, study.parent / "theirs.h5")
    failed = run_study(study, quiet=True).failed
    assert [one.reason for one in failed] == [
        "the same result as ucf101 C=1 on one, tiny",
        "the same result as ucf101 C=10 on one, tiny",
        "the same result as retrieval on one, tiny",
    ]


def test_a_fused_row_is_what_the_protocol_makes_of_its_files(study, finished, in_threads):
    row = '[backbones.both]\nfuse = ["one", "two"]\nfusion = "late"\nfusion_weights = "3,1"\n'
    change(study, "[datasets.tiny]", row + "[datasets.tiny]")
    done = run_study(study, quiet=True)
    assert made(done) == ["ucf101 C=1 on both, tiny", "ucf101 C=10 on both, tiny"]
    files = [one.path for one in finished.outcomes[:2]]
    alone = pe.evaluate("ucf101", files, layer="flat", C=10.0, fusion="late", weights="3,1")
    fused = Result.load(done.made[1].path)
    assert (fused.metrics, fused.label) == (alone.metrics, "both (random weights)")


def test_protocols_side_by_side_find_the_same(study, finished, in_threads):
    change(study, 'layer = "flat"\nC = [1, 10]', 'layer = "flat"\nC = [1, 2, 3, 4, 5, 10]')
    done = run_study(study, jobs=4, quiet=True)
    assert done.whole
    alone = {one.cell.name: Result.load(one.path).metrics for one in finished.outcomes[2:]}
    side_by_side = {one.cell.name: Result.load(one.path).metrics for one in done.outcomes[2:]}
    assert len(side_by_side) == 14
    assert alone == {name: side_by_side[name] for name in alone}


def test_a_trial_takes_some_videos_of_both_classes_into_a_folder_of_its_own(study, in_threads):
    before = contents(study.parent / "study")
    done = run_study(study, limit=4, quiet=True)
    assert done.folder == study.parent / "study-limit-4"
    ids = pe.open_features(done.outcomes[0].path).ids
    assert sorted(name.split("/")[0] for name in ids) == ["Run", "Run", "Wave", "Wave"]
    assert contents(study.parent / "study") == before
    assert made(run_study(study, limit=4, quiet=True)) == []
    page = (done.folder / "report" / "report.html").read_text(encoding="utf-8")
    assert page.index("Reproduce this page") < page.rindex("p3d-eval run study.toml --limit 4<")


def test_a_dry_run_predicts_and_writes_nothing(study, in_threads, tmp_path):
    assert {one.state for one in run_study(study, dry_run=True, quiet=True).predictions} == {"done"}
    change(study, "seed = 1", "seed = 2")
    before = contents(study.parent)
    found = {one.cell.name: one for one in run_study(study, dry_run=True, quiet=True).predictions}
    assert contents(study.parent) == before
    extraction = found["extract two on tiny"]
    assert extraction.state == "to do"
    assert extraction.seconds > 0
    there = next((study.parent / "study" / "features").glob("tiny-one-*.h5"))
    assert extraction.nbytes == pytest.approx(there.stat().st_size, rel=0.01)
    assert found["ucf101 C=1 on two, tiny"].state == "to do"
    assert found["ucf101 C=1 on one, tiny"].state == "done"
    elsewhere = run_study(study, dry_run=True, quiet=True, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert {one.state for one in elsewhere.predictions} == {"to do"}


def test_a_layer_that_no_file_has_is_told(study, in_threads, capsys):
    change(study, "figures = false", 'tsne_layer = "falt"')
    assert run_study(study).whole
    told = capsys.readouterr().err
    assert "no figure: t-SNE: no finished feature file has the layer 'falt'" in told


def test_networks_are_measured_once_on_request_and_joined_with_accuracies(study, in_threads):
    text = study.read_text(encoding="utf-8").replace("figures = false", "figures = true\ntsne_videos = 0")
    asked = "[profile]\nbatch_sizes = [1]\nrepeats = 1\n"
    study.write_text(f"{text}\n{asked}".replace("C = [1, 10]", "C = [1, 5]"), encoding="utf-8")
    ThreadWorker.given.clear()
    done = run_study(study, jobs=1, quiet=True)
    assert dict(ThreadWorker.given)["EvaluateTask"] is not None
    assert dict(ThreadWorker.given)["ProfileTask"] is None  # a clock wants all threads
    assert done.whole, done.failure
    # Two seeds of one network are one network to a clock, and to a count of parameters.
    (profile,) = (one for one in done.made if one.cell.name.startswith("profile"))
    result = Result.load(profile.path)
    assert result.metrics["parameters"].value == 3 * 6 * 75 + 6 + 5 * 6 + 5  # convolution, linear layer
    assert any(path.name.endswith("speed-accuracy.pdf") for path in done.files)
    assert made(run_study(study, quiet=True)) == []
    assert {one.state for one in run_study(study, dry_run=True, quiet=True).predictions} == {"done"}


def test_a_report_that_somebody_changed_is_not_replaced(study, in_threads):
    table = study.parent / "study" / "report" / "tables.tex"
    table.write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"tables\.tex changed since the study wrote it"):
        run_study(study, quiet=True)
    assert table.read_text(encoding="utf-8") == "mine"
    run_study(study, quiet=True, overwrite=True)
    assert table.read_text(encoding="utf-8").startswith("\\documentclass")


def test_two_runs_of_a_study_do_not_meet(study):
    with WriterLock(study.parent / "study" / "study"), pytest.raises(UserError, match="another process"):
        run_study(study, quiet=True)


def test_a_damaged_result_is_made_again(study, in_threads):
    path = next((study.parent / "study" / "results").glob("retrieval-tiny-one-*.json"))
    path.write_text("{", encoding="utf-8")
    assert made(run_study(study, quiet=True)) == ["retrieval on one, tiny"]
    assert json.loads(path.read_text(encoding="utf-8"))["protocol"] == "retrieval"


def test_a_study_in_python_is_the_same_as_its_file(study, finished, monkeypatch):
    import tomllib

    monkeypatch.chdir(study.parent)
    monkeypatch.setattr(running, "TaskWorker", no_worker)
    done = pe.run_study(tomllib.loads(study.read_text(encoding="utf-8")), quiet=True)
    assert made(done) == []
    assert done.plan.command is None  # there is no file to run
    shown = done._repr_html_()
    assert "nothing to do" in shown
    assert "one (random weights)" in shown
