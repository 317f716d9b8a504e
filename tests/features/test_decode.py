"""Decoded frames are the ones that were encoded, whatever the container says."""

from functools import partial
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from p3d_eval.features import counting
from p3d_eval.features.decode import DecodeError, read_video
from p3d_eval.features.requests import clip_requests
from p3d_eval.features.sampling import Sampling
from tests.support.videos import has_encoder, make_video, numbered_frame, read_number


def _frames(path):
    return next(read_video(path, "v", Sampling(1))).frames


CODECS = [("avi", "mpeg4", {}), ("avi", "mpeg4", {"bf": "2"}), ("mp4", "mpeg4", {}), ("mp4", "libx264", {})]


@pytest.mark.parametrize(("extension", "codec", "options"), CODECS, ids=["avi", "avi-b-frames", "mp4", "h264"])
@pytest.mark.parametrize("planes", [False, True])
def test_needed_frames_come_once_in_order_after_the_header(tmp_path, extension, codec, options, planes):
    if not has_encoder(codec):
        pytest.skip(f"this FFmpeg cannot encode {codec}")
    path = make_video(tmp_path / f"v.{extension}", 43, codec, **options)
    sampling = Sampling(6, clips=3, frame_stride=2)
    header, *frames = read_video(path, "v", sampling, planes=planes)
    assert header.frames == 43
    assert [clip.start for clip in header.clips] == sampling.starts(43, "v").tolist()
    for clip in header.clips:
        assert list(clip.numbers) == sampling.frames_of(clip.start, 43).tolist()
    needed = sorted({number for clip in header.clips for number in clip.numbers})
    assert [frame.number for frame in frames] == needed
    shown = [np.repeat(f.image.y[..., None], 3, axis=2) if planes else f.image for f in frames]
    assert [read_number(image) for image in shown] == needed


def test_a_short_video_is_looped(tmp_path):
    path = make_video(tmp_path / "v.avi", 3)
    header, *frames = read_video(path, "v", Sampling(8, clips=20))
    (clip,) = header.clips
    assert clip.repeats == 20
    assert clip.numbers == (0, 1, 2, 0, 1, 2, 0, 1)
    assert [read_number(frame.image) for frame in frames] == [0, 1, 2]


def test_reading_stops_when_it_is_told_to(tmp_path):
    stopped = Event()
    stopped.set()
    with pytest.raises(DecodeError, match="stopped"):
        list(read_video(make_video(tmp_path / "v.avi", 3), "v", Sampling(8), stopped=stopped))


@pytest.mark.parametrize(
    ("sampling", "kept"), [(Sampling(2, clips=3), 6), (Sampling(2, kind="sliding", clip_stride=1), 0)]
)
def test_memory_is_bounded_whatever_the_length(tmp_path, monkeypatch, sampling, kept):
    monkeypatch.setattr(counting, "RETAINED_BYTES", 20 * 32 * 64 * 3 // 2)  # 20 frames, fewer with padding
    path = make_video(tmp_path / "v.avi", 200)
    found = counting.survey(path, partial(clip_requests, sampling, "v"))
    assert found.timeline.frames == 200
    assert len(found.kept) == kept
    header, *frames = read_video(path, "v", sampling)
    assert [read_number(frame.image) for frame in frames] == sorted(header.needed)


def test_the_containers_count_is_not_believed(tmp_path):
    whole = make_video(tmp_path / "v.avi", 60)
    content = whole.read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(content[: len(content) * 2 // 3])
    import av

    with av.open(str(cut)) as container:
        claimed = container.streams.video[0].frames
    assert claimed == 60
    assert 0 < _frames(cut) < 60


def test_metadata_that_is_not_utf8_is_no_obstacle(tmp_path):
    import av

    marker = b"marker-to-overwrite"
    path = tmp_path / "v.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = marker.decode()
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(numbered_frame(5), format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    content = path.read_bytes()
    assert marker in content
    path.write_bytes(content.replace(marker, b"\xe9\xff" * 9 + b"x"))
    with pytest.raises(UnicodeDecodeError):
        av.open(str(path)).close()
    assert _frames(path) == 1


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 50, b"RIFF\0\0\0\0AVI LIST"])
def test_broken_files_are_decode_errors(tmp_path, content):
    path = tmp_path / "v.avi"
    path.write_bytes(content)
    with pytest.raises(DecodeError):
        _frames(path)


def test_missing_files_and_sound_alone_are_decode_errors(tmp_path):
    import wave

    with pytest.raises(DecodeError, match="No such file"):
        _frames(tmp_path / "gone.avi")
    path = Path(tmp_path / "sound.wav")
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    with pytest.raises(DecodeError, match="no video stream"):
        _frames(path)
