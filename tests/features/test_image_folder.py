"""A folder of numbered images is a video."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from p3d_eval.errors import UserError
from p3d_eval.features.decode import DecodeError, read_video
from p3d_eval.features.frame_names import frame_number, stat_video
from p3d_eval.features.ids import list_videos
from p3d_eval.features.image_folder import read_image
from p3d_eval.features.images import Converter
from p3d_eval.features.sampling import Sampling
from tests.support.videos import numbered_frame, read_number


def _save(folder, names, size=(32, 64)):
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(numbered_frame(number, *size)).save(folder / name)
    return folder


@pytest.mark.parametrize("extension", ["png", "jpg", "bmp", "webp"])
def test_images_are_frames_in_the_order_of_their_numbers(tmp_path, extension):
    folder = _save(tmp_path / "v", [f"frame{number}.{extension}" for number in range(12)])  # 10 comes after 9
    header, *frames = read_video(folder, "v", Sampling(4, clips=3))
    assert header.frames == 12
    assert [read_number(frame.image) for frame in frames] == sorted(header.needed)


def test_numbers_are_the_last_ones_of_a_name():
    assert [frame_number(n) for n in ("v2_img_00012.jpg", "7.png", "a.jpg", "x3y.png")] == [12, 7, None, None]


def test_folders_of_frames_are_found(tmp_path):
    _save(tmp_path / "walk" / "clip1", ["1.jpg", "2.jpg"])
    _save(tmp_path / "walk" / "v_x.avi", ["img_1.png"])
    _save(tmp_path / "thumbnails", ["cover.jpg", "1.jpg"])  # one is not numbered
    _save(tmp_path / "beside", ["1.jpg"])
    (tmp_path / "beside" / "real.mp4").write_bytes(b"x")
    (tmp_path / "walk" / "clip1" / "n_frames.txt").write_text("2")
    found = list_videos(tmp_path)
    assert [video.id for video in found] == ["beside/real", "walk/clip1", "walk/v_x.avi"]
    assert [video.id for video in list_videos(tmp_path / "walk" / "clip1")] == ["clip1"]
    listing = tmp_path / "list.txt"
    listing.write_text("walk/v_x.avi\nwalk/clip1\n")
    assert [video.id for video in list_videos(listing)] == ["walk/v_x.avi", "walk/clip1"]


def test_a_folder_of_other_images_holds_no_videos(tmp_path):
    _save(tmp_path, ["cover.jpg"])
    with pytest.raises(UserError, match="no videos"):
        list_videos(tmp_path)


def test_what_cannot_be_a_video_is_refused(tmp_path):
    twice = _save(tmp_path / "twice", ["flow_x_1.png", "flow_y_1.png"])
    with pytest.raises(DecodeError, match=r"two images have the number 1: flow_x_1.png and flow_y_1.png"):
        list(read_video(twice, "v", Sampling(1)))
    sizes = _save(tmp_path / "sizes", ["1.png", "2.png"])
    _save(sizes, ["3.png"], (32, 128))
    with pytest.raises(DecodeError, match="size of its frames changes at frame 2"):
        list(read_video(sizes, "v", Sampling(3, clips=1)))
    (twice / "flow_y_1.png").unlink()
    (twice / "2.png").write_bytes(b"no image")
    with pytest.raises(DecodeError, match=r"2\.png: cannot be decoded"):
        list(read_video(twice, "v", Sampling(2, clips=1)))
    with pytest.raises(DecodeError, match="no timestamps and no frame rate"):
        list(read_video(sizes, "v", Sampling(1, fps=10)))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DecodeError, match="no numbered images"):
        list(read_video(empty, "v", Sampling(1)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_pillow_does(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (6, 10, 3), np.uint8)).resize((80, 48))
    image.save(tmp_path / "1.png", exif=exif)
    with Image.open(tmp_path / "1.png") as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(read_image(tmp_path / "1.png", Converter()), expected)


@pytest.mark.parametrize("name", ["100%.png", "%03d.png", "v %d_1.png"])
def test_names_with_a_percent_sign_are_taken_as_they_are(tmp_path, name):
    Image.fromarray(numbered_frame(9)).save(tmp_path / name)
    assert read_number(read_image(tmp_path / name, Converter())) == 9


def test_size_and_time_of_a_folder_are_those_of_its_images(tmp_path):
    folder = _save(tmp_path / "v", ["1.png", "2.png"])
    size, changed = stat_video(folder)
    assert size == sum((folder / name).stat().st_size for name in ("1.png", "2.png"))
    (folder / "2.png").write_bytes((folder / "1.png").read_bytes() + b"more")
    assert stat_video(folder)[0] != size
    assert stat_video(folder)[1] >= changed
