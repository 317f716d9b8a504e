"""Results for a figure: read, labelled so that a legend tells them apart, with their scores where needed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from p3d_eval.errors import UserError, counted, shorten
from p3d_eval.protocols.paired_scores import load_one
from p3d_eval.protocols.result import Result, Scores
from p3d_eval.reports.comparability import random_weights
from p3d_eval.reports.labels import distinct_labels
from p3d_eval.reports.loading import Loaded, Source, load_results
from p3d_eval.reports.measured import unconverged

PERCENT = 100.0
_HEADINGS = {
    "accuracy": "Accuracy",
    "map": "mAP",
    "map_sklearn": "mAP (scikit-learn)",
    "auc": "AUC",
    "auc_mean_of_folds": "AUC, mean of folds",
}


@dataclass(frozen=True)
class Labelled:
    """A result as a figure calls it.

    Parameters
    ----------
    label : str
        Its label, with the options in which it differs from others of the same label.
    loaded : Loaded
        The result and its file.
    """

    label: str
    loaded: Loaded

    @property
    def result(self) -> Result:
        """The result."""
        return self.loaded.result

    def scores(self) -> Scores:
        """Read the scores behind the result.

        Raises
        ------
        UserError
            When there are none, or they were changed.
        """
        return load_one(self.loaded.path or self.loaded.result).scores


def load_labelled(sources: Source | Iterable[Source]) -> tuple[list[Labelled], tuple[str, ...]]:
    """Read results from files and folders; the second value says what was left out."""
    found = load_results(sources)
    return label_results(found.loaded), found.warnings


def label_results(loaded: Sequence[Loaded]) -> list[Labelled]:
    """Give every result a label that no other result of its protocol has."""
    labels: dict[int, str] = {}
    for protocol in dict.fromkeys(one.result.protocol for one in loaded):
        own = [place for place, one in enumerate(loaded) if one.result.protocol == protocol]
        labels |= zip(own, distinct_labels([loaded[place].result for place in own]), strict=True)
    return [Labelled(labels[place], one) for place, one in enumerate(loaded)]


def require_one_protocol(results: Sequence[Labelled]) -> str:
    """Name the one protocol and version of all results.

    Raises
    ------
    UserError
        When there is none, or there are several.
    """
    if not results:
        raise UserError("no results to draw", "Give the JSON files that the protocols wrote")
    first = results[0]
    for other in results[1:]:
        one, two = (f"{r.result.protocol} {r.result.version}" for r in (first, other))
        if one != two:
            raise UserError(
                f"{first.loaded.name} is of {one} and {other.loaded.name} of {two}",
                "A figure compares results of one protocol and version",
            )
    return first.result.protocol


def cautions(results: Sequence[Labelled]) -> tuple[str, ...]:
    """Say what a reader must know before believing the figure: weights, coverage, solvers, annotations."""
    notes = []
    random = [one.label for one in results if random_weights(one.result) and "random" not in one.label]
    if random:
        notes.append(f"Random weights: {shorten(random)}.")
    for one in results:
        coverage = one.result.coverage
        if coverage.missing:
            lacking = f"{len(coverage.missing)} of {counted(coverage.expected, 'video')} missing"
            notes.append(f"{one.label}: {lacking}, counted as {coverage.counted_as}.")
    failed = unconverged((one.label, one.result) for one in results)
    if failed:
        notes.append(f"NOT CONVERGED, do not quote: {failed}.")
    return tuple(notes)


def spoken(metric: str) -> str:
    """Write a metric's name as a reader sees it."""
    return _HEADINGS.get(metric, metric.replace("_", " "))


def lowered(words: str) -> str:
    """Begin words with a small letter, as after a colon; ``AUC``, ``R@1`` and ``mAP`` stay."""
    return words[:1].lower() + words[1:] if words[1:2].islower() and words[:1].isupper() else words


def percent(value: float | None) -> float | None:
    """Turn a fraction into percent; None stays None."""
    return None if value is None else PERCENT * value
