"""Odd files are read right or refused with a reason."""

import re
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from PIL import Image

from p3d_eval.features.decode import DecodeError, read_video
from p3d_eval.features.sampling import Sampling
from tests.support.mutations import good_videos, mutated_corpus
from tests.support.real_data import real_data
from tests.support.videos import make_video, numbered_frame, read_number


def _numbers(path, sampling):
    _, *frames = read_video(path, "v", sampling)
    return [read_number(frame.image) for frame in frames]


def _all(frames):
    return Sampling(frames, clips=1)


@pytest.mark.parametrize(("height", "width"), [(33, 64), (32, 65), (31, 71), (1, 8), (16, 8)])
@pytest.mark.parametrize("codec", ["ffv1", "mjpeg", "mpeg4"])
def test_odd_sizes(tmp_path, height, width, codec):
    images = [numbered_frame(number, height, 8 * (width // 8)) for number in range(5)]
    images = [np.pad(image, ((0, 0), (0, width % 8), (0, 0)), "edge") for image in images]
    name, pix_fmt = ("v.avi", "yuvj420p") if codec == "mjpeg" else ("v.mkv", "yuv420p")
    path = make_video(tmp_path / name, images, codec, pix_fmt=pix_fmt)
    for planes in (False, True):
        header, *frames = read_video(path, "v", _all(5), planes=planes)
        assert header.frames == 5
        assert all(tuple(frame.image.shape[:2]) == (height, width) for frame in frames)


@pytest.mark.parametrize("pix_fmt", ["gray", "bgra", "yuv444p", "yuv422p10le", "yuva420p", "gray16le"])
def test_grey_alpha_and_deep_formats(tmp_path, pix_fmt):
    path = make_video(tmp_path / "v.mkv", 12, "ffv1", pix_fmt=pix_fmt)
    for planes in (False, True):
        _, *frames = read_video(path, "v", _all(12), planes=planes)
        assert [read_number(frame.image) for frame in frames] == list(range(12))


def test_interlaced_video_is_given_as_whole_frames(tmp_path):
    path = make_video(tmp_path / "v.mp4", 20, "libx264", **{"x264-params": "interlaced=1"})
    assert _numbers(path, _all(20)) == list(range(20))


def _gif(path, frames, disposal):
    """Every frame paints one bar, and leaves the rest transparent or as it was."""
    images = []
    for number in range(frames):
        image = Image.new("RGBA", (64, 32), (0, 0, 0, 0))
        image.paste((255, 0, 0, 255), (8 * number, 0, 8 * number + 8, 32))
        images.append(image)
    images[0].save(path, save_all=True, append_images=images[1:], duration=40, disposal=disposal, loop=0)
    return path


@pytest.mark.parametrize("disposal", [1, 2])  # leave as it is; clear to the background
def test_gif_frames_are_composed(tmp_path, disposal):
    path = _gif(tmp_path / "v.gif", 5, disposal)
    header, *frames = read_video(path, "v", _all(5))
    assert header.frames == 5
    with Image.open(path) as gif:  # Pillow composes by itself
        for number, frame in enumerate(frames):
            gif.seek(number)
            shown = np.asarray(gif.convert("RGBA"))
            opaque = shown[..., 3] == 255
            np.testing.assert_array_equal(frame.image[opaque], shown[..., :3][opaque])


def _film(path, times, rate=1000, codec="mpeg4"):
    """Numbered frames at the given times (in 1 / rate seconds)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = 32, 64, "yuv420p"
        stream.time_base = Fraction(1, rate)
        stream.codec_context.max_b_frames = 0
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(numbered_frame(number), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_variable_rate_is_followed_by_real_times(tmp_path):
    times = [*range(0, 1000, 100), *range(1000, 2000, 25)]  # one second at 10, one at 40 frames per second
    path = _film(tmp_path / "v.mkv", times)
    assert _numbers(path, _all(50)) == list(range(50))
    found = _numbers(path, Sampling(20, clips=1, fps=10))
    expected = [min(range(50), key=lambda n: abs(times[n] - tick)) for tick in range(0, 2000, 100)]
    assert found == expected


@pytest.mark.parametrize("name", ["v.avi", "v.mp4"])
def test_constant_rates_are_resampled(tmp_path, name):
    path = make_video(tmp_path / name, 40, bf="2")  # in AVI, B-frames have no times
    assert _numbers(path, Sampling(20, clips=1, fps=12.5)) == list(range(0, 40, 2))
    for fps, clips in ((12.5, 4), (None, 8)):
        header = next(read_video(path, "v", Sampling(5, kind="sliding", clip_stride=5, fps=fps)))
        assert len(header.clips) == clips


def test_a_cover_picture_is_no_video(tmp_path):
    cover = tmp_path / "cover.jpg"
    Image.new("RGB", (16, 16)).save(cover)
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container, av.open(str(cover)) as image:
        sound = container.add_stream("aac", rate=8000)
        picture = container.add_stream_from_template(image.streams.video[0])
        picture.disposition = av.stream.Disposition.attached_pic
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        samples.rate = 8000
        for packet in [*sound.encode(samples), *sound.encode()]:
            container.mux(packet)
        packet = next(image.demux())
        packet.stream = picture
        container.mux(packet)
    with pytest.raises(DecodeError, match="no video stream"):
        list(read_video(path, "v", _all(1)))


def test_a_video_stream_without_frames(tmp_path):
    content = make_video(tmp_path / "v.avi", 3).read_bytes()
    path = tmp_path / "empty.avi"
    start = content.index(b"movi") + 4
    path.write_bytes(content[:start])
    with pytest.raises(DecodeError, match="no frames"):
        list(read_video(path, "v", _all(1)))


def test_a_size_that_changes_is_refused(tmp_path):
    large = [np.kron(numbered_frame(number), np.ones((2, 2, 1), np.uint8)) for number in range(20)]
    parts = [
        make_video(tmp_path / "a.ts", 20, "mpeg2video", g="1"),
        make_video(tmp_path / "b.ts", large, "mpeg2video", g="1"),
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(DecodeError, match="the size of its frames changes at frame"):
        list(read_video(path, "v", _all(40)))


def test_packed_b_frames_of_real_videos_are_all_there():
    for name, frames in (("v_ApplyEyeMakeup_g01_c01", 164), ("TrumanShow_wave_f_nm_np1_fr_med_26", 48)):
        header, *found = read_video(real_data() / "clips" / f"{name}.avi", "v", _all(frames))
        assert header.frames == len(found) == frames
        images = [frame.image.astype(int) for frame in found]
        steps = [np.abs(one - two).mean() for one, two in pairwise(images)]
        assert 0 < np.median(steps) < 20  # neighbours look alike: the order is right


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_real_rotation_flags(angle):
    path = real_data() / "clips" / "broken" / f"video_{angle}.mov"
    header, *frames = read_video(path, "v", _all(3))
    assert header.frames == 3
    assert frames[0].image.shape == ((320, 568, 3) if angle % 180 == 0 else (568, 320, 3))


def test_timestamps_out_of_order_do_not_disturb_numbers():
    header, *frames = read_video(real_data() / "clips" / "broken" / "unordered.mov", "v", Sampling(4, clips=1))
    assert header.frames == 4
    assert [frame.number for frame in frames] == [0, 1, 2, 3]


def _outcome(path):
    try:
        return list(read_video(path, "v", Sampling(8, clips=4)))
    except DecodeError as error:
        return str(error)


def test_damaged_files_end_in_frames_or_a_reason(tmp_path):
    sources = good_videos(tmp_path / "good")
    for mutation in mutated_corpus(tmp_path / "damaged", sources, 200, seed=11):
        found = _outcome(mutation.path)
        if isinstance(found, str):
            assert not mutation.intact, (mutation, found)
            assert re.fullmatch(r"[^\n]+", found)
            continue
        header, *frames = found
        assert [frame.number for frame in frames] == sorted(header.needed)
        assert mutation.kind not in ("zero length", "header only", "not a video")


def test_a_damaged_corpus_is_the_same_for_the_same_seed(tmp_path):
    sources = [make_video(tmp_path / "v.avi", 5)]
    seeds = {"a": 1, "b": 1, "c": 2}
    first, again, other = (mutated_corpus(tmp_path / n, sources, 30, seed) for n, seed in seeds.items())
    contents = [[mutation.path.read_bytes() for mutation in corpus] for corpus in (first, again, other)]
    assert contents[0] == contents[1] != contents[2]
