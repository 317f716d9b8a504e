"""Average precision of resamples: exactly what recomputing each of them gives."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from p3d_eval.errors import UserError
from p3d_eval.protocols.metrics import activitynet_average_precision, average_precision
from p3d_eval.protocols.resampled_precision import resampled_average_precision
from p3d_eval.protocols.resampling import drawn_counts
from p3d_eval.protocols.statistics import mean_precision

BEHIND = -1e6  # scikit-learn takes no −inf


def table(videos=60, classes=5, seed=0):
    """Scores with ties, missing predictions, several labels a video, and a class without any."""
    generator = np.random.default_rng(seed)
    labels = generator.random((videos, classes)) < 0.15
    scores = np.round(generator.normal(size=(videos, classes)) + labels, 1)
    scores[generator.random((videos, classes)) < 0.1] = -np.inf
    labels[:, -1] = False
    labels[0, 0] = True
    return scores, labels


def by_scikit_learn(scores, labels):
    finite = np.where(np.isinf(scores), BEHIND, scores)
    return np.array(
        [
            average_precision_score(labels[:, c], finite[:, c]) if labels[:, c].any() else np.nan
            for c in range(labels.shape[1])
        ]
    )


NAIVE = {"activitynet": activitynet_average_precision, "sklearn": by_scikit_learn}


@pytest.mark.parametrize("convention", NAIVE)
@pytest.mark.parametrize("grouped", [False, True])
def test_against_recomputing_every_resample(convention, grouped):
    scores, labels = table()
    clusters = np.arange(60) // (4 if grouped else 1)
    names = [f"video {number:02}" for number in clusters]
    found = resampled_average_precision(
        scores, labels, 5, convention=convention, clusters=names if grouped else None, resamples=300
    )
    drawn = np.concatenate(list(drawn_counts(clusters.max() + 1, 5, 300))).astype(int)
    for resample, counts in zip(found, drawn, strict=True):
        rows = np.repeat(np.arange(60), counts[clusters])
        expected = NAIVE[convention](scores[rows], labels[rows])
        np.testing.assert_allclose(resample, expected, rtol=1e-13, atol=1e-15)
    assert np.isnan(found[:, -1]).all()


@pytest.mark.parametrize("seed", range(5))
def test_stepwise_precision_against_scikit_learn(seed):
    scores, labels = table(seed=seed)
    np.testing.assert_allclose(
        average_precision(scores, labels, "sklearn"), by_scikit_learn(scores, labels), rtol=1e-13
    )


def test_interval_of_the_mean():
    scores, labels = table(400, 6)
    metric, classes = mean_precision(scores, labels, 0)
    own = activitynet_average_precision(scores, labels)
    assert metric.value == pytest.approx(np.nanmean(own))
    assert metric.low < metric.value < metric.high
    assert [one.value for one in classes[:-1]] == own[:-1].tolist()
    assert all(one.low <= one.value <= one.high for one in classes[:-1])
    assert (classes[-1].value, classes[-1].reason) == (None, "no videos of this class")
    assert mean_precision(scores, labels, 0) == (metric, classes)
    nothing, _ = mean_precision(scores, np.zeros_like(labels), 0)
    assert (nothing.value, nothing.reason) == (None, "no videos of any class")


def test_interval_covers_as_often_as_it_says():
    """95 % of intervals hold the mAP of the population; of 60, fewer than 50 has probability 4e-5."""
    generator = np.random.default_rng(0)
    population = generator.random((20_000, 3)) < 0.2
    values = generator.normal(size=population.shape) + 1.5 * population
    truth = activitynet_average_precision(values, population).mean()
    held = 0
    for seed in range(60):
        rows = generator.integers(20_000, size=500)
        found = resampled_average_precision(values[rows], population[rows], seed, resamples=400).mean(axis=1)
        low, high = np.quantile(found, [0.025, 0.975])
        held += low <= truth <= high
    assert held >= 50


def test_wrong_tables_are_refused():
    scores, labels = table()
    with pytest.raises(UserError, match="not two tables of one shape"):
        resampled_average_precision(scores, labels[:-1], 0)
    scores[3, 2] = np.nan
    with pytest.raises(UserError, match="NaN"):
        resampled_average_precision(scores, labels, 0)
