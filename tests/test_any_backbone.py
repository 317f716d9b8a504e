"""Every kind of network through the same door: extract, ucf101, report, as typed."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from p3d_eval.backbones import load_backbone
from p3d_eval.cli import app
from p3d_eval.features import open_features
from tests.backbones.zoos.checkpoints import dinov2, videomae
from tests.support.exported import Clips, export_program, write_onnx
from tests.support.torchvision_operators import import_torchvision
from tests.support.videos import make_video, moving_frames

GROUPS = (1, 8, 15, 22)  # each of the three splits tests one, and trains on the others
PLUGIN = """
import torch
from torch import nn
from p3d_eval.backbones import InputSpec, Network

SPEC = InputSpec(4, (18, 34), (16, 32), (0.4, 0.5, 0.6), (0.2, 0.3, 0.4), value_range=(0, 1))

def make(width="6"):
    return Network(nn.Sequential(nn.Conv3d(3, int(width), 3, stride=2), nn.ReLU()), SPEC, random=True)
"""
PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "networks-of-mine"
version = "1.2.3"
[project.entry-points."p3d_eval.backbones"]
mynet = "networks_of_mine:make"
"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    frames = np.stack(list(moving_frames(14)))
    for number, (action, images) in enumerate({"Run": frames, "Jump": frames[::-1]}.items()):
        for group in GROUPS:
            shifted = np.roll(images, (group, 20 * number), (1, 2))
            make_video(folder / action / f"v_{action}_g{group:02d}_c01.avi", shifted)
    return folder


def torchvision(folder):
    return "torchvision:mc3_18", "--weights random --crop-size 32 --clip-length 4 --layers layer2:avg,prob"


def timm(folder):
    words = "--weights random --crop-size 32 --clip-length 4 --option frames=all --layers global_pool,prob"
    return "timm:resnet10t", words


def clips_of_transformers(folder):
    return videomae(folder / "videomae"), "--layers tokens=videomae:mean,prob"


def images_of_transformers(folder):
    return dinov2(folder / "dinov2"), "--layers layernorm:cls,layernorm:mean"


def file_of_the_user(folder):
    (folder / "mine.py").write_text(PLUGIN)
    return f"{folder / 'mine.py'}:make", "--option width=5 --layers 1:avg"


def onnx(folder):
    return str(write_onnx(folder / "net.onnx", ["N", 3, 4, 16, 32])), "--layers block_maps:avg,prob"


def exported_program(folder):
    path = export_program(folder / "net.pt2", Clips(), (2, 3, 4, 16, 32))
    return str(path), "--layers pooled,prob"


def installed_package(folder):
    return "mynet", "--layers 1:avg,1:flat"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder that a package with an entry point was installed into."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "networks_of_mine.py").write_text(PLUGIN)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*pip, "--disable-pip-version-check", "--target", str(target), str(source)], check=True)
    return target


# Whose factories say that nobody trained them.
RANDOM = (file_of_the_user, installed_package)


def run(words):
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize(
    "kind",
    [
        torchvision,
        timm,
        clips_of_transformers,
        images_of_transformers,
        file_of_the_user,
        onnx,
        exported_program,
        installed_package,
    ],
    ids=lambda kind: kind.__name__,
)
def test_from_videos_to_a_table(kind, videos, site, tmp_path, monkeypatch):
    import_torchvision()
    monkeypatch.syspath_prepend(site)
    name, words = kind(tmp_path)
    features = tmp_path / "feats.h5"
    typed = ["extract", "--backbone", name, "--videos", str(videos), "--out", str(features), *words.split()]
    done = run([*typed, "--clips", "2", "--workers", "0", "--device", "cpu", "--quiet"])
    assert done.exit_code == 0, done.output
    store = open_features(features)
    assert len(store.ids) == 2 * len(GROUPS)
    assert not store.failed
    assert store.provenance["backbone"] == name
    for layer in store.layers:
        values = np.asarray(store[layer])
        assert np.isfinite(values).all()
        assert len(np.unique(values, axis=0)) == len(store.ids)  # no two videos give the same numbers
    for layer in set(store.layers) & {"prob"}:
        np.testing.assert_allclose(np.asarray(store[layer]).sum(1), 1, atol=1e-5)
    layer = next(iter(store.layers))
    result = tmp_path / "result.json"
    judged = run(["ucf101", "--features", str(features), "--layer", layer, "--out", str(result), "--quiet"])
    assert judged.exit_code == 0, judged.output
    measured = json.loads(result.read_text())
    table = run(["report", str(result), "--format", "csv", "--only-measured"])
    assert table.exit_code == 0, table.output
    rows = list(csv.DictReader(io.StringIO(table.stdout)))
    assert len(rows) == 1
    assert float(rows[0]["accuracy"]) == pytest.approx(100 * measured["metrics"]["accuracy"]["value"])
    assert rows[0]["videos_used"] == rows[0]["videos_expected"] == "8"
    assert measured["features"]["weights"]["random"] == ("random" in words or kind in RANDOM)


def test_an_installed_package_is_listed_by_its_name(site, monkeypatch):
    monkeypatch.syspath_prepend(site)
    listed = {row["name"]: row["summary"] for row in json.loads(run(["backbones", "--json"]).stdout)}
    assert listed["mynet"] == "from networks-of-mine"
    shown = run(["backbones", "show", "mynet", "--option", "width=7", "--layers", "0", "--json"])
    assert json.loads(shown.stdout)["layers"] == {"0": {"shape": [7, 1, 7, 15], "axes": "CTHW"}}
    first = load_backbone("mynet", seed=1)
    assert torch.equal(first.module[0].weight, load_backbone("mynet", seed=1).module[0].weight)
