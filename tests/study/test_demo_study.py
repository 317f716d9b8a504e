"""The demo's data as a study: videos to PDF, figures and page by one command, interrupted once and resumed."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from p3d_eval.demo.study import write_inputs
from p3d_eval.features import FeatureStore
from p3d_eval.reports.figures.data import FigureData
from tests.docs.runner import ROOT
from tests.support.processes import left_over, mark
from tests.support.tiny_study import NETWORK

STUDY = f"""
[extract]
clips = 1
layers = "prob,flat,res"

[backbones.one]
backbone = "{NETWORK}:factory"

[backbones.two]
backbone = "{NETWORK}:factory"
seed = 1

[datasets.motions]
videos = "videos"
annotations = {{ ucf101 = "ucfTrainTestlist", aslan = "View2.mat" }}

[protocols.ucf101]
layer = "flat"

[protocols.aslan]

[protocols.retrieval]
layer = "flat"

[report]
title = "Twenty motions"
tsne_layer = "flat"
"""


def command(folder, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "p3d_eval", "run", "study.toml"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop_half_way(folder, marked):
    """Start the study, and press Ctrl-C when some videos have features."""
    running = command(folder, TINY_DELAY="0.3", **marked)
    late = time.monotonic() + 120
    done = 0
    while not done and time.monotonic() < late:
        time.sleep(0.2)
        for path in (folder / "study" / "features").glob("*.h5"):
            done = len(FeatureStore(path).ids)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    return running.returncode, errors


@pytest.mark.ci
def test_one_command_goes_from_videos_to_a_pdf_figures_and_a_page(tmp_path):
    write_inputs(tmp_path, quiet=True)
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    marked = mark()
    code, errors = stop_half_way(tmp_path, marked)
    assert code == 130, errors
    assert left_over(marked) == []
    assert not (tmp_path / "study" / "report").exists()
    (half,) = (tmp_path / "study" / "features").glob("*.h5")
    before = set(FeatureStore(half).ids)
    assert 0 < len(before) < 120
    resumed = command(tmp_path)
    tables, errors = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, errors
    store = FeatureStore(half)
    assert len(store.ids) == 120
    assert store.video_table["run"].tolist().count(0) == len(before)  # these were not extracted again
    assert tables.count("one (random weights)") >= 3
    report = tmp_path / "study" / "report"
    assert {path.name for path in (report / "figures").glob("*.pdf")} >= {
        "aslan-roc.pdf",
        "ucf101-per-class.pdf",
        "ucf101-confusion-one-random-weights.pdf",
        "tsne-motions.pdf",
    }
    (map_,) = (tmp_path / "study" / ".maps").glob("*.json")
    assert [one.name for one in FigureData.read(report / "figures" / "tsne-motions.figure.json").series] == [
        "one (random weights)",
        "two (random weights)",
    ]
    assert "<title>Twenty motions</title>" in (report / "report.html").read_text(encoding="utf-8")
    if shutil.which("pdflatex") and shutil.which("pdftotext"):
        printed = subprocess.run(
            ["pdftotext", "-layout", report / "tables.pdf", "-"], capture_output=True, text=True, check=True
        )
        for words in ("UCF101", "ASLAN", "two (random weights)", "P3D ResNet"):
            assert words in printed.stdout
    # Another label changes the report, and neither features nor results nor the map.
    drawn = map_.stat().st_mtime_ns
    text = (tmp_path / "study.toml").read_text(encoding="utf-8").replace("seed = 1", 'seed = 1\nlabel = "zwei"')
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    again = command(tmp_path)
    tables, errors = again.communicate(timeout=300)
    assert "0 made, 8 kept, 0 failed; report written" in errors
    assert "zwei (random weights)" in tables
    assert map_.stat().st_mtime_ns == drawn
    figure = FigureData.read(report / "figures" / "tsne-motions.figure.json")
    assert figure.series[1].name == "zwei (random weights)"
