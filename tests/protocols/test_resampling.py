"""The bootstrap against drawing clusters one by one, and against closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p3d_eval.protocols import resampling
from p3d_eval.protocols.resampling import Part, cluster_count, percentile_interval, resampled_means
from p3d_eval.protocols.statistics import mean_over_splits

ACTIONS = [("a", 3), ("a", 12), ("b", 3), ("b", 9), ("c", 1), ("c", 2), ("c", 7), ("d", 4)]


def clip_part(order, seed=0):
    """Clips of (class, group) clusters, listed in some order."""
    generator = np.random.default_rng(seed)
    clips = [(f"{action} g{group:02}", generator.random() < 0.6) for action, group in ACTIONS for _ in range(5)]
    listed = sorted(clips, key=lambda clip: order(clip[0]))
    return Part([right for _, right in listed], [name for name, _ in listed])


def test_interval_does_not_depend_on_the_order_of_clusters():
    """Names give one order of clusters and lists another; the seed must give one interval all the same."""
    by_name, by_list = clip_part(lambda name: name), clip_part(lambda name: name[::-1])
    renamed = Part(by_list.values, [f"x{hash(name) % 1000}-{name}" for name in by_list.clusters])
    found = [resampled_means([part], seed=3, resamples=500) for part in (by_name, by_list, renamed)]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def one_by_one(parts, seed, resamples):
    """Draw clusters with replacement within the set of splits they occur in; the plain way."""
    generator = np.random.default_rng(seed)
    where = {}
    for number, part in enumerate(parts):
        for value, name in zip(part.values, part.clusters, strict=True):
            where.setdefault(name, {}).setdefault(number, []).append(value)
    strata = {}
    for name, own in where.items():
        strata.setdefault(frozenset(own), []).append(name)
    means = []
    for _ in range(resamples):
        drawn = [[] for _ in parts]
        for names in strata.values():
            for name in generator.choice(names, len(names)):
                for number, values in where[name].items():
                    drawn[number] += values
        means.append(np.mean([np.mean(values) for values in drawn]))
    return np.array(means)


@pytest.mark.parametrize("shared", [False, True])
def test_against_drawing_clusters_one_by_one(shared):
    """Same distribution, with clusters that are tested in one split and in several."""
    generator = np.random.default_rng(1)
    parts = []
    for number in range(3):
        names = np.repeat([f"{0 if shared and k < 20 else number}-{k}" for k in range(40)], 3)
        luck = np.repeat(generator.random(40), 3)
        parts.append(Part(generator.random(120) < luck, names))
    ours = resampled_means(parts, 0, 20_000)
    plain = one_by_one(parts, 1, 4_000)
    assert ours.mean() == pytest.approx(plain.mean(), abs=4 * plain.std() / 4_000**0.5)
    assert ours.std() == pytest.approx(plain.std(), rel=0.06)  # 4 standard errors of a deviation: 4/√(2·4000)
    for level in (0.8, 0.95):
        assert percentile_interval(ours, level) == pytest.approx(
            percentile_interval(plain, level), abs=0.1 * plain.std()
        )


def test_clusters_tested_in_all_splits_do_not_average_out():
    """The same videos in three splits are one sample, not three: the interval is that of one split."""
    correct = np.arange(600) % 3 > 0
    own = [Part(correct, [f"{split}-{k}" for k in range(600)]) for split in range(3)]
    same = [Part(correct, np.arange(600))] * 3
    one = np.ptp(percentile_interval(resampled_means(same[:1], 0)))
    assert np.ptp(percentile_interval(resampled_means(same, 0))) == pytest.approx(one, rel=0.05)
    assert np.ptp(percentile_interval(resampled_means(own, 0))) == pytest.approx(one / 3**0.5, rel=0.05)
    assert (cluster_count(own), cluster_count(same)) == (1800, 600)


def test_values_of_many_kinds_are_drawn_as_those_of_few():
    """Where every cluster is of its own kind, integers are drawn instead of multinomials."""
    values = np.random.default_rng(0).normal(size=400)
    means = resampled_means([Part(values, np.arange(400))], 0)
    assert means.std() == pytest.approx(values.std() / 20, rel=0.03)  # 4/√(2·10,000)
    assert means.mean() == pytest.approx(values.mean(), abs=4 * values.std() / 20 / 100)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=30), st.integers(0, 2**32 - 1))
def test_every_resample_has_as_many_clusters(sizes, seed):
    """Clusters of any sizes: all right gives 1 throughout, and the number of drawn clusters is kept."""
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    assert (resampled_means([Part(np.ones(len(clusters)), clusters)], seed, 20) == 1).all()
    for counts in resampling.drawn_counts(len(sizes), seed, 20):
        assert (counts.sum(axis=1) == len(sizes)).all()


def test_metric_of_the_mean():
    parts = [clip_part(lambda name: name, seed) for seed in range(3)]
    metric = mean_over_splits(parts, "videos", "(class, group) clusters", seed=0)
    assert metric.value == pytest.approx(np.mean([np.mean(part.values) for part in parts]))
    assert metric.low < metric.value < metric.high
    assert metric.method == (
        "percentile bootstrap, 10,000 resamples of 8 (class, group) clusters, "
        "each with all splits it is tested in"
    )
    empty = mean_over_splits([Part([], [])], "videos", "videos", seed=0)
    assert (empty.value, empty.reason) == (None, "no videos in a split")
