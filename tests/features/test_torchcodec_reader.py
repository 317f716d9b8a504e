"""torchcodec is used where frame numbers are certain; elsewhere PyAV reads, and says so."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from p3d_eval.errors import MissingExtraError, UnknownNameError, UserError
from p3d_eval.features.decode import DecodeError, decoder_versions, read_video, require_decoder
from p3d_eval.features.images import Converter
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.sequential import decode
from tests.support.videos import make_video, read_number

SAMPLING = Sampling(6, clips=4)


class _Decoder:
    """torchcodec's interface as this package uses it, over PyAV."""

    shift = 0.0
    missing = 0
    breaks_at = 10**9

    def __init__(self, source, *, dimension_order, num_ffmpeg_threads, device, seek_mode):
        assert (dimension_order, num_ffmpeg_threads, seek_mode) == ("NHWC", 1, "exact")
        if device != "cpu":
            raise RuntimeError("No NVDEC here\nwith more lines")
        self._frames = list(decode(source))[: -self.missing or None]

    def __len__(self):
        return len(self._frames)

    def get_frames_at(self, indices):
        if max(indices) >= self.breaks_at:
            raise RuntimeError("Could not decode")
        frames = [self._frames[index] for index in indices]
        images = np.stack([Converter()(frame) for frame in frames])
        times = torch.tensor([float(frame.time) + self.shift for frame in frames], dtype=torch.float64)
        return SimpleNamespace(data=torch.from_numpy(images), pts_seconds=times)


@pytest.fixture
def fake(monkeypatch):
    class Decoder(_Decoder):
        def __init__(self, source, **options):
            from pathlib import Path

            super().__init__(Path(source), **options)

    package, decoders = ModuleType("torchcodec"), ModuleType("torchcodec.decoders")
    package.decoders, decoders.VideoDecoder = decoders, Decoder
    monkeypatch.setitem(sys.modules, "torchcodec", package)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", decoders)
    return Decoder


@pytest.fixture
def video(tmp_path):
    return make_video(tmp_path / "v.mp4", 50, "libx264", g="10")


def _same(found, expected):
    assert [frame.number for frame in found] == [frame.number for frame in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_frames_come_through_torchcodec(fake, video):
    header, *frames = read_video(video, "v", SAMPLING, decoder="torchcodec")
    expected = list(read_video(video, "v", SAMPLING))
    assert header == expected[0]
    assert header.notice is None
    _same(frames, expected[1:])


def test_what_torchcodec_cannot_read_comes_through_pyav_with_a_notice(fake, video, tmp_path, monkeypatch):
    avi = make_video(tmp_path / "v.avi", 30)
    cases = [
        (avi, "torchcodec", {}, "read with pyav instead of torchcodec: mpeg4 is not understood"),
        (video, "torchcodec:cuda", {}, "read with pyav instead of torchcodec:cuda: No NVDEC here"),
        (video, "torchcodec", {"missing": 1}, "it counts 49 frames where packets show 50"),
        (video, "torchcodec", {"shift": 0.5}, "its frames have other times than their packets"),
        (video, "torchcodec", {"breaks_at": 0}, "Could not decode"),
    ]
    for path, decoder, faults, notice in cases:
        with monkeypatch.context() as patch:
            for name, value in faults.items():
                patch.setattr(fake, name, value)
            header, *frames = read_video(path, "v", SAMPLING, decoder=decoder)
        assert notice in header.notice
        _same(frames, list(read_video(path, "v", SAMPLING))[1:])


def test_a_failure_after_the_first_frames_is_a_reason(fake, video, monkeypatch):
    monkeypatch.setattr(fake, "breaks_at", 40)
    with pytest.raises(DecodeError, match="torchcodec stopped at frame .*: Could not decode"):
        list(read_video(video, "v", SAMPLING, decoder="torchcodec"))


def test_a_missing_or_broken_torchcodec_is_named_beforehand(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcodec", None)
    with pytest.raises(MissingExtraError, match=r"(?s)--decoder torchcodec.*p3d-eval\[torchcodec\]"):
        require_decoder("torchcodec")

    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name.startswith("torchcodec"):
                raise RuntimeError("Could not load libtorchcodec.\nmany lines")

    monkeypatch.delitem(sys.modules, "torchcodec")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(UserError, match="torchcodec does not load: Could not load libtorchcodec"):
        require_decoder("torchcodec:cuda")


def test_unknown_decoders_are_refused():
    with pytest.raises(UnknownNameError, match="torchcodec"):
        require_decoder("torchcodex")


def test_the_decoder_is_named_with_its_version(fake):
    assert decoder_versions()["name"] == "pyav"
    assert decoder_versions("torchcodec:cuda")["name"] == "torchcodec:cuda"
    assert "torchcodec" in decoder_versions("torchcodec")


def test_the_real_torchcodec(video):
    pytest.importorskip("torchcodec", reason="the extra torchcodec is not installed", exc_type=Exception)
    header, *frames = read_video(video, "v", SAMPLING, decoder="torchcodec")
    assert header.frames == 50
    assert [read_number(frame.image) for frame in frames] == sorted(header.needed)
