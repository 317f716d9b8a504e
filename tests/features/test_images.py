"""Pictures stand upright and have the colours that swscale gives them."""

import av
import numpy as np
import pytest
import torch

from p3d_eval.backbones.colour import to_rgb
from p3d_eval.backbones.planes import Planes, stack_planes
from p3d_eval.features.decode import DecodeError, read_video
from p3d_eval.features.images import Converter, Orientation, orientation_of
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.sequential import decode

QUARTERS = np.array([[[200, 0, 0], [0, 200, 0]], [[0, 0, 200], [200, 200, 200]]], np.uint8)  # four corners


def _picture():
    return np.repeat(np.repeat(QUARTERS, 16, axis=0), 24, axis=1)  # 32 × 48


def _corners(image):
    """Which of the four colours is in each corner, as indices into QUARTERS."""
    height, width = image.shape[:2]
    points = [image[y, x].astype(int) for y in (height // 4, -height // 4) for x in (width // 4, -width // 4)]
    colours = QUARTERS.reshape(4, 3).astype(int)
    return [int(np.abs(colours - point).sum(axis=1).argmin()) for point in points]


def _film(path, **matrix):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        if "entries" in matrix:
            stream.set_display_matrix(matrix["entries"])
        elif matrix:
            stream.set_display_rotation(**matrix)
        for packet in [
            *stream.encode(av.VideoFrame.from_ndarray(_picture(), format="rgb24")),
            *stream.encode(),
        ]:
            container.mux(packet)
    return path


# What a player shows: the picture turned counter-clockwise, or mirrored first.
SHOWN = [
    ({}, lambda image: image),
    ({"degrees": 90}, lambda image: np.rot90(image, 1)),
    ({"degrees": 180}, lambda image: np.rot90(image, 2)),
    ({"degrees": -90}, lambda image: np.rot90(image, 3)),
    ({"degrees": 0, "hflip": True}, lambda image: image[:, ::-1]),
    ({"degrees": 0, "vflip": True}, lambda image: image[::-1]),
]


@pytest.mark.parametrize(("flags", "shown"), SHOWN, ids=[str(flags) for flags, _ in SHOWN])
@pytest.mark.parametrize("planes", [False, True])
def test_rotation_and_mirror_flags_are_applied(tmp_path, flags, shown, planes):
    path = _film(tmp_path / "v.mp4", **flags)
    _, frame = read_video(path, "v", Sampling(1, clips=1), planes=planes)
    image = frame.image
    if isinstance(image, Planes):
        assert "hflip" not in flags
        assert "vflip" not in flags
        image = to_rgb(_on_device([image]))[0].permute(1, 2, 0).numpy()
    expected = shown(_picture())
    assert image.shape == expected.shape
    assert _corners(image) == _corners(expected)


@pytest.mark.parametrize("degrees", [90, 180, -90, 0])
@pytest.mark.parametrize("mirror", ["hflip", "vflip"])
def test_turns_and_mirrors_together_are_those_of_ffmpegs_matrix(tmp_path, degrees, mirror):
    path = _film(tmp_path / "v.mp4", degrees=degrees, **{mirror: True})
    frame = next(decode(path))
    stored = Converter().rgb(frame)
    a, b, _, c, d, *_ = np.frombuffer(bytes(frame.side_data[0]), "=i4") / 65536
    height, width = stored.shape[:2]
    y, x = np.mgrid[:height, :width]  # every pixel goes where the matrix sends it
    across, down = a * x + c * y, b * x + d * y
    expected = np.zeros((round(np.ptp(down)) + 1, round(np.ptp(across)) + 1, 3), np.uint8)
    expected[(down - down.min()).round().astype(int), (across - across.min()).round().astype(int)] = stored
    np.testing.assert_array_equal(Converter()(frame), expected)


def test_other_turns_are_refused(tmp_path):
    path = _film(tmp_path / "v.mp4", degrees=30)
    with pytest.raises(DecodeError, match="rotation flag"):
        list(read_video(path, "v", Sampling(1, clips=1)))


def test_a_matrix_of_zeros_means_nothing(tmp_path):
    path = _film(tmp_path / "v.mp4", entries=[0, 0, 0, 0, 0, 0, 0, 0, 1 << 30])
    assert orientation_of(next(decode(path))) == Orientation()


def _on_device(planes):
    batch = stack_planes(planes)
    y, u, v = (torch.from_numpy(getattr(batch, name)) for name in "yuv")
    return Planes(y, u, v, batch.matrix, batch.full_range, batch.turns)


@pytest.mark.parametrize("colorspace", [1, 2, 5, 6])
@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize("format_name", ["yuv420p", "yuvj420p"])
def test_planes_carry_what_their_colours_depend_on(colorspace, color_range, format_name):
    rng = np.random.default_rng(1)
    frame = av.VideoFrame.from_ndarray(rng.integers(16, 236, (72, 64), np.uint8), format=format_name)
    frame.colorspace, frame.color_range = colorspace, color_range
    planes = Converter(planes=True)(frame)
    assert isinstance(planes, Planes)
    found = to_rgb(_on_device([planes]))[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(found, Converter()(frame))


@pytest.mark.parametrize(
    ("format_name", "height", "colorspace"),
    [("yuv420p", 47, 2), ("yuv422p", 48, 2), ("yuv420p", 48, 9), ("gray", 48, 2), ("yuv420p10le", 48, 2)],
    ids=["odd height", "4:2:2", "BT.2020", "grey", "10 bits"],
)
def test_frames_for_which_planes_do_not_serve_are_rgb(format_name, height, colorspace):
    frame = av.VideoFrame(64, height, format_name)
    frame.colorspace = colorspace
    image = Converter(planes=True)(frame)
    assert image.shape == (height, 64, 3)
    np.testing.assert_array_equal(image, Converter()(frame))


def test_one_kept_conversion_is_pyavs_own():
    rng = np.random.default_rng(2)
    convert = Converter()
    for height, width in ((48, 64), (47, 63), (48, 64)):
        rgb = rng.integers(0, 256, (height, width, 3), np.uint8)
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
        np.testing.assert_array_equal(convert(frame), frame.to_ndarray(format="rgb24"))
