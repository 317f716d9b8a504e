"""Decoded frames are the ones that were encoded, whatever the container says."""

from pathlib import Path

import numpy as np
import pytest

from p3d_eval.features import counting
from p3d_eval.features.decode import DecodeError, count_frames, read_clips, read_video
from p3d_eval.features.sampling import Sampling
from tests.support.videos import has_encoder, make_video, numbered_frame, read_number

CODECS = [("avi", "mpeg4", {}), ("avi", "mpeg4", {"bf": "2"}), ("mp4", "mpeg4", {}), ("mp4", "libx264", {})]


@pytest.mark.parametrize(("extension", "codec", "options"), CODECS, ids=["avi", "avi-b-frames", "mp4", "h264"])
def test_clips_hold_the_frames_that_sampling_names(tmp_path, extension, codec, options):
    if not has_encoder(codec):
        pytest.skip(f"this FFmpeg cannot encode {codec}")
    path = make_video(tmp_path / f"v.{extension}", 43, codec, **options)
    sampling = Sampling(6, clips=9, frame_stride=3)
    counted = []
    clips = list(read_clips(path, "v", sampling, counted.append))
    assert counted == [43]
    starts = sampling.starts(43, "v")
    assert np.repeat([c.start for c in clips], [c.repeats for c in clips]).tolist() == starts.tolist()
    for clip in clips:
        assert [read_number(frame) for frame in clip.frames] == sampling.frames_of(clip.start, 43).tolist()


def test_a_short_video_is_looped(tmp_path):
    path = make_video(tmp_path / "v.avi", 3)
    (clip,) = read_clips(path, "v", Sampling(8, clips=20))
    assert clip.repeats == 20
    assert [read_number(frame) for frame in clip.frames] == [0, 1, 2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize("kind", ["uniform", "random", "sliding"])
def test_a_long_video_decoded_twice_gives_the_same_clips(tmp_path, monkeypatch, kind):
    path = make_video(tmp_path / "v.avi", 50)
    sampling = Sampling(5, kind=kind, clips=7, frame_stride=2)
    kept = list(read_clips(path, "v", sampling))
    monkeypatch.setattr(counting, "RETAINED_BYTES", 10_000)
    again = list(read_clips(path, "v", sampling))
    assert [clip.start for clip in kept] == [clip.start for clip in again]
    for one, other in zip(kept, again, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)


def test_the_containers_count_is_not_believed(tmp_path):
    whole = make_video(tmp_path / "v.avi", 60)
    content = whole.read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(content[: len(content) * 2 // 3])
    import av

    with av.open(str(cut)) as container:
        claimed = container.streams.video[0].frames
    assert claimed == 60
    assert 0 < count_frames(cut) < 60


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
    assert count_frames(path) == 1


@pytest.mark.parametrize("content", [b"", b"not a video at all" * 50, b"RIFF\0\0\0\0AVI LIST"])
def test_broken_files_are_decode_errors(tmp_path, content):
    path = tmp_path / "v.avi"
    path.write_bytes(content)
    with pytest.raises(DecodeError):
        count_frames(path)


def test_missing_files_and_sound_alone_are_decode_errors(tmp_path):
    import wave

    with pytest.raises(DecodeError, match="No such file"):
        count_frames(tmp_path / "gone.avi")
    path = Path(tmp_path / "sound.wav")
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    with pytest.raises(DecodeError, match="no video stream"):
        count_frames(path)


@pytest.mark.parametrize("planes", [False, True])
def test_needed_frames_come_once_in_order_after_the_header(tmp_path, planes):
    path = make_video(tmp_path / "v.avi", 43)
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
