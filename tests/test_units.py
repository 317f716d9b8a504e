"""Bytes and seconds as a person would write them."""

import pytest

from p3d_eval.units import duration, size


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (9000, "2.5 h")]
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (362_454_553, "362 MB"), (2.5e12, "2.5 TB")]
)
def test_sizes_have_three_digits(count, text):
    assert size(count) == text
