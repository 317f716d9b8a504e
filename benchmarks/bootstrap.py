"""Bootstrap of ActivityNet's mAP at its real size: weighted ranks against ranking every resample again.

Run: python benchmarks/bootstrap.py [--videos 4926] [--classes 200] [--resamples 10000] [--peer-resamples 20]

The peers rank each resample anew: the official rule of this package, and scikit-learn's
``average_precision_score`` class by class. Their answers are checked on the same draws, their times are
scaled up to all resamples. Ends with a line of JSON.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from p3d_eval.protocols.metrics import activitynet_average_precision
from p3d_eval.protocols.resampled_precision import resampled_average_precision
from p3d_eval.protocols.resampling import drawn_counts


def make_scores(videos: int, classes: int) -> tuple[Any, Any]:
    """One label a video, and scores that rank it well but not perfectly."""
    generator = np.random.default_rng(0)
    labels = np.zeros((videos, classes), bool)
    labels[np.arange(videos), generator.integers(0, classes, videos)] = True
    return (generator.normal(size=labels.shape) + 3 * labels).astype(np.float32), labels


def timed(function: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return seconds on the clock, seconds of processor time, and the answer."""
    clock, processor = time.perf_counter(), time.process_time()
    answer = function()
    return time.perf_counter() - clock, time.process_time() - processor, answer


def by_scikit_learn(scores: Any, labels: Any) -> Any:
    """Average precision of every class, NaN where no video shows it."""
    return np.array(
        [
            average_precision_score(labels[:, c], scores[:, c]) if labels[:, c].any() else np.nan
            for c in range(labels.shape[1])
        ]
    )


def main() -> None:
    """Run both, check the answers, print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--videos", type=int, default=4926)
    parser.add_argument("--classes", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--peer-resamples", type=int, default=20)
    given = parser.parse_args()
    scores, labels = make_scores(given.videos, given.classes)
    drawn = next(drawn_counts(given.videos, 0, given.peer_resamples)).astype(int)
    rows = [np.repeat(np.arange(given.videos), counts) for counts in drawn]
    found: dict[str, Any] = {"videos": given.videos, "classes": given.classes, "resamples": given.resamples}
    for convention, peer in (("activitynet", activitynet_average_precision), ("sklearn", by_scikit_learn)):
        clock, processor, _ = timed(
            lambda rule=convention: resampled_average_precision(
                scores, labels, 0, convention=rule, resamples=given.resamples
            )
        )
        ours = resampled_average_precision(
            scores, labels, 0, convention=convention, resamples=given.peer_resamples
        )
        _, spent, theirs = timed(lambda rank=peer: np.stack([rank(scores[own], labels[own]) for own in rows]))
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        all_of_them = spent * given.resamples / given.peer_resamples
        print(
            f"{convention}: {given.resamples} resamples in {clock:.1f} s, {processor:.1f} s of processor time; "
            f"ranking each anew takes {all_of_them:.0f} s: {all_of_them / processor:.0f} times as long"
        )
        found[convention] = {
            "seconds": clock,
            "processor_seconds": processor,
            "peer_processor_seconds": all_of_them,
            "ratio": all_of_them / processor,
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
