"""Pruning takes what a study made and no longer needs, and nothing else."""

import json
import shutil

import pytest
from typer.testing import CliRunner

import p3d_eval as pe
from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.reports.figures.data import csv_path
from p3d_eval.study import running
from p3d_eval.study.run import run_study
from p3d_eval.study.state import State
from tests.support.tiny_study import ThreadWorker, change


@pytest.fixture(scope="module")
def changed(finished, tmp_path_factory):
    """A study whose second network and second C were changed; beside its files lie some of the user's."""
    base = tmp_path_factory.mktemp("changed") / "study"
    shutil.copytree(finished.plan.study.base, base)
    change(base / "study.toml", "seed = 1", "seed = 2")
    change(base / "study.toml", "C = [1, 10]", "C = [1, 5]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "TaskWorker", ThreadWorker)
        run_study(base / "study.toml", quiet=True)
    for mine in ("features/mine-0123456789.h5", "results/.earlier/mine-0123456789.json", "report/mine.txt"):
        (base / "study" / mine).write_text("mine", encoding="utf-8")
    return base


@pytest.fixture
def former(changed, tmp_path, in_threads):
    """A copy of it; returns the study file."""
    shutil.copytree(changed, tmp_path / "study")
    return tmp_path / "study" / "study.toml"


def names(paths):
    return sorted(path.name.rpartition("-")[0] for path in paths)


def everything(study):
    return {path for path in study.parent.rglob("*") if path.is_file()}


def run(*words, **more):
    return CliRunner().invoke(app, ["run", *map(str, words)], **more)


def test_what_former_versions_left_is_listed_and_deleted_on_request_alone(former):
    before = everything(former)
    found = pe.prune_study(former)
    assert everything(former) == before
    # Of the second network: its features, and a result for C = 1, C = 10 and retrieval; of the first: C = 10.
    assert names(path for path in found if path.suffix == ".h5") == ["tiny-two"]
    results = ["retrieval-tiny-two", "ucf101-tiny-one-C-10", "ucf101-tiny-two-C-1", "ucf101-tiny-two-C-10"]
    assert names(path for path in found if path.suffix == ".json") == results
    assert names(path for path in found if path.suffix == ".npz") == results
    assert all(found[path] == path.stat().st_size for path in found)
    assert pe.prune_study(former, delete=True) == found
    assert before - everything(former) == set(found)
    assert pe.prune_study(former, delete=True) == {}
    assert run_study(former, quiet=True).made == ()


def test_a_study_that_is_changed_back_needs_its_files_again(former):
    change(former, "seed = 2", "seed = 1")
    change(former, "C = [1, 5]", "C = [1, 10]")
    found = pe.prune_study(former)
    assert names(found) == ["tiny-two"]  # the features of the other version
    pe.prune_study(former, delete=True)
    assert run_study(former, quiet=True).made == ()


def test_files_of_another_study_in_the_folder_stay(former):
    other = former.with_name("other.toml")
    text = former.read_text(encoding="utf-8").replace("seed = 2", "seed = 7")
    other.write_text(f'out = "study"\n{text}', encoding="utf-8")
    run_study(other, quiet=True)
    theirs = {one.path for one in run_study(other, quiet=True).outcomes}
    assert not theirs & set(pe.prune_study(former))


def test_names_outside_the_folder_in_the_notes_are_left_alone(former):
    notes = former.parent / "study" / ".study.json"
    mine = former.parent / "features" / "mine.h5"
    mine.parent.mkdir()
    mine.write_text("mine", encoding="utf-8")
    document = json.loads(notes.read_text(encoding="utf-8"))
    document["files"]["study.toml"] += ["features/../../features/mine.h5", "report/mine.txt", "../study.toml"]
    notes.write_text(json.dumps(document), encoding="utf-8")
    assert {path.parent.name for path in pe.prune_study(former, delete=True)} == {"features", ".earlier"}
    assert mine.exists()
    assert former.exists()
    assert (former.parent / "study" / "report" / "mine.txt").exists()


def test_a_map_goes_with_its_csv(former):
    """Beside the data of a figure lies a CSV, which no notes name."""
    folder = former.parent / "study"
    maps = [folder / ".maps" / f"tsne-tiny-{key * 10}.figure.json" for key in "ab"]
    files = [one for path in maps for one in (path, csv_path(path))]
    maps[0].parent.mkdir()
    for path in files:
        path.write_text("drawn", encoding="utf-8")
    State(folder).claim("study.toml", maps)
    State(folder).show("study.toml", maps[1:])
    found = pe.prune_study(former, delete=True)
    assert {path for path in found if path.parent == maps[0].parent} == set(files[:2])
    assert all(path.is_file() for path in files[2:])
    assert list(found) == sorted(found)


def test_a_folder_that_is_not_there_is_a_mistake(former):
    with pytest.raises(UserError, match=r"nowhere: no such folder"):
        pe.prune_study(former, out=former.parent / "nowhere")
    assert run(former, "--prune", "--out", former.parent / "nowhere").exit_code == 2


def test_the_command_lists_before_it_deletes(former):
    before = everything(former)
    listed = run(former, "--prune")
    assert listed.exit_code == 0
    paths = [line.split(maxsplit=2)[2] for line in listed.stdout.splitlines()[1:]]  # after "12.3 kB"
    assert paths == sorted(map(str, pe.prune_study(former)))  # whole, however long
    assert len(paths) == 9
    assert "9 files, " in listed.stderr
    assert "kept; --yes deletes them" in listed.stderr
    assert json.loads(run(former, "--prune", "--yes", "--dry-run", "--json").stdout)["deleted"] is False
    assert everything(former) == before
    gone = json.loads(run(former, "--prune", "--yes", "--json").stdout)
    assert gone["deleted"] is True
    assert before - everything(former) == {
        path for path in before if str(path) in {x["path"] for x in gone["files"]}
    }
    assert "nothing to delete" in run(former, "--prune", "--yes").stderr
    assert run(former, "--yes").exit_code == 2
