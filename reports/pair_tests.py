"""The paired test behind marks of significance and behind a leaderboard's comparisons."""

from p3d_eval.protocols.result import Result
from p3d_eval.protocols.significance import ComparisonReport, compare

# What a metric is called where scores alone are judged: the class of the nearest neighbour is right.
_SCORED_AS = {"r1": "accuracy"}


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
    return compare([one, two], metric=_SCORED_AS.get(metric, metric), seed=seed)
