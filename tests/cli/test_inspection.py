"""What ``inspect`` prints: provenance in words, never as a program writes it."""

import json

import pytest
from typer.testing import CliRunner

from p3d_eval.cli import app
from p3d_eval.cli.inspection import _settings
from p3d_eval.features import write_store

SETTINGS = {"batch_size": 8, "threads": None, "devices": ["cpu", "cuda:1"]}


@pytest.fixture
def inspected(tmp_path, monkeypatch):
    """Run ``inspect`` on a file with this provenance, on a wide terminal."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(**provenance):
        path = write_store(tmp_path / "f.h5", ["a", "b"], {"pool5": [[1.0, 2.0], [3.0, 4.0]]}, **provenance)
        shown = CliRunner().invoke(app, ["inspect", str(path)])
        assert shown.exit_code == 0, shown.output
        return {line.split("  ")[0]: " ".join(line.split()) for line in shown.output.splitlines()}

    return call


def test_lists_and_tables_are_words(inspected):
    lines = inspected(
        provenance={
            "aslan_layers": ["prob", "pool5"],
            "input_spec": {"crop": [224, 224], "layout": "NCTHW", "mean": None},
            "input_changes": {"mean": {"own": [1.0, 2.0], "used": [0.0, 0.0]}},
        }
    )
    assert lines["aslan_layers"] == "aslan_layers prob, pool5"
    assert lines["input_spec"] == "input_spec crop=(224, 224), layout=NCTHW, mean=none"
    assert lines["input_changes"] == "input_changes mean=(own=(1.0, 2.0), used=(0.0, 0.0))"
    assert not any(sign in line for line in lines.values() for sign in "[]{}")


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ({"source": "w.safetensors", "sha256": "ab12", "random": False}, "w.safetensors (SHA-256 ab12)"),
        ({"source": "random", "sha256": None, "random": True}, "random"),
        ({"source": "", "sha256": ""}, "none named"),
    ],
)
def test_weights_have_their_hash_where_they_have_one(inspected, weights, told):
    assert inspected(provenance={"weights": weights})["weights"] == f"weights {told}"


def test_settings_of_runs_are_words():
    assert _settings(json.dumps(SETTINGS)) == "batch_size=8, threads=none, devices=(cpu, cuda:1)"
    assert _settings("{}") == "–"
    assert _settings("not JSON") == "not JSON"
