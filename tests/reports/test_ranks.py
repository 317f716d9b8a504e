"""Ranks and points against counting by hand, and what their intervals promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import rankdata

from p3d_eval.reports.ranks import borda, overall, places, ranks

VALUES = arrays(np.float64, st.integers(1, 9), elements=st.integers(0, 5).map(float))
TABLES = arrays(
    np.float64, st.tuples(st.integers(1, 6), st.integers(1, 4)), elements=st.integers(0, 5).map(float)
)


@given(VALUES)
def test_places_are_those_of_scipy(values):
    assert places(values).tolist() == rankdata(-values, method="min").astype(int).tolist()


@given(TABLES)
def test_borda_counts_who_is_beaten(values):
    systems, benchmarks = values.shape
    by_hand = [
        sum(
            1.0 if values[own, b] > values[other, b] else 0.5 if values[own, b] == values[other, b] else 0.0
            for b in range(benchmarks)
            for other in range(systems)
            if other != own
        )
        for own in range(systems)
    ]
    assert borda(values).tolist() == by_hand
    assert borda(values).sum() == benchmarks * systems * (systems - 1) / 2


def test_intervals_of_ranks_widen_with_the_errors():
    values = np.array([0.9, 0.8, 0.7])
    sure = ranks(values, np.full(3, 1e-6), seed=0)
    assert [(one.place, one.low, one.high) for one in sure] == [(1, 1, 1), (2, 2, 2), (3, 3, 3)]
    unsure = ranks(values, np.full(3, 1.0), seed=0)
    assert [(one.place, one.low, one.high) for one in unsure] == [(1, 1, 3), (2, 1, 3), (3, 1, 3)]


def test_two_equal_systems_may_be_either():
    """Each is first in half of the draws: the interval of both is 1 to 2, the place the better one."""
    found = ranks(np.array([0.5, 0.5]), np.array([0.1, 0.1]), seed=0)
    assert [(one.place, one.low, one.high) for one in found] == [(1, 1, 2), (1, 1, 2)]


def test_the_interval_leaves_out_what_is_rarer_than_five_per_cent():
    """The difference is 3 standard errors of itself: the order turns in 0.13 % of draws; at 1, in 16 %."""
    far = ranks(np.array([0.3, 0.0]), np.array([0.1, 0.0]), seed=0)
    near = ranks(np.array([0.1, 0.0]), np.array([0.1, 0.0]), seed=0)
    assert (far[0].low, far[0].high) == (1, 1)
    assert (near[0].low, near[0].high) == (1, 2)


def test_without_an_error_there_is_no_interval():
    (first, second) = ranks(np.array([0.5, 0.6]), np.array([0.1, np.nan]), seed=0)
    assert (first.place, first.low, first.high) == (2, None, None)
    assert second.place == 1


@pytest.mark.parametrize(("by_borda", "expected"), [(False, [1, 2, 3]), (True, [2, 1, 3])])
def test_mean_and_borda_may_disagree(by_borda, expected):
    """One wins a benchmark by far, the other two benchmarks by little."""
    values = np.array([[0.9, 0.50, 0.50], [0.3, 0.51, 0.51], [0.1, 0.1, 0.1]])
    found = overall(values, np.zeros((3, 3)), 0, by_borda)
    assert [one.place for one in found] == expected
    assert [(one.low, one.high) for one in found] == [(place, place) for place in expected]


def test_a_shared_value_falls_together():
    """Chance on the first benchmark moves both systems alike, and the second tells them apart for sure."""
    values, errors = np.array([[0.5, 0.6], [0.5, 0.5]]), np.array([[0.5, 1e-9], [0.5, 1e-9]])
    apart = overall(values, errors, 0, by_borda=False)
    assert [(one.place, one.low, one.high) for one in apart] == [(1, 1, 2), (2, 1, 2)]
    same = overall(values, errors, 0, by_borda=False, sources=np.array([["x", "a"], ["x", "b"]]))
    assert [(one.place, one.low, one.high) for one in same] == [(1, 1, 1), (2, 2, 2)]
    other = overall(values, errors, 0, by_borda=False, sources=np.array([["x", "a"], ["y", "b"]]))
    assert other == apart
