"""Frames nearest to the ticks of a constant rate, against search by brute force."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p3d_eval.errors import UserError
from p3d_eval.features.decode import DecodeError
from p3d_eval.features.requests import Timeline, clip_requests
from p3d_eval.features.sampling import Sampling

GAPS = st.lists(st.integers(1, 400), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(gaps=GAPS, first=st.integers(-500, 500), fps=st.sampled_from([1, 2.5, 10, 12.5, 23.976, 25, 29.97, 60]))
def test_ticks_show_the_frame_nearest_in_time(gaps, first, fps):
    times = [first]
    for gap in gaps:
        times.append(times[-1] + gap)
    unit = Fraction(1, 600)
    found = Timeline(len(times), times, unit).resampled(fps)
    tick = 1 / Fraction(str(fps))
    duration = (times[-1] - times[0]) * unit * Fraction(len(times), len(times) - 1)
    assert len(found) == max(1, int(duration / tick + Fraction(1, 2)))
    for number, frame in enumerate(found):
        distances = [abs((time - times[0]) * unit - number * tick) for time in times]
        assert frame == distances.index(min(distances))  # the earlier of two that are as near


@pytest.mark.parametrize(
    ("rate", "unit"), [(25, Fraction(1, 90000)), (30, Fraction(1, 30)), (10, Fraction(1, 1000))]
)
def test_the_videos_own_rate_changes_nothing(rate, unit):
    times = [int(number / (rate * unit)) for number in range(50)]
    assert Timeline(50, times, unit).resampled(rate) == list(range(50))


def test_half_the_rate_takes_every_second_frame_and_twice_the_rate_every_frame_twice():
    timeline = Timeline(20, None, Fraction(1, 30))
    assert timeline.resampled(15) == list(range(0, 20, 2))
    assert sorted(timeline.resampled(60)) == sorted([0, 0, *range(1, 20), *range(1, 19), 19])


def test_a_changing_rate_is_followed_by_real_times():
    # One second with 4 frames, one with 12: at 4 frames per second each has 4.
    times = [0, 3, 6, 9, *range(12, 24)]
    assert Timeline(16, times, Fraction(1, 12)).resampled(4) == [0, 1, 2, 3, 4, 7, 10, 13]


def test_clips_are_chosen_among_ticks():
    sampling = Sampling(3, clips=2, frame_stride=2, fps=5)
    clips = clip_requests(sampling, "v", Timeline(40, None, Fraction(1, 10)))  # 20 ticks, every second frame
    starts = sampling.starts(20, "v").tolist()
    assert [clip.numbers for clip in clips] == [(2 * s, 2 * s + 4, 2 * s + 8) for s in starts]
    assert [clip.start for clip in clips] == [2 * s for s in starts]


@pytest.mark.parametrize(
    ("timeline", "message"),
    [
        (Timeline(3), "no timestamps and no frame rate"),
        (Timeline(3, [0, 5, 4], Fraction(1, 10)), "out of order at frame 2"),
        (Timeline(2, [0, 10**9], Fraction(1)), "hours"),
    ],
)
def test_unknown_and_impossible_times_are_refused(timeline, message):
    with pytest.raises(DecodeError, match=message):
        timeline.resampled(25)


def test_one_frame_needs_no_times():
    assert Timeline(1).resampled(25) == [0]


@pytest.mark.parametrize("fps", [0, -1, 1001, float("nan")])
def test_impossible_rates_are_refused(fps):
    with pytest.raises(UserError, match="fps"):
        Sampling(4, fps=fps)


def test_the_rate_is_part_of_a_files_identity_only_where_it_is_set():
    assert "fps" not in Sampling(4).to_json()
    assert Sampling(4, fps=12.5).to_json()["fps"] == 12.5
