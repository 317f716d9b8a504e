"""The commands that are made from protocols: options, output, exit codes."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

from p3d_eval.cli import app
from p3d_eval.cli._protocols import protocol_command
from p3d_eval.cli._results import percent
from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.protocols.evaluation import _require_different, _require_outputs, evaluate
from p3d_eval.protocols.result import Metric, Result
from tests.support import protocol_data as data

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run ``p3d-eval …`` in an empty folder, with no user data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "user"))
    monkeypatch.setenv("COLUMNS", "100")

    def call(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


@pytest.mark.parametrize("name", PROTOCOLS.names())
def test_every_option_is_on_the_command_line(name):
    protocol = PROTOCOLS.load(name)
    flags = {flag for parameter in protocol_command(name).params for flag in parameter.opts}
    for field in dataclasses.fields(protocol.options):
        assert f"--{field.metadata.get('flag', field.name.replace('_', '-'))}" in flags
        assert field.metadata["help"].endswith(".")
    common = {"--features", "--out", "--overwrite", "--quiet", "--json", "--label"}
    assert common | {f"--{protocol.annotation_option.name}"} <= flags


def test_listing_protocols_loads_nothing_heavy():
    code = (
        "import sys; from p3d_eval.protocols import PROTOCOLS\n"
        "print(PROTOCOLS.names(), PROTOCOLS.summary('aslan'))\n"
        "print(sorted({'numpy', 'h5py', 'torch', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert shown.splitlines()[-1] == "[]"
    assert shown.startswith("['ucf101', ")


def test_classifier_and_c_as_typed(run, tmp_path):
    """--C takes a number, a list or cv; one way of writing it is kept."""
    data.ucf_store(tmp_path)
    shown = run("ucf101", "--features", "ucf.h5", "--split", "1", "--C", "1,0.1", "--classifier", "logistic")
    assert shown.exit_code == 0, shown.output
    assert "C from 0.1, 1 by cross validation" in shown.output.replace("\n", " ")
    result = Result.load(tmp_path / "results" / "ucf101-imported.json")
    assert result.options["C"] == "0.1,1"
    assert result.splits[0].chosen["C"] in (0.1, 1.0)
    typed = run("ucf101", "--features", "ucf.h5", "--split", "1", "--C", "1.0", "--out", "one.json", "--quiet")
    assert typed.exit_code == 0, typed.output
    default = run("ucf101", "--features", "ucf.h5", "--split", "1", "--out", "two.json", "--quiet")
    assert default.exit_code == 0
    one, two = (Result.load(tmp_path / name) for name in ("one.json", "two.json"))
    assert one.result_id == two.result_id
    wrong = run("ucf101", "--features", "ucf.h5", "--C", "0,1", "--out", "three.json")
    assert wrong.exit_code == 2
    assert "C: 0.0 is not positive" in wrong.output


def test_ucf101_as_typed(run, tmp_path):
    data.ucf_store(tmp_path)
    shown = run("ucf101", "--features", "ucf.h5")
    assert shown.exit_code == 0, shown.output
    result = Result.load(tmp_path / "results" / "ucf101-imported.json")
    assert percent(result.metrics["accuracy"]) in shown.output
    for split in result.splits:
        assert percent(split.metrics["accuracy"]) in shown.output
    for said in (*result.choices, "Coverage: 200 of 200 videos", "the videos' names", "converged"):
        assert said in shown.output.replace("\n", " ")
    again = run("ucf101", "--features", "ucf.h5")
    assert again.exit_code == 2
    assert "results/ucf101-imported.json exists" in again.output
    assert "Choose another name with --out or add --overwrite" in again.output
    assert run("ucf101", "--features", "ucf.h5", "--overwrite", "--quiet").output == ""


def test_aslan_as_typed_after_annotate(run, tmp_path):
    table = data.pair_table(folds=3)
    data.aslan_store(tmp_path, table)
    missing = run("aslan", "--features", "aslan.h5")
    assert missing.exit_code == 2
    assert "--pairs" in missing.output
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "View2.mat").write_bytes(data.mat_bytes(table))
    embedded = run("annotate", "aslan.h5", "aslan", "lists/View2.mat")
    assert embedded.exit_code == 0, embedded.output
    assert open_features("aslan.h5").annotations("aslan") == {"View2.mat": data.mat_bytes(table)}
    shown = run("aslan", "--features", "aslan.h5", "--json", "--C", "2", "--recipe", "c3d", "--label", "net/1")
    assert shown.exit_code == 0, shown.output
    document = json.loads(shown.stdout)
    assert (document["label"], document["options"]["C"]) == ("net/1", 2.0)
    assert document["annotations"]["source"] == "embedded in aslan.h5"
    assert [v["name"] for v in document["variants"] if v["headline"]] == ["zscore"]
    assert (tmp_path / "results" / "aslan-net-1.json").is_file()
    assert (tmp_path / "results" / document["scores_file"]["name"]).is_file()
    assert run("annotate", "aslan.h5", "aslan", "lists/View2.mat").exit_code == 0  # the same bytes
    (tmp_path / "lists" / "View2.mat").write_bytes(data.mat_bytes(table[::-1]))
    other = run("annotate", "aslan.h5", "aslan", "lists/View2.mat")
    assert other.exit_code == 2
    assert "--overwrite" in other.output


def test_default_names_tell_results_apart(run, tmp_path):
    """What a result is about, and options of the network that are not as usual, stand in its file's name."""
    ids = data.ucf_ids()
    rng = np.random.default_rng(0)
    for name, backbone, options in (
        ("three", "net.py:make", {"width": "3", "code_sha256": "0" * 64}),
        ("five", "net.py:make", {"width": "5", "code_sha256": "0" * 64}),
        ("usual", "p3d63", {"variant": "ABC", "modality": "rgb"}),
        ("flow", "p3d63", {"variant": "ABC", "modality": "flow"}),
    ):
        provenance = {"backbone": backbone, "options": options}
        write_store(tmp_path / f"{name}.h5", ids, {"pool5": rng.random((len(ids), 4))}, provenance=provenance)
    rows = [f"{video},{video.split('/')[0]}" for video in ids]
    (tmp_path / "t.csv").write_text("\n".join(["id,label", *rows]))
    for words in (
        "ucf101 --features three.h5",
        "ucf101 --features five.h5",
        "ucf101 --features usual.h5",
        "ucf101 --features flow.h5",
        "ucf101 --features five.h5 --label mine",
        "ucf101 --features three.h5 --features five.h5",
        "custom --features usual.h5 --table t.csv",
        "custom --features usual.h5 --table t.csv --task retrieval",
        "custom --features usual.h5 --table t.csv --task pairs --pairs 20 --folds 2",
    ):
        done = run(*words.split(), *(["--split", "1"] if "ucf101" in words else ()), "--quiet")
        assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (tmp_path / "results").glob("*.json")) == [
        "custom-p3d63.json",
        "custom-pairs-p3d63.json",
        "custom-retrieval-p3d63.json",
        "ucf101-mine.json",
        "ucf101-net.py-make-width-3-net.py-make-width-5.json",
        "ucf101-net.py-make-width-3.json",
        "ucf101-net.py-make-width-5.json",
        "ucf101-p3d63-modality-flow.json",
        "ucf101-p3d63.json",
    ]


def test_warnings_are_printed(run, tmp_path):
    weights = {"source": "random", "sha256": "0" * 64, "random": True}
    ids = data.ucf_ids()
    data.ucf_store(
        tmp_path, ids[1:], failed={ids[0]: "broken"}, provenance={"weights": weights, "backbone": "net"}
    )
    shown = run("ucf101", "--features", "ucf.h5", "--allow-missing", "wrong").output
    assert "ucf101 · net (random weights)" in shown
    assert "warning: The features come from random weights" in shown
    assert (
        "199 of 200 videos; missing ones are counted as wrong: ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01" in shown
    )
    assert (tmp_path / "results" / "ucf101-net-random-weights.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ucf101", "--features", "ucf.h5", "--layer", "pool6"), "unknown layer"),
        (("ucf101", "--features", "ucf.h5", "--split", "4"), "unknown value of --split '4'"),
        (("ucf101", "--features", "ucf.h5", "--quiet", "--json"), "contradict"),
        (("aslan", "--features", "ucf.h5", "--pairs", "absent.mat"), "absent.mat: no such file"),
        (("annotate", "ucf.h5", "asian", "View2.mat"), "unknown dataset 'asian'"),
    ],
)
def test_user_errors_exit_with_2(run, tmp_path, arguments, message):
    data.ucf_store(tmp_path)
    shown = run(*arguments)
    assert shown.exit_code == 2
    assert message in shown.output
    assert "Traceback" not in shown.output


def test_percent():
    assert percent(Metric(0.8081, standard_error=0.0066)) == "80.81 ± 0.66"
    assert percent(Metric(0.5, 0.25, 0.75)) == "50.00 [25.00, 75.00]"
    assert percent(Metric(None, reason="no pairs")) == "– (no pairs)"
    assert percent(Metric(0.5, 0.25, 0.75), interval=False) == "50.00"


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        ("part.h5", {}, "part.h5 is incomplete"),
        ("absent.h5", {}, "absent.h5"),
        ("ucf.h5", {"device": "cuda:99"}, "device: 'cuda:99'"),
        ("ucf.h5", {"tol": 2.0}, "tol: 2.0"),
        ("ucf.h5", {"pca": "x"}, "pca: 'x'"),
        ("ucf.h5", {"layer": "pool6"}, "unknown layer in ucf.h5 'pool6'"),
        ("ucf.h5", {"splits": "absent"}, "absent: no such"),
        ("ucf.h5", {"weights": "cv"}, "fusion needs two feature files"),
        ("ucf.h5", {}, "r.json exists"),
    ],
)
def test_other_mistakes_are_told_before_an_existing_result(tmp_path, monkeypatch, features, options, message):
    monkeypatch.chdir(tmp_path)
    data.ucf_store(tmp_path)
    shutil.copy("ucf.h5", "part.h5")
    with h5py.File("part.h5", "r+") as file:
        file["complete"][...] = 0
    Path("r.json").write_text("mine")
    with pytest.raises(UserError) as caught:
        evaluate("ucf101", features, "r.json", **options)
    assert message in caught.value.message
    assert Path("r.json").read_text() == "mine"


def test_a_result_is_called_json(run, tmp_path):
    """Else ``z.txt`` and ``z.json`` share one file of scores; it is told before features are opened."""
    for name, meant in (("z.txt", "z.json"), ("z", "z.json"), ("z.JSON", "z.json")):
        shown = run("ucf101", "--features", "absent.h5", "--out", name)
        assert shown.exit_code == 2
        assert f"{name}: the name of a result ends in .json" in shown.output
        assert f"Write {meant}" in shown.output
    assert ". is a folder" in run("ucf101", "--features", "absent.h5", "--out", ".").output
    assert not list(tmp_path.iterdir())


def test_an_existing_list_of_predictions_names_its_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("p.json").write_text("mine")
    with pytest.raises(UserError, match=r"p\.json exists") as caught:
        _require_outputs({"--out": "r.json", "--write-predictions": "p.json"}, overwrite=False)
    assert caught.value.hint == "Choose another name with --write-predictions or add --overwrite"
    with pytest.raises(UserError, match="r.json is named for two outputs"):
        _require_different({"--out": "r.json", "--write-predictions": tmp_path / "r.json"})
