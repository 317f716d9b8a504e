import shutil

import pytest

from p3d_eval.study import predicting, running
from tests.support.tiny_study import ThreadWorker, make_study


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A study that has run once, in real processes."""
    from p3d_eval.study.run import run_study

    folder = tmp_path_factory.mktemp("finished")
    return run_study(make_study(folder), jobs=1, quiet=True)


@pytest.fixture
def study(finished, tmp_path):
    """A copy of the finished study's folder; returns the study file."""
    folder = tmp_path / "copy"
    shutil.copytree(finished.plan.study.base, folder)
    return folder / "study.toml"


@pytest.fixture
def in_threads(monkeypatch):
    """Perform tasks in threads of the test instead of processes."""
    monkeypatch.setattr(running, "TaskWorker", ThreadWorker)
    monkeypatch.setattr(predicting, "TaskWorker", ThreadWorker)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grid")
    make_study(folder)
    return folder


@pytest.fixture
def written(folder):
    """Write a study file beside the videos; return its path."""

    def write(text, name="other.toml"):
        path = folder / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
