"""Planes on the device against swscale, and the one-frame and one-clip halves of preprocessing."""

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import ColorRange, Colorspace
from hypothesis import given, settings
from hypothesis import strategies as st

from p3d_eval.backbones import InputSpec, Planes, View, load_backbone, views_of
from p3d_eval.backbones.colour import to_rgb
from p3d_eval.backbones.planes import stack_planes
from p3d_eval.backbones.preprocessing import finish_clips, prepare_frames, preprocess
from p3d_eval.errors import UnknownNameError, UserError

SPACES = {"bt601": Colorspace.ITU601, "bt709": Colorspace.ITU709}


def random_planes(height, width, seed, **coding):
    generator = np.random.default_rng(seed)
    half = ((height + 1) // 2, (width + 1) // 2)
    y, u, v = (generator.integers(0, 256, shape, dtype=np.uint8) for shape in ((height, width), half, half))
    return Planes(y, u, v, **coding)


def as_tensors(planes):
    return Planes(*(torch.from_numpy(p) for p in (planes.y, planes.u, planes.v)), *planes.coding)


def swscale(planes):
    height, width = planes.y.shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, values in zip(frame.planes, (planes.y, planes.u, planes.v), strict=True):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        padded[:, : plane.width] = values
        plane.update(padded.tobytes())
    frame.colorspace = SPACES[planes.matrix]
    frame.color_range = ColorRange.JPEG if planes.full_range else ColorRange.MPEG
    return np.rot90(frame.to_ndarray(format="rgb24"), planes.turns)


# swscale's arithmetic differs between processors' instruction sets: bits are promised for x86 alone.
@settings(max_examples=100, deadline=None)
@given(
    height=st.integers(1, 30).map(lambda half: 2 * half),
    width=st.integers(2, 61),
    matrix=st.sampled_from(["bt601", "bt709"]),
    full_range=st.booleans(),
    turns=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_colours_are_those_of_swscale(height, width, matrix, full_range, turns, seed):
    planes = random_planes(height, width, seed, matrix=matrix, full_range=full_range, turns=turns)
    expected = swscale(planes).astype(int)
    found = to_rgb(as_tensors(stack_planes([planes])))[0].permute(1, 2, 0).numpy()
    assert found.shape == (*planes.shape, 3)
    assert np.abs(found - expected).max() == 0


@pytest.mark.parametrize("full_range", [False, True])
def test_colours_are_within_three_levels_of_the_standards(full_range):
    """BT.601-7 Section 2.5 and BT.709-6 Section 3 in real numbers: swscale cuts four products of 16 bits."""
    for matrix, (red, blue) in {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}.items():
        planes = random_planes(64, 64, 3, matrix=matrix, full_range=full_range)
        black, span, colours = (0, 255, 255) if full_range else (16, 219, 224)
        y = (planes.y.astype(float) - black) / span
        u, v = ((p.astype(float) - 128).repeat(2, 0).repeat(2, 1) / colours for p in (planes.u, planes.v))
        r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
        g = (y - red * r - blue * b) / (1 - red - blue)
        expected = np.clip(255 * np.stack([r, g, b]), 0, 255)
        found = to_rgb(as_tensors(stack_planes([planes])))[0].numpy()
        assert np.abs(found - expected).max() <= 3


P3D = InputSpec(4, (18, 24), (16, 16), (104.0, 117.0, 123.0), (1.0, 1.0, 1.0), channel_order="BGR")
I3D = InputSpec(4, 20, (15, 13), (0.1, 0.2, 0.3), (0.5, 1, 2), value_range=(-1, 1))


@pytest.mark.parametrize("spec", [P3D, I3D])
@pytest.mark.parametrize("size", [(36, 50), (18, 24), (51, 37)])
def test_frames_prepared_alone_make_the_same_clips_bit_for_bit(spec, size):
    clips = torch.randint(0, 256, (2, 4, *size, 3), dtype=torch.uint8, generator=torch.manual_seed(0))
    for view in (View(), View("top-right", mirror=True)):
        whole = preprocess(clips, spec, view)
        alone = torch.stack([prepare_frames(frame[None], spec, view)[0] for frame in clips.flatten(0, 1)])
        assert torch.equal(finish_clips(alone.unflatten(0, (2, 4)), spec), whole)


@pytest.mark.parametrize("turns", [0, 1])
def test_planes_and_their_rgb_are_prepared_to_the_same_values(turns):
    frames = [random_planes(36, 50, seed, turns=turns) for seed in range(3)]
    rgb = np.stack([np.ascontiguousarray(swscale(frame)) for frame in frames])
    for spec in (P3D, I3D):
        expected = prepare_frames(torch.from_numpy(rgb), spec)
        found = prepare_frames(as_tensors(stack_planes(frames)), spec)
        # The same levels in another memory layout: interpolation may round its last bit differently.
        assert (found - expected).abs().max() <= 255 * 2**-20


def test_a_backbone_takes_planes_of_numpy():
    backbone = load_backbone("tests/support/tiny.py:factory")
    frames = [random_planes(20, 40, seed) for seed in range(4)]
    clip = backbone.finish_clips(backbone.prepare_frames(stack_planes(frames))[None])
    expected = backbone.preprocess(torch.from_numpy(np.stack([swscale(frame) for frame in frames]))[None])
    torch.testing.assert_close(clip, expected, rtol=0, atol=1e-5)


def test_blocks_of_frames_change_nothing(monkeypatch):
    frames = torch.randint(0, 256, (5, 36, 50, 3), dtype=torch.uint8, generator=torch.manual_seed(0))
    whole = prepare_frames(frames, P3D)
    monkeypatch.setattr("p3d_eval.backbones.preprocessing._BLOCK_BYTES", 2 * 36 * 50 * 12)
    assert torch.equal(prepare_frames(frames, P3D), whole)


def corners(frames, crop):
    """Crops by index from both ends."""
    h, w = crop
    return {
        "top-left": frames[..., :h, :w],
        "top-right": frames[..., :h, -w:],
        "bottom-left": frames[..., -h:, :w],
        "bottom-right": frames[..., -h:, -w:],
    }


def test_crops_lie_where_their_names_say():
    frames = torch.randint(0, 256, (1, 18, 24, 3), dtype=torch.uint8, generator=torch.manual_seed(0))
    plain = frames.permute(0, 3, 1, 2)
    for name, expected in corners(plain, (16, 16)).items():
        assert torch.equal(prepare_frames(frames, P3D, View(name)), expected.float())
        assert torch.equal(prepare_frames(frames, P3D, View(name, mirror=True)), expected.flip(-1).float())
    wide = {"start": plain[..., 1:17, :16], "centre": plain[..., 1:17, 4:20], "end": plain[..., 1:17, -16:]}
    for name, expected in wide.items():
        assert torch.equal(prepare_frames(frames, P3D, View(name)), expected.float())
    tall = InputSpec(1, (24, 18), (16, 16), (0.0,) * 3, (1.0,) * 3)
    turned = frames.transpose(1, 2)
    for name, expected in wide.items():
        assert torch.equal(prepare_frames(turned, tall, View(name)), expected.transpose(2, 3).float())


def test_sets_of_views():
    assert views_of() == (View(),)
    assert views_of(mirror=True) == (View(), View(mirror=True))
    assert [view.crop for view in views_of("3")] == ["start", "centre", "end"]
    assert len(views_of("5")) == 5
    assert views_of("10") == views_of("10", mirror=True)
    assert set(views_of("10")) == set(views_of("5", mirror=True))
    with pytest.raises(UnknownNameError, match="set of crops '4'"):
        views_of("4")
    with pytest.raises(UnknownNameError, match="crop 'center'"):
        View("center")


def test_wrong_frames_are_refused():
    with pytest.raises(UserError, match=r"frames are of shape \(2, 8, 8\), not uint8 of shape N × H × W × 3"):
        prepare_frames(torch.zeros((2, 8, 8), dtype=torch.uint8), P3D)
    with pytest.raises(UserError, match="frames are torch.float32"):
        prepare_frames(torch.zeros((2, 8, 8, 3)), P3D)
    flow = InputSpec(1, (4, 4), (4, 4), (128.0, 128.0), (1.0, 1.0), channel_order="flow")
    with pytest.raises(UserError, match="cannot be mirrored"):
        prepare_frames(torch.zeros((1, 4, 4, 2), dtype=torch.uint8), flow, View(mirror=True))
    with pytest.raises(ValueError, match="one coding"):
        stack_planes([random_planes(4, 4, 0), random_planes(4, 4, 0, matrix="bt709")])
