"""The paired test behind marks of significance and behind a leaderboard's comparisons."""

from p3d_eval.errors import UserError
from p3d_eval.protocols.result import Result
from p3d_eval.protocols.significance import ComparisonReport, compare
from p3d_eval.reports.comparability import complete

# What a metric is called where scores alone are judged: the class of the nearest neighbour is right.
_SCORED_AS = {"r1": "accuracy"}
# The mean of splits of different sizes and the mean of all their trials differ by less than a point.
_SAME = 0.01


def pair_test(one: Result, two: Result, metric: str, seed: int) -> ComparisonReport:
    """Test the difference between two results in one metric.

    Parameters
    ----------
    one, two : Result
        With their scores.
    metric : str
        Name of the metric in the results.
    seed : int

    Raises
    ------
    UserError
        When they are not comparable, carry no scores, or their scores do not tell this metric.
    """
    report = compare([one, two], metric=_SCORED_AS.get(metric, metric), seed=seed)
    (found,) = report.comparisons
    for result, value in ((one, found.first_value), (two, found.second_value)):
        own = result.metrics[metric].value
        if complete(result) and own is not None and abs(own - value) > _SAME:
            raise UserError(f"{result.label}: the scores tell another {metric} than the result's")
    return report
