"""Intervals against SciPy and closed forms."""

import numpy as np
import pytest
from scipy import integrate, stats

from p3d_eval.protocols import statistics
from p3d_eval.protocols.normalisation import l2_normalise, normalise_rows, standardise
from p3d_eval.protocols.resampled_precision import resampled_average_precision
from p3d_eval.protocols.resampling import Part, percentile_interval, resampled_means
from p3d_eval.protocols.statistics import mean_precision


@pytest.mark.parametrize("n", [1, 3, 6, 7, 40, 999])
def test_wilson_ends_at_the_bounds_exactly(n):
    assert statistics.wilson_interval(0, n)[0] == 0
    assert statistics.wilson_interval(n, n)[1] == 1


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (7, 10), (10, 10), (3019, 3783)])
def test_wilson_against_scipy(correct, n):
    expected = stats.binomtest(correct, n).proportion_ci(0.95, "wilson")
    low, high = statistics.wilson_interval(correct, n)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_proportion_of_nothing_is_undefined():
    metric = statistics.proportion(0, 0, "videos")
    assert metric.value is None
    assert metric.reason == "no videos"


def test_standard_error_is_that_of_the_aslan_paper():
    """SE = σ/√10 with σ = √(Σ(P − μ)²/9)."""
    folds = [0.78, 0.80, 0.81, 0.79, 0.82, 0.77, 0.80, 0.81, 0.79, 0.83]
    mean = sum(folds) / 10
    sigma = (sum((p - mean) ** 2 for p in folds) / 9) ** 0.5
    assert statistics.standard_error(folds) == pytest.approx(sigma / 10**0.5)
    metric = statistics.mean_metric(folds, "folds")
    assert metric.value == pytest.approx(mean)
    expected = stats.ttest_1samp(folds, 0).confidence_interval(0.95)
    assert (metric.low, metric.high) == pytest.approx((expected.low, expected.high))
    assert statistics.standard_error([0.5]) is None
    assert statistics.mean_metric([0.5, None], "folds").value is None


def interval(*parts):
    return percentile_interval(resampled_means([Part(*part) for part in parts], seed=0))


def test_bootstrap_of_single_videos_agrees_with_the_normal_interval():
    correct = np.arange(2000) % 4 > 0
    error = np.sqrt(0.75 * 0.25 / 2000)
    expected = (0.75 - 1.96 * error, 0.75 + 1.96 * error)
    assert interval((correct, np.arange(2000))) == pytest.approx(expected, abs=0.1 * error)


def test_bootstrap_of_clusters_that_agree_is_wider():
    """Four clips that always agree count as one: the interval is √4 times as wide."""
    cluster = np.arange(4000) // 4
    correct = cluster % 4 > 0
    together, alone = interval((correct, cluster)), interval((correct, np.arange(4000)))
    assert np.ptp(together) / np.ptp(alone) == pytest.approx(2, abs=0.1)


def test_bootstrap_of_unequal_clusters_stays_a_share():
    """Each resample is hits over its own size: where all is right, every resample is 1."""
    assert interval((np.ones(210, bool), np.repeat(np.arange(20), np.arange(1, 21)))) == (1.0, 1.0)


def mean_of(*parts):
    return statistics.mean_over_splits([Part(*part) for part in parts], "videos", "clusters", seed=0)


def test_splits_of_one_cluster_each_are_drawn_themselves():
    """Drawn among its like, each would be drawn again and again: an interval of no width."""
    rates = (1 / 2, 1, 2 / 3, 1 / 3)
    metric = mean_of(*((np.arange(6) < 6 * rate, [name] * 6) for name, rate in zip("abcd", rates, strict=True)))
    assert metric.value == pytest.approx(np.mean(rates))
    draws = np.sort(np.array(rates)[np.array(np.meshgrid(*[range(4)] * 4)).reshape(4, -1)].mean(axis=0))
    assert (metric.low, metric.high) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.05)
    assert metric.method == "percentile bootstrap, 10,000 resamples of 4 clusters, a split each"


def test_a_split_of_one_cluster_among_others_leaves_no_interval():
    one, several = ([True, False], ["a", "a"]), ([True, False, True], ["c", "d", "e"])
    for parts in ((one, several), (one,), (one, one)):
        metric = mean_of(*parts)
        assert (metric.low, metric.high, metric.level) == (None, None, None)
        assert metric.method == "no interval: a split tests one alone of the clusters"


@pytest.mark.parametrize(("right", "trials"), [(True, 20), (False, 0)])
def test_no_width_would_be_a_lie(right, trials):
    """All right, or all wrong: resamples are alike; the exact interval of 20 clusters stands instead."""
    metric = mean_of((np.full(210, right), np.repeat(np.arange(20), np.arange(1, 21))))
    assert metric.value == right
    expected = stats.binomtest(trials, 20).proportion_ci(0.95, "exact")
    assert (metric.low, metric.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert metric.method == "exact (Clopper and Pearson), 20 clusters taken as trials, all alike"


def test_single_videos_of_one_split_are_a_proportion():
    correct = np.arange(130) % 10 > 0
    assert mean_of((correct, np.arange(130))) == statistics.proportion(117, 130, "videos")
    shares = mean_of((correct / 2, np.arange(130)))
    assert shares.method == "percentile bootstrap, 10,000 resamples of 130 clusters"


def test_auc_interval():
    """Hanley and McNeil's worked size: A = 0.5 with 30 + 30 samples has variance (1/4 + 58/12)/900."""
    scores = np.tile([0.0, 0.0], 30)
    metric = statistics.auc_metric(scores, np.arange(60) % 2 == 0, "pairs")
    error = ((0.25 + 58 * (1 / 3 - 0.25)) / 900) ** 0.5
    assert metric.value == 0.5
    assert metric.high == pytest.approx(0.5 + stats.norm.ppf(0.975) * error)
    assert statistics.auc_metric(scores, np.ones(60, bool), "pairs").value is None


def test_auc_interval_of_unequal_parts():
    """Hanley and McNeil's equation 1, with Q1 and Q2 of two exponential distributions by integration.

    Scores are exponential, of the positives with the larger mean m: A = m / (1 + m).
    """
    positive = np.repeat([True, False], [9, 31])
    scores = np.concatenate([np.arange(9) * 4.0 + 3.5, np.arange(31)])
    metric = statistics.auc_metric(scores, positive, "pairs")
    area = np.mean(scores[:9, None] > scores[None, 9:])
    assert metric.value == area
    assert 0.6 < area < 0.8
    mean = area / (1 - area)
    above_two, _ = integrate.quad(lambda x: stats.expon.pdf(x, scale=mean) * stats.expon.cdf(x) ** 2, 0, np.inf)
    below_two, _ = integrate.quad(lambda x: stats.expon.pdf(x) * stats.expon.sf(x, scale=mean) ** 2, 0, np.inf)
    # Q1: two positives both beat one negative; Q2: one positive beats two negatives.
    variance = (area * (1 - area) + 8 * (below_two - area**2) + 30 * (above_two - area**2)) / (9 * 31)
    spread = stats.norm.ppf(0.975) * variance**0.5
    assert (metric.low, metric.high) == pytest.approx((area - spread, area + spread), abs=1e-7)
    assert metric.high < 1


def test_standardise_learns_on_the_first_alone():
    generator = np.random.default_rng(0)
    train, test = generator.normal(3, 5, (50, 4)), generator.normal(size=(7, 4))
    train[:, 2] = 0.1
    scaled, moved = standardise(train, test)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-13)
    np.testing.assert_allclose(scaled.std(0)[[0, 1, 3]], 1)
    np.testing.assert_allclose(moved[:, 0], (test[:, 0] - train[:, 0].mean()) / train[:, 0].std())
    np.testing.assert_allclose(moved[:, 2], test[:, 2] - 0.1)  # constant in training: not blown up


def test_row_normalisation():
    values = np.array([[3.0, -4.0], [0.0, 0.0]])
    np.testing.assert_allclose(l2_normalise(values), [[0.6, -0.8], [0, 0]])
    np.testing.assert_allclose(normalise_rows(values, "signed-sqrt-l2")[0], np.array([3**0.5, -2]) / 7**0.5)
    np.testing.assert_array_equal(normalise_rows(values, "none"), values)


@pytest.mark.parametrize(("correct", "n"), [(0, 10), (7, 10), (10, 10), (3019, 3783)])
def test_exact_interval_against_scipy(correct, n):
    expected = stats.binomtest(correct, n).proportion_ci(0.95, "exact")
    assert statistics.exact_interval(correct, n) == pytest.approx((expected.low, expected.high), abs=1e-12)
    metric = statistics.proportion(correct, n, "videos", "exact")
    assert (metric.low, metric.high) == statistics.exact_interval(correct, n)
    assert metric.method == "exact (Clopper and Pearson), videos taken as independent"


@pytest.mark.parametrize("convention", ["activitynet", "sklearn"])
def test_the_interval_of_a_mean_precision_at_chance_holds_its_value(convention):
    """Resampling alone raises average precision; near chance by more than the plain interval is wide."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 40, 800)[:, None] == np.arange(40)
    scores = draw.normal(size=labels.shape)
    found = resampled_average_precision(scores, labels, 0, convention=convention)
    mean, classes = mean_precision(scores, labels, 0, convention=convention)
    resampled = np.nanmean(found, axis=1)
    plain = percentile_interval(resampled)
    assert (resampled > mean.value).mean() > 0.95, "without the shift the value lies at the edge, or outside"
    assert mean.low < mean.value < mean.high
    # A shift changes no width.
    assert mean.high - mean.low == pytest.approx(plain[1] - plain[0], rel=1e-6)
    assert all(one.low <= one.value <= one.high for one in classes)
