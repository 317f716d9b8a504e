"""Jumping gives the frames of decoding from the beginning, where packets prove their numbers."""

import random

import av
import numpy as np
import pytest

from p3d_eval.features import counting
from p3d_eval.features import decode as decoding
from p3d_eval.features.bitstreams import UnprovenError
from p3d_eval.features.decode import DecodeError, read_video
from p3d_eval.features.packets import index_packets
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.seeking import SeekError, decode_segments, plan_segments, worth_seeking
from p3d_eval.features.sequential import decode
from tests.support.mutations import mutated_corpus
from tests.support.real_data import real_data
from tests.support.videos import has_encoder, make_video, moving_frames, numbered_frame, read_number

FRAMES = 90
GOP_20 = {"g": "20", "sc_threshold": "0"}  # an IDR picture every 20 frames, and nowhere else
X265 = "log-level=none:keyint=12:min-keyint=12"
# File, encoder, its options, and whether the packets prove the frames' numbers.
CODECS = [
    ("h264.mp4", "libx264", {"g": "12"}, True),
    ("h264-b.mp4", "libx264", {"g": "12", "bf": "3", "x264-params": "b-pyramid=normal"}, True),
    ("h264-open.mp4", "libx264", {"g": "12", "bf": "3", "x264-params": "open-gop=1"}, True),
    ("h264-refresh.mp4", "libx264", {"g": "12", "intra-refresh": "1"}, True),
    ("h264-slices.mp4", "libx264", {"g": "12", "x264-params": "slices=3"}, True),
    ("h264.mkv", "libx264", {"g": "12"}, True),
    ("h264.flv", "libx264", {"g": "12"}, True),
    ("hevc.mp4", "libx265", {"x265-params": f"{X265}:open-gop=0"}, True),
    ("hevc-open.mkv", "libx265", {"x265-params": f"{X265}:open-gop=1"}, True),
    ("vp8.webm", "libvpx", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "16"}, True),
    ("vp9.webm", "libvpx-vp9", {"g": "12", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16"}, True),
    ("fields.mp4", "libx264", {"g": "12", "x264-params": "interlaced=1"}, False),
    ("h264.ts", "libx264", {"g": "12"}, False),
    ("h264.avi", "libx264", {"g": "12"}, False),
    ("asp.avi", "mpeg4", {"g": "12", "bf": "2"}, False),
    ("asp.mp4", "mpeg4", {"g": "12", "bf": "2"}, False),
    ("mpeg2.mpg", "mpeg2video", {"g": "12", "bf": "2"}, False),
    ("mjpeg.avi", "mjpeg", {"pix_fmt": "yuvj420p"}, False),
]


def _make(folder, name, codec, options):
    if not has_encoder(codec):
        pytest.skip(f"this FFmpeg cannot encode {codec}")
    return make_video(folder / name, moving_frames(FRAMES), codec, **options)


@pytest.mark.parametrize(("name", "codec", "options", "proven"), CODECS, ids=[codec[0] for codec in CODECS])
def test_jumps_give_the_frames_of_decoding_from_the_beginning(tmp_path, name, codec, options, proven):
    path = _make(tmp_path, name, codec, options)
    if not proven:
        with pytest.raises(UnprovenError):
            index_packets(path)
        return
    frames = list(decode(path))
    index = index_packets(path)
    assert list(index.times) == [frame.pts for frame in frames]
    assert len(frames) == FRAMES
    rng = random.Random(name)
    for _ in range(6):
        needed = sorted(rng.sample(range(FRAMES), 4))
        found = dict(decode_segments(path, index, plan_segments(index, needed)))
        assert sorted(found) == needed
        for number, frame in found.items():
            np.testing.assert_array_equal(frame.to_ndarray(), frames[number].to_ndarray())


@pytest.mark.parametrize("kind", ["uniform", "random", "sliding"])
@pytest.mark.parametrize("name", ["h264-b.mp4", "vp9.webm", "asp.avi", "mpeg2.mpg"])
def test_short_memory_changes_no_clip(tmp_path, monkeypatch, name, kind):
    codec, options = next(case[1:3] for case in CODECS if case[0] == name)
    path = _make(tmp_path, name, codec, options)
    sampling = Sampling(4, kind=kind, clips=2, clip_stride=30)
    header, *frames = read_video(path, "v", sampling)
    for limit in (40_000, 0):  # room for the frames of some clips, and for none
        monkeypatch.setattr(counting, "RETAINED_BYTES", limit)
        again, *others = read_video(path, "v", sampling)
        assert again == header
        assert [frame.number for frame in others] == [frame.number for frame in frames]
        for one, other in zip(frames, others, strict=True):
            np.testing.assert_array_equal(one.image, other.image)


def test_sparse_clips_of_a_long_video_are_jumped_to(tmp_path, monkeypatch):
    path = make_video(tmp_path / "v.mp4", (numbered_frame(n % 256) for n in range(400)), "libx264", **GOP_20)
    index = index_packets(path)
    sparse = plan_segments(index, [50, 51, 350])
    assert [(segment.anchor.number, segment.numbers) for segment in sparse] == [(40, (50, 51)), (340, (350,))]
    assert worth_seeking(index, sparse)
    assert not worth_seeking(index, plan_segments(index, range(0, 400, 4)))
    monkeypatch.setattr(counting, "RETAINED_BYTES", 0)
    monkeypatch.setattr(decoding, "decode", None)  # the way through the file
    header, *frames = read_video(path, "v", Sampling(2, clips=2))
    assert header.frames == 400
    assert [frame.number for frame in frames] == [99, 100, 299, 300]
    assert [read_number(frame.image) for frame in frames] == [99, 100, 299 - 256, 300 - 256]


def test_a_jump_that_fails_is_made_good_by_going_through(tmp_path, monkeypatch):
    path = make_video(tmp_path / "v.mp4", 200, "libx264", g="10")
    sampling = Sampling(2, clips=2)
    expected = list(read_video(path, "v", sampling))
    monkeypatch.setattr(counting, "RETAINED_BYTES", 0)
    whole = decode_segments

    def broken(*arguments):
        yield next(whole(*arguments))
        raise SeekError

    monkeypatch.setattr(decoding, "decode_segments", broken)
    found = list(read_video(path, "v", sampling))
    assert found[0] == expected[0]
    assert [frame.number for frame in found[1:]] == [frame.number for frame in expected[1:]]
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_packets_that_promise_other_frames_are_refused(tmp_path, monkeypatch):
    path = make_video(tmp_path / "v.mp4", 60, "libx264", g="10")
    other = index_packets(make_video(tmp_path / "w.mp4", 60, "libx264", rate=50, g="10"))
    monkeypatch.setattr(counting, "RETAINED_BYTES", 0)
    monkeypatch.setattr(counting, "index_packets", lambda *arguments: other)
    with pytest.raises(DecodeError, match="not the one that its packets promise"):
        list(read_video(path, "v", Sampling(2, clips=2)))


def _outcome(path):
    try:
        header, *frames = read_video(path, "v", Sampling(8, clips=3))
    except DecodeError as error:
        return str(error)
    return header, frames


def test_damage_never_gives_other_frames(tmp_path, monkeypatch):
    sources = [
        make_video(tmp_path / "a.mp4", moving_frames(80), "libx264", g="10"),
        make_video(tmp_path / "b.webm", moving_frames(60), "libvpx-vp9", g="10", **{"cpu-used": "8"}),
    ]
    usable = 0
    for mutation in mutated_corpus(tmp_path / "damaged", sources, 60, seed=5):
        monkeypatch.undo()
        whole = _outcome(mutation.path)
        monkeypatch.setattr(counting, "RETAINED_BYTES", 0)
        parts = _outcome(mutation.path)
        if isinstance(whole, str) or isinstance(parts, str):
            assert not mutation.intact, (mutation, whole, parts)
            continue
        usable += 1
        assert whole[0] == parts[0], mutation
        for one, other in zip(whole[1], parts[1], strict=True):
            np.testing.assert_array_equal(one.image, other.image, err_msg=str(mutation))
    assert usable >= 18


def test_no_frame_leans_on_a_damaged_one(tmp_path, monkeypatch):
    """Bidirectional frames come out before the damaged one behind them that they were made from."""
    path = make_video(tmp_path / "v.mp4", moving_frames(80), "libx264", g="10", bf="2")
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = path.read_bytes()
    for start, size in places:
        damaged = bytearray(content)
        damaged[start + size // 4] ^= 1
        path.write_bytes(damaged)
        monkeypatch.undo()
        whole = _outcome(path)
        monkeypatch.setattr(counting, "RETAINED_BYTES", 0)
        parts = _outcome(path)
        assert whole[0] == parts[0]
        for one, other in zip(whole[1], parts[1], strict=True):
            np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize("name", ["SOX5yA1l24A", "mma_demo"])
def test_jumps_in_real_videos(name):
    path = real_data() / "clips" / f"{name}.mp4"
    index = index_packets(path)
    frames = list(decode(path))
    assert list(index.times) == [frame.pts for frame in frames]
    needed = list(range(7, len(frames), 60))
    for number, frame in decode_segments(path, index, plan_segments(index, needed)):
        np.testing.assert_array_equal(frame.to_ndarray(), frames[number].to_ndarray())
