"""Comparing results on the same trials: the difference, its interval, a paired test, and what they mean."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

from p3d_eval.errors import UnknownNameError, UserError, counted
from p3d_eval.markup import shown_by
from p3d_eval.protocols.paired_difference import TESTS, Difference, TestName, paired_difference
from p3d_eval.protocols.paired_metrics import paired_metric
from p3d_eval.protocols.paired_scores import Scored, Source, align, load_scored, require_comparable
from p3d_eval.protocols.paired_tests import holm
from p3d_eval.protocols.resampling import LEVEL
from p3d_eval.protocols.result import Metric

_ROUNDING = 1e-12  # of a mean over splits; one trial more or less moves it by far more
_SAME = 1e-3  # float32 scores tell a mean average precision far closer
_SPOKEN = {
    "sign-flip": "sign-flip test",
    "mcnemar": "McNemar's exact test",
    "bootstrap": "paired bootstrap",
    "student": "paired t test",
}


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same trials.

    Parameters
    ----------
    first, second : str
        Labels.
    first_value, second_value : float
        The metric of each, as fractions, on the trials that all compared results have.
    difference : Metric
        First minus second, with its interval.
    test, how : str
        Name of the test, and what was enumerated, drawn or counted.
    units : str
        What was exchanged or resampled, e.g. ``"2121 (class, group) clusters"``.
    p_value, adjusted_p_value : float
        As tested, and corrected for all comparisons of the report (Holm).
    sentence : str
        What it means.
    """

    first: str
    second: str
    first_value: float
    second_value: float
    difference: Metric
    test: str
    how: str
    units: str
    p_value: float
    adjusted_p_value: float
    sentence: str


@dataclass(frozen=True)
class ComparisonReport:
    """All pairs of the given results.

    Parameters
    ----------
    protocol, metric : str
    trials : int
        Number of trials that all results have.
    left_out : int
        Trials that some result lacks.
    comparisons : tuple of Comparison
    warnings : tuple of str
        What a reader must know before quoting any of it.
    results : tuple of str
        Files or labels, and ids, of what was compared.
    seed : int
    """

    protocol: str
    metric: str
    trials: int
    left_out: int
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]
    results: tuple[str, ...]
    seed: int

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Each comparison as it is printed: label and percent of both, difference, interval, p, corrected p.

        The corrected p is left out of a single comparison.
        """
        return [
            (
                one.first,
                f"{100 * one.first_value:.2f}",
                one.second,
                f"{100 * one.second_value:.2f}",
                f"{100 * (one.first_value - one.second_value):+z.2f}",
                _ends(one.difference.low, one.difference.high, "+"),
                f"{one.p_value:.2g}",
                *([f"{one.adjusted_p_value:.2g}"] if len(self.comparisons) > 1 else []),
            )
            for one in self.comparisons
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    _repr_html_ = shown_by("p3d_eval.protocols.notebook:comparison_html")


def compare(
    sources: Iterable[Source],
    *,
    metric: str | None = None,
    test: TestName = "auto",
    common: bool = False,
    seed: int = 0,
    level: float = LEVEL,
) -> ComparisonReport:
    """Test every pair of results on the trials that they share.

    Parameters
    ----------
    sources : iterable of Result or path
        Two or more results of one protocol on the same annotations, with their scores.
    metric : str, optional
        ``accuracy`` (the default), ``top3``, ``top5``, …; ``video_hit1`` or ``video_top1`` (default of the
        protocols that have it), ``video_hit5``, …; ``map`` (default of other videos of several classes) and
        ``map_sklearn``; for pairs ``accuracy`` and ``auc_mean_of_folds``.
    test : {"auto", "sign-flip", "mcnemar", "bootstrap", "student"}
        ``auto`` flips signs of clusters (of folds, for pairs), and bootstraps mean average precision.
    common : bool
        Go on with the trials that all have, where some results lack some.
    seed : int
        Seed of random flips and resamples.
    level : float
        Confidence level of intervals and of the sentences.

    Raises
    ------
    UserError
        When results are not comparable, lack scores, or the test does not fit the metric.
    """
    if test not in TESTS:
        raise UnknownNameError("test", str(test), TESTS)
    if seed < 0:
        raise UserError(f"seed: {seed} is negative")
    if not 0 < level < 1:
        raise UserError(f"level: {level} is not between 0 and 1")
    results = load_scored(sources)
    require_comparable(results)
    aligned = align(results, common)
    chosen = paired_metric(metric or _headline(results[0]), aligned.scores[0])
    pairs = [
        _comparison(
            results[one].label,
            results[two].label,
            paired_difference(aligned.scores[one], aligned.scores[two], chosen, test, seed, level),
        )
        for one, two in combinations(range(len(results)), 2)
    ]
    if chosen.kind == "ranking" and not aligned.left_out:
        _require_same_quantity(results, chosen.name, pairs)
    adjusted = holm([one.p_value for one in pairs])
    several = len(pairs) > 1
    final = [replace(one, adjusted_p_value=p) for one, p in zip(pairs, adjusted, strict=True)]
    return ComparisonReport(
        protocol=results[0].result.protocol,
        metric=chosen.name,
        trials=len(aligned.scores[0].ids),
        left_out=aligned.left_out,
        comparisons=tuple(replace(one, sentence=_sentence(one, chosen.name, several, level)) for one in final),
        warnings=_warnings(results, aligned.left_out, final),
        results=tuple(f"{one.name} ({one.result.result_id})" for one in results),
        seed=seed,
    )


def _require_same_quantity(results: Sequence[Scored], metric: str, pairs: Sequence[Comparison]) -> None:
    """Check that the scores tell the precision that results call by the name: they do not tell a retrieval's.

    Raises
    ------
    UserError
        When a result on all its videos has another value.
    """
    values = [pairs[0].first_value, *(one.second_value for one in pairs[: len(results) - 1])]
    for one, value in zip(results, values, strict=True):
        own = one.result.metrics.get(metric)
        if own is None or own.value is None or one.result.coverage.counted_as != "complete":
            continue
        if abs(own.value - value) > _SAME:
            raise UserError(
                f"{one.name}: its {metric}, {100 * own.value:.1f} %, is of rankings that its scores do not "
                f"hold (they give {100 * value:.1f} %), so it cannot be tested",
                "Compare by accuracy, which they tell; of a retrieval that is R@1",
            )


def _headline(scored: Scored) -> str | None:
    """Metric of a recognition protocol that is compared where none is named; None: what the scores suggest."""
    return next((name for name in ("video_hit1", "video_top1") if name in scored.result.metrics), None)


def _comparison(first: str, second: str, found: Difference) -> Comparison:
    return Comparison(
        first=first,
        second=second,
        first_value=found.first,
        second_value=found.second,
        difference=found.metric,
        test=found.test,
        how=found.found.how,
        units=found.units,
        p_value=found.found.p_value,
        adjusted_p_value=found.found.p_value,
        sentence="",
    )


def _sentence(one: Comparison, metric: str, several: bool, level: float) -> str:
    """Say in one sentence whether there is a difference, which way, how large, and how it was tested."""
    better, worse = one.first, one.second
    high, low, d = one.first_value, one.second_value, one.difference
    ends = (d.low, d.high)
    size = high - low
    if abs(size) < _ROUNDING:
        return f"{one.first} and {one.second} have the same {metric}, {100 * high:.2f} %."
    if size < 0:
        better, worse, high, low, size = worse, better, low, high, -size
        ends = (None if d.high is None else -d.high, None if d.low is None else -d.low)
    p = one.adjusted_p_value
    shown_p = "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"
    adjusted = ", corrected for all comparisons" if several else ""
    interval = "no interval" if None in ends else f"{100 * level:g} % interval {_ends(*ends)}"
    figures = (
        f"{metric} {100 * high:.2f} % against {100 * low:.2f} %, difference {100 * size:.2f} points, "
        f"{interval}; {shown_p}{adjusted}, {_SPOKEN[one.test]} over {one.units}"
    )
    if p <= 1 - level + 1e-12:
        return f"{better} is better than {worse}: {figures}."
    return f"No difference is shown between {one.first} and {one.second}: {better} has {figures}."


def _ends(low: float | None, high: float | None, sign: str = "") -> str:
    """Write an interval in percent; a dash where there is none."""
    if low is None or high is None:
        return "–"
    return f"{100 * low:{sign}z.2f} to {100 * high:{sign}z.2f}"


def _warnings(results: Sequence[Scored], left_out: int, pairs: Sequence[Comparison]) -> tuple[str, ...]:
    """Say what a reader must know before quoting a comparison."""
    found = [
        f"NOT CONVERGED: {one.label}: a solver's certificate failed; do not quote a comparison with it."
        for one in results
        if not one.result.converged
    ]
    if left_out:
        some = counted(left_out, "trial that some result lacks is", "trials that some result lacks are")
        found.append(f"{some} left out: the values are of the others.")
    for one in results:
        coverage = one.result.coverage
        if coverage.used < coverage.expected:
            found.append(
                f"{one.label}: {coverage.used} of {counted(coverage.expected, 'video')} have features; the "
                "others are no part of this comparison."
            )
        weights = one.result.features.get("weights")
        if isinstance(weights, dict) and weights.get("random"):
            found.append(f"{one.label}: features of random weights.")
    if any(one.test == "mcnemar" for one in pairs) and results[0].scores.clusters is not None:
        kind = results[0].scores.cluster_kind
        found.append(
            f"McNemar's test takes trials as independent; with {kind} they are not, and it is too optimistic."
        )
    return tuple(found)
