"""Paired tests against SciPy, enumeration and the error rate that they promise."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from p3d_eval.protocols import paired_tests
from p3d_eval.protocols.paired_tests import bootstrap_test, holm, mcnemar_test, sign_flip_test, student_test


def enumerate_signs(values):
    sums = np.array([np.dot(signs, values) for signs in product((-1, 1), repeat=len(values))])
    return np.mean(np.abs(sums) >= abs(np.sum(values)) - 1e-9)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=10), st.sampled_from([1.0, 0.1, 1 / 3783]))
def test_few_clusters_against_enumeration(counts, unit):
    values = unit * np.array(counts)
    assert sign_flip_test(values, 0).p_value == pytest.approx(enumerate_signs(values), abs=1e-12)


@given(st.lists(st.floats(-1, 1, width=16), min_size=2, max_size=9))
def test_any_numbers_against_enumeration(values):
    assert sign_flip_test(values, 0).p_value == pytest.approx(enumerate_signs(values), abs=1e-12)


def test_against_scipy():
    generator = np.random.default_rng(0)
    differences = generator.normal(0.4, 1, 12)
    expected = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    found = sign_flip_test(differences, 0)
    assert (found.p_value, found.how) == (pytest.approx(expected, abs=1e-12), "all sign patterns")


@pytest.mark.parametrize("kinds", ["few", "many"])
def test_drawn_patterns_against_enumerated_ones(kinds, monkeypatch):
    """A hundred thousand patterns: 4 standard errors of a share p are 4 √(p (1 − p) / 100,000)."""
    generator = np.random.default_rng(1)
    values = generator.normal(0.3, 1, 18)
    values = np.round(values) if kinds == "few" else values
    exact = sign_flip_test(values, 0).p_value
    monkeypatch.setattr(paired_tests, "_EXACT", 1)
    monkeypatch.setattr(paired_tests, "_FEW_KINDS", 200 if kinds == "few" else 0)
    drawn = sign_flip_test(values, 0)
    assert drawn.p_value == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 1e5) ** 0.5)
    assert drawn.how == "100,000 random sign patterns"
    assert sign_flip_test(values[::-1], 0) == drawn


def test_flipping_single_trials_is_mcnemar():
    """Clusters of one trial: the sign-flip test is the sign test on the trials that differ."""
    generator = np.random.default_rng(2)
    first, second = generator.random(5000) < 0.8, generator.random(5000) < 0.79
    both = mcnemar_test(first, second)
    alone, other = (first & ~second).sum(), (second & ~first).sum()
    assert both.p_value == stats.binomtest(alone, alone + other).pvalue
    assert sign_flip_test(first.astype(int) - second, 0).p_value == pytest.approx(both.p_value, rel=1e-9)
    assert mcnemar_test(first, first).p_value == 1


def test_student_against_scipy():
    generator = np.random.default_rng(3)
    first, second = generator.normal(0.8, 0.02, (2, 10))
    assert student_test(first - second).p_value == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert student_test([0.0, 0.0]).p_value == 1


def test_bootstrap_counts_both_sides():
    assert bootstrap_test(np.arange(-10, 90)).p_value == pytest.approx(2 * 12 / 101)  # −10 … 0 and the one
    assert bootstrap_test(np.ones(999)).p_value == pytest.approx(2 / 1000)
    assert bootstrap_test(np.zeros(10)).p_value == 1


def test_equal_systems_are_called_different_as_often_as_promised():
    """Of 400 comparisons of equal systems with clusters, 5 % are wrong at most; 36 or more has p < 1e-3."""
    generator = np.random.default_rng(4)
    wrong = naive = 0
    for seed in range(400):
        luck = np.repeat(generator.normal(size=40), 5)
        one, two = (np.repeat(generator.normal(size=40), 5) + luck + 0.3 > 0 for _ in range(2))
        sums = (one.astype(int) - two).reshape(40, 5).sum(axis=1)
        wrong += sign_flip_test(sums, seed, flips=999).p_value <= 0.05
        naive += mcnemar_test(one, two).p_value <= 0.05
    assert stats.binom.sf(35, 400, 0.05) < 1e-3
    assert wrong <= 35
    assert naive > 100, "clips of a group that agree make McNemar's test see differences that are none"


def test_holm_against_its_definition():
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # 3·0.01, then 2·0.03 ≥ 1·0.04, 4·0.005
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
