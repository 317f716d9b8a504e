"""``p3d-eval plot`` and ``pe.plot``: files written, one line for a mistake."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import p3d_eval as pe
from p3d_eval import cli
from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.features import write_store
from p3d_eval.reports.figures.data import FigureData
from tests.support.figures import class_result, pair_result, profile_result


def invoke(*words):
    return CliRunner().invoke(cli.app, ["plot", *map(str, words)])


@pytest.fixture
def folder(tmp_path):
    results = tmp_path / "results"
    for name, result in {
        "ucf101-a": class_result("a"),
        "ucf101-b": class_result("b", seed=1),
        "aslan-a": pair_result("a"),
        "profile-a": profile_result("a", 5.0),
    }.items():
        result.save(results / f"{name}.json")
    return results


@pytest.mark.parametrize(
    "words",
    [
        ["sweep", "ucf101-a.json", "ucf101-b.json", "--metric", "accuracy"],
        ["roc", "aslan-a.json"],
        ["roc", "."],
        ["precision-recall", "ucf101-a.json", "--class", "biking"],
        ["confusion", "ucf101-a.json"],
        ["per-class", "ucf101-a.json", "ucf101-b.json", "--most", "2"],
        ["per-class", "."],
        ["speed-accuracy", "ucf101-a.json", "profile-a.json", "--cost", "macs"],
    ],
)
def test_every_kind_is_drawn(folder, tmp_path, words):
    kind, *rest = words
    given = [folder / word if word.endswith("json") or word == "." else word for word in rest]
    done = invoke(kind, *given, "--out", tmp_path / "fig.svg", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert [file.rpartition("/")[2] for file in document["files"]] == ["fig.svg", "fig.figure.json", "fig.csv"]
    assert FigureData.read(tmp_path / "fig.figure.json").kind == kind


def test_a_map_is_drawn_from_features_and_again_from_its_data(tmp_path):
    generator = np.random.default_rng(0)
    ids = [f"{'ab'[row % 2]}/{row}" for row in range(12)]
    store = write_store(tmp_path / "net.h5", ids, {"fc": generator.normal(size=(12, 5))}, backbone="net")
    done = invoke("tsne", store, "--layer", "fc", "--videos", 10, "--out", tmp_path / "map.png")
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert "10 of 12 videos, drawn with seed 0" in done.stderr
    again = invoke("again", tmp_path / "map.figure.json", "--out", tmp_path / "same.png", "--quiet")
    assert (again.stdout, again.stderr) == ("", "")
    assert (tmp_path / "same.png").read_bytes() == (tmp_path / "map.png").read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["roc", "{}/ucf101-a.json"], "a ROC curve is drawn of pairs"),
        (["roc", "{}/aslan-a.json", "{}/ucf101-a.json"], "is of aslan 1 and"),
        (["roc", "{}/none.json"], "none.json: no such result file"),
        (["confusion", "{}"], "2 results for one confusion matrix"),
        (["precision-recall", "{}/ucf101-a.json", "--class", "bikeing"], "'bikeing'\nDid you mean biking"),
        (["sweep", "{}/ucf101-a.json", "--metric", "top9"], "unknown metric of"),
        (["sweep", "{}/ucf101-a.json", "--font", "No Such"], "unknown font 'No Such'"),
        (["per-class", "{}/ucf101-a.json", "--quiet", "--json"], "--quiet and --json contradict"),
        (["tsne", "{}/ucf101-a.json"], "not an HDF5 file"),
        (["tsne", "{}/none.h5"], "none.h5"),
        (["tsne", "{}/none.h5", "--font", "No Such"], "unknown font 'No Such'"),
        (["again", "{}/ucf101-a.json"], "not the data of a figure\nGive the NAME.figure.json"),
        (["again", "{}/none.figure.json"], "none.figure.json: no such file\nGive the NAME.figure.json"),
        (["again", "{}"], "results: Is a directory\nGive the NAME.figure.json"),
        (["again", __file__], "not the data of a figure (not JSON: Extra data in line 1)\nGive the"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(folder, tmp_path, words, message):
    done = invoke(*(word.format(folder) for word in words), "--out", tmp_path / "fig.pdf")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_existing_files_are_kept_without_overwrite(folder, tmp_path):
    words = ["roc", folder / "aslan-a.json", "--out", tmp_path / "fig.svg"]
    assert invoke(*words).exit_code == 0
    again = invoke(*words)
    assert again.exit_code == 2
    assert "fig.svg exists" in again.stderr
    assert invoke(*words, "--overwrite").exit_code == 0


def test_python_draws_the_same(folder, tmp_path):
    figure = pe.plot("roc", folder / "aslan-a.json", tmp_path / "api.svg")
    assert figure.data.series[0].name == "a"
    invoke("roc", folder / "aslan-a.json", "--out", tmp_path / "cli.svg")
    assert (tmp_path / "api.svg").read_bytes() == (tmp_path / "cli.svg").read_bytes()
    assert pe.plot("confusion", class_result("a"))._repr_png_().startswith(b"\x89PNG")


def test_wrong_kinds_and_options_are_named(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown figure 'rock'") as caught:
        pe.plot("rock", class_result())
    assert "Did you mean roc?" in caught.value.hint
    with pytest.raises(UnknownNameError, match="unknown option of sweep 'metrics'"):
        pe.plot("sweep", class_result(), metrics="accuracy")
    with pytest.raises(UnknownNameError, match="unknown option of tsne 'perplexiti'"):
        pe.plot("tsne", tmp_path / "a.h5", perplexiti=3)
    with pytest.raises(UserError, match="no results to draw"):
        pe.plot("roc", [])
