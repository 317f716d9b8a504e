"""Clip starts against the definition, written out one by one."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p3d_eval.errors import UserError
from p3d_eval.features.sampling import Sampling

LENGTHS = st.integers(1, 40)


@given(frames=st.integers(1, 400), length=LENGTHS, stride=st.integers(1, 4), clips=st.integers(1, 30))
def test_uniform_starts_are_the_formula_in_exact_arithmetic(frames, length, stride, clips):
    sampling = Sampling(length, clips=clips, frame_stride=stride)
    span = (length - 1) * stride + 1
    possible = max(1, frames - span + 1)
    expected = [floor(Fraction(2 * i + 1, 2 * clips) * possible) for i in range(clips)]
    assert sampling.starts(frames, "x").tolist() == expected


def test_29_frames_have_14_different_starts_for_20_clips():
    starts = Sampling(16, clips=20).starts(29, "x")  # 29 − 16 + 1 = 14 possible starts, each taken
    assert len(starts) == 20
    assert len(set(starts.tolist())) == 14


def test_one_uniform_clip_is_the_centre():
    assert Sampling(64, clips=1).starts(164, "x").tolist() == [50]  # (164 - 64) / 2


def test_sliding_16_every_8_covers_as_c3d_does():
    sampling = Sampling(16, kind="sliding", clip_stride=8)
    brute = [start for start in range(0, 100, 8) if start + 16 <= 100]
    assert sampling.starts(100, "x").tolist() == brute
    assert sampling.count(100) == len(brute)


@given(frames=st.integers(1, 300), length=LENGTHS, stride=st.integers(1, 3), step=st.integers(1, 20))
def test_sliding_count_is_the_number_of_starts(frames, length, stride, step):
    sampling = Sampling(length, kind="sliding", frame_stride=stride, clip_stride=step)
    assert sampling.count(frames) == len(sampling.starts(frames, "x"))


@given(
    frames=st.integers(1, 300),
    length=LENGTHS,
    stride=st.integers(1, 3),
    kind=st.sampled_from(["uniform", "random", "sliding"]),
)
def test_frames_lie_in_the_video_and_loop_only_when_it_is_too_short(frames, length, stride, kind):
    sampling = Sampling(length, kind=kind, frame_stride=stride, clips=5)
    for start in sampling.starts(frames, "some/video"):
        numbers = sampling.frames_of(int(start), frames)
        assert len(numbers) == length
        assert numbers.min() >= 0
        assert numbers.max() < frames
        if frames >= sampling.span:
            assert numbers.tolist() == list(range(start, start + sampling.span, stride))
        else:
            assert numbers.tolist() == [(i * stride) % frames for i in range(length)]


def test_random_starts_depend_on_seed_and_id_alone():
    sampling = Sampling(16, kind="random", clips=6, seed=7)
    # Written down from SHA-256("7\0a/b\0<i>"), first 8 bytes big-endian, modulo 85, sorted: the definition.
    from hashlib import sha256

    draws = [int.from_bytes(sha256(f"7\0a/b\0{i}".encode()).digest()[:8], "big") % 85 for i in range(6)]
    assert sampling.starts(100, "a/b").tolist() == sorted(draws)
    assert sampling.starts(100, "a/b").tolist() != sampling.starts(100, "a/c").tolist()
    other = Sampling(16, kind="random", clips=6, seed=8)
    assert sampling.starts(100, "a/b").tolist() != other.starts(100, "a/b").tolist()


def test_random_starts_are_spread_evenly():
    starts = Sampling(16, kind="random", clips=5000).starts(25, "x")  # ten possible starts
    counts = np.bincount(starts, minlength=10)
    assert counts.sum() == 5000
    chi_square = ((counts - 500) ** 2 / 500).sum()
    assert chi_square < 27.9  # 0.999 quantile of chi-square with 9 degrees of freedom


def test_identity_holds_only_what_matters():
    assert "seed" not in Sampling(16, seed=3).to_json()
    assert Sampling(16, kind="random", seed=3).to_json()["seed"] == 3
    assert "clips" not in Sampling(16, kind="sliding").to_json()


@pytest.mark.parametrize("wrong", [{"kind": "all"}, {"clips": 0}, {"frame_stride": 0}, {"clip_stride": -1}])
def test_impossible_sampling_is_refused(wrong):
    with pytest.raises(UserError):
        Sampling(16, **wrong)
