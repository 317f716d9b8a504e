"""Tensor preprocessing against a plain NumPy computation of the same definition."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from p3d_eval.backbones.preprocessing import prepare_frames, preprocess, resized_size
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.errors import UnknownNameError, UserError


def interpolate_axis(values, size, axis):
    """Linear interpolation with half-pixel centres: output i samples at (i + ½)·n/size − ½, edges repeated."""
    n = values.shape[axis]
    at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, n - 1)
    shape = [1] * values.ndim
    shape[axis] = size
    part = (at - low).reshape(shape)
    return np.take(values, low, axis) * (1 - part) + np.take(values, high, axis) * part


def reference(clips, spec, size):
    x = interpolate_axis(interpolate_axis(clips.astype(np.float64), size[0], 2), size[1], 3)
    top, left = (size[0] - spec.crop[0]) // 2, (size[1] - spec.crop[1]) // 2
    x = x[:, :, top : top + spec.crop[0], left : left + spec.crop[1]]
    if spec.channel_order == "BGR":
        x = x[..., ::-1]
    low, high = spec.value_range
    x = (x / 255 * (high - low) + low - np.array(spec.mean)) / np.array(spec.std)
    return x.transpose(0, 4, 1, 2, 3)


def p3d_like(**changes):
    values = {
        "clip_length": 2,
        "resize": (18, 24),
        "crop": (16, 16),
        "mean": (104.0, 117.0, 123.0),
        "std": (1.0, 1.0, 1.0),
        "channel_order": "BGR",
    }
    return InputSpec(**{**values, **changes})


@settings(max_examples=30, deadline=None)
@given(height=st.integers(5, 50), width=st.integers(5, 50), seed=st.integers(0, 99))
def test_fixed_size_agrees_with_numpy(height, width, seed):
    clips = np.random.default_rng(seed).integers(0, 256, (2, 2, height, width, 3), dtype=np.uint8)
    found = preprocess(torch.from_numpy(clips), p3d_like())
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, reference(clips, p3d_like(), (18, 24)), atol=2e-3)


@settings(max_examples=30, deadline=None)
@given(height=st.integers(5, 50), width=st.integers(5, 50))
def test_short_side_agrees_with_numpy(height, width):
    spec = InputSpec(1, 20, (15, 13), (0.1, 0.2, 0.3), (0.5, 1, 2), value_range=(-1, 1))
    clips = np.random.default_rng(0).integers(0, 256, (1, 1, height, width, 3), dtype=np.uint8)
    size = resized_size(spec, height, width)
    assert min(size) == 20
    assert abs(max(size) - 20 * max(height, width) / min(height, width)) <= 0.5
    assert (size[0] <= size[1]) == (height <= width) or size[0] == size[1]
    np.testing.assert_allclose(
        preprocess(torch.from_numpy(clips), spec), reference(clips, spec, size), atol=1e-4
    )


def test_no_antialiasing_when_shrinking():
    clip = np.zeros((1, 1, 4, 64, 3), np.uint8)
    clip[..., 8::16, :] = 255  # half-pixel centres of 4 outputs lie between columns 7 and 8, 23 and 24, …
    spec = p3d_like(resize=(4, 4), crop=(4, 4), mean=(0.0, 0.0, 0.0), clip_length=1)
    assert torch.all(preprocess(torch.from_numpy(clip), spec) == 127.5)


def test_bgr_and_exact_mean_without_resizing():
    clip = torch.zeros((1, 2, 18, 24, 3), dtype=torch.uint8)
    clip[..., 0], clip[..., 1], clip[..., 2] = 200, 100, 50  # R, G, B
    found = preprocess(clip, p3d_like())
    assert [found[0, c].unique().item() for c in range(3)] == [50 - 104, 100 - 117, 200 - 123]


def test_flow_has_two_channels():
    spec = p3d_like(mean=(128.0, 128.0), std=(1.0, 1.0), channel_order="flow")
    assert preprocess(torch.full((1, 2, 18, 24, 2), 128, dtype=torch.uint8), spec).abs().max() == 0
    with pytest.raises(UserError, match="N × T × H × W × 2"):
        preprocess(torch.zeros((1, 2, 18, 24, 3), dtype=torch.uint8), spec)


def test_wrong_inputs_are_refused():
    with pytest.raises(UserError, match=r"torch.float32 of shape \(1, 2, 18, 24, 3\)"):
        preprocess(torch.zeros((1, 2, 18, 24, 3)), p3d_like())
    with pytest.raises(UserError, match="does not fit into frames"):
        p3d_like(crop=(20, 16))


def test_an_empty_batch_keeps_its_shape():
    assert preprocess(torch.zeros((0, 2, 9, 9, 3), dtype=torch.uint8), p3d_like()).shape == (0, 3, 2, 16, 16)


@pytest.mark.parametrize(("interpolation", "method"), [("bilinear", "BILINEAR"), ("bicubic", "BICUBIC")])
@pytest.mark.parametrize("size", [(11, 17), (31, 53)])
def test_antialiasing_is_that_of_pil(interpolation, method, size):
    from PIL import Image

    # Away from 0 and 255, where PIL cuts what overshoots between its two passes.
    frame = np.random.default_rng(0).integers(70, 180, (23, 37, 3), dtype=np.uint8)
    expected = np.asarray(Image.fromarray(frame).resize(size[::-1], getattr(Image.Resampling, method)))
    spec = p3d_like(resize=size, crop=size, interpolation=interpolation, antialias=True)
    found = prepare_frames(torch.from_numpy(frame)[None], spec)[0].permute(1, 2, 0).numpy()
    # It rounds to bytes after each: half a step, and half a step of what the second one weighs.
    assert np.abs(found - expected).max() <= 1.5


def test_bicubic_values_stay_in_the_range_of_bytes():
    edge = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    edge[:, :, 4:] = 255
    found = prepare_frames(edge, p3d_like(resize=(16, 16), interpolation="bicubic"))
    assert (found.min(), found.max()) == (0, 255)
    with pytest.raises(UnknownNameError, match="unknown interpolation 'nearest'"):
        p3d_like(interpolation="nearest")
