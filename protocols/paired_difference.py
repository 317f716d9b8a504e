"""The difference between two systems on the same trials: its interval and its test, by kind of metric."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from p3d_eval.errors import UserError
from p3d_eval.protocols.paired_metrics import PairedMetric, indicator
from p3d_eval.protocols.paired_tests import (
    PairedTest,
    bootstrap_test,
    mcnemar_test,
    sign_flip_test,
    student_test,
)
from p3d_eval.protocols.resampled_precision import resampled_average_precision
from p3d_eval.protocols.resampling import (
    RESAMPLES,
    Part,
    cluster_table,
    lonely_splits,
    percentile_interval,
    resampled_means,
)
from p3d_eval.protocols.result import Metric
from p3d_eval.protocols.scores import Scores

Array = NDArray[np.float64]
TestName = Literal["auto", "sign-flip", "mcnemar", "bootstrap", "student"]
TESTS: tuple[TestName, ...] = ("auto", "sign-flip", "mcnemar", "bootstrap", "student")


@dataclass(frozen=True)
class Difference:
    """What was found about two systems.

    Parameters
    ----------
    first, second : float
        The metric of each.
    metric : Metric
        First minus second, with its interval.
    test : str
        Name of the test that was taken.
    found : PairedTest
    units : str
        What was exchanged or resampled, e.g. ``"2121 (class, group) clusters"``.
    """

    first: float
    second: float
    metric: Metric
    test: str
    found: PairedTest
    units: str


def paired_difference(
    one: Scores, two: Scores, metric: PairedMetric, test: TestName, seed: int, level: float
) -> Difference:
    """Compare two aligned systems; exchanging them changes signs alone.

    Parameters
    ----------
    one, two : Scores
        Of the same trials in the same order.
    metric : PairedMetric
    test : str
        ``auto`` flips signs of clusters, and bootstraps what has no value for a single trial.
    seed, level : int, float
        Of random flips and resamples; of the interval.

    Raises
    ------
    UserError
        When the test does not fit the metric.
    """
    if metric.kind == "ranking":
        return _of_rankings(one, two, metric, test, seed, level)
    return _of_means(one, two, metric, "sign-flip" if test == "auto" else test, seed, level)


@dataclass(frozen=True, eq=False)
class _Means:
    """Two systems' values by split, and what each cluster contributes to the difference of the means.

    ``in_folds`` tells whether every split is one cluster: then clusters are folds. ``lonely`` tells whether
    some split is one, so that clusters cannot be drawn.
    """

    a: Array
    b: Array
    by_split: tuple[Array, Array]
    parts: list[Part]
    contributions: Array
    in_folds: bool
    lonely: bool
    kind: str

    @classmethod
    def of(cls, one: Scores, two: Scores, metric: PairedMetric) -> "_Means":
        a, b = metric.values(one), metric.values(two)
        split, clusters, kind = one.split, cluster_names(one), one.cluster_kind
        if metric.kind == "folds":
            split = clusters = np.unique(one.split)
            kind = "folds"
        rows = [split == name for name in np.unique(split).tolist()]
        parts = [Part((a - b)[own], clusters[own]) for own in rows]
        by_split = tuple(np.array([values[own].mean() for own in rows]) for values in (a, b))
        sums, sizes = cluster_table(parts)
        contributions = (sums / sizes.sum(axis=0) / len(parts)).sum(axis=1)
        in_folds = len(rows) > 1 and bool(((sizes > 0).sum(axis=0) == 1).all())
        lonely = bool(lonely_splits(parts).any())
        return cls(a, b, (by_split[0], by_split[1]), parts, contributions, in_folds, lonely, kind)

    def resampled(self, seed: int) -> Array:
        """Differences of the means of many samples: of clusters, or of folds that are a cluster each.

        Raises
        ------
        UserError
            When a split that is one cluster alone has no other sample than itself.
        """
        parts = self.parts
        if self.in_folds and len(self.contributions) == len(parts):
            parts = [Part(self.by_split[0] - self.by_split[1], range(len(parts)))]
        elif self.lonely:
            raise UserError(f"bootstrap: a split tests one alone of the {self.kind}", "Use --test sign-flip")
        return resampled_means(parts, seed)


def _of_means(
    one: Scores, two: Scores, metric: PairedMetric, test: TestName, seed: int, level: float
) -> Difference:
    """Compare by means over splits: of trials, or of a value for each fold."""
    means = _Means.of(one, two, metric)
    first, second = (float(values.mean()) for values in means.by_split)
    splits = "folds" if means.in_folds else "splits"
    units = f"{len(means.contributions)} {means.kind}"
    if test == "student" or (means.in_folds and test != "bootstrap"):
        difference = _student_interval(means.by_split[0] - means.by_split[1], splits, level)
        resampled = np.empty(0)
    elif means.lonely and test != "bootstrap":
        method = f"no interval: a split tests one alone of the {means.kind}"
        difference = Metric(first - second, method=method, n=len(means.a), unit="trials")
        resampled = np.empty(0)
    else:
        resampled = means.resampled(seed)
        difference = _percentile_metric(first - second, resampled, units, len(means.a), level)
    if test == "sign-flip":
        return Difference(first, second, difference, test, sign_flip_test(means.contributions, seed), units)
    if test == "bootstrap":
        return Difference(first, second, difference, test, bootstrap_test(resampled), units)
    if test == "student":
        found = student_test(means.by_split[0] - means.by_split[1])
        return Difference(first, second, difference, test, found, f"{len(means.parts)} {splits}")
    if metric.kind != "trials":
        raise UserError(f"mcnemar: {metric.name} has no right and wrong trials", "Use --test sign-flip")
    found = mcnemar_test(means.a > 0, means.b > 0)
    return Difference(first, second, difference, test, found, f"{len(means.a)} trials")


def _student_interval(differences: Array, kind: str, level: float) -> Metric:
    """Mean of the folds' differences with the interval of Student's t."""
    n, mean = len(differences), float(differences.mean())
    if n < 2:
        raise UserError("student: the t test needs two splits or folds", "Use --test sign-flip")
    error = float(differences.std(ddof=1) / np.sqrt(n))
    spread = float(student_t.ppf((1 + level) / 2, n - 1)) * error
    how = f"Student's t over {n} {kind}, taken as independent"
    return Metric(mean, mean - spread, mean + spread, level, how, n, kind, error)


def _percentile_metric(value: float, resampled: Array, units: str, n: int, level: float) -> Metric:
    low, high = percentile_interval(resampled, level)
    how = f"paired percentile bootstrap, {RESAMPLES:,} resamples of {units}"
    return Metric(value, low, high, level, how, n, "trials")


def _of_rankings(
    one: Scores, two: Scores, metric: PairedMetric, test: TestName, seed: int, level: float
) -> Difference:
    """Compare by mean average precision, both on the same resamples of videos."""
    if test not in ("auto", "bootstrap"):
        raise UserError(f"{test}: {metric.name} has no value for a single trial", "Use --test bootstrap")
    if len(np.unique(one.split)) > 1:
        raise UserError(f"metric {metric.name}: scores of several splits are not one ranking")
    clusters, wanted = cluster_names(one), indicator(one)
    if len(np.unique(clusters)) < 2:
        raise UserError(f"metric {metric.name}: one alone of the {one.cluster_kind} has no other sample")
    drawn = [
        np.nanmean(
            resampled_average_precision(
                own.scores, wanted, seed, convention=metric.convention, clusters=clusters
            ),
            axis=1,
        )
        for own in (one, two)
    ]
    first, second = (float(np.nanmean(metric.values(own))) for own in (one, two))
    resampled = drawn[0] - drawn[1]
    units = f"{len(np.unique(clusters))} {one.cluster_kind}"
    difference = _percentile_metric(first - second, resampled, units, len(wanted), level)
    return Difference(first, second, difference, "bootstrap", bootstrap_test(resampled), units)


def cluster_names(scores: Scores) -> NDArray[np.str_]:
    """Name of each row's cluster; without clusters each video, or pair, is its own."""
    if scores.clusters is not None:
        return scores.clusters
    ids = scores.ids.reshape(len(scores.ids), -1)
    return np.array([" / ".join(own) for own in ids.tolist()])
