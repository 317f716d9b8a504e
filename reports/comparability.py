"""Which measured rows may stand beside published ones, and which beside each other."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from p3d_eval.errors import counted
from p3d_eval.protocols.result import WANTED_GAP, Result
from p3d_eval.reports.layout import Layout
from p3d_eval.reports.layouts import METHODS

# How protocols begin their warning of weights that saw the test. Copies and groups on both sides of official
# splits are the data set's own, and the published rows have them too.
_SEEN = "LEAK: the weights"
# Options of a backbone that the published rows were made with; with others it is another network.
_MACHINE = ("device", "machine", "threads")  # what a speed is of
_PUBLISHED_OPTIONS = {"p3d199": {"variant": "ABC", "modality": "rgb"}}


def random_weights(result: Result) -> bool:
    """Whether the features come from a network that was never trained."""
    weights = result.features.get("weights")
    return isinstance(weights, Mapping) and bool(weights.get("random"))


def complete(result: Result) -> bool:
    """Whether every video that the annotations name was used."""
    return result.coverage.counted_as == "complete" and result.coverage.used == result.coverage.expected


def obstacles(result: Result, layout: Layout) -> tuple[str, ...]:
    """Say why a result may not be compared with published rows; empty where it may.

    The rule: the annotations are the official ones and every video they name was used. A result of
    some of the splits, of an untrained network, of one that was trained on the data set, or of a solver
    that did not converge is not the published quantity either.
    """
    if layout.reference:
        return (layout.reference,)
    reasons = []
    if not result.annotations.get("official", False):
        reasons.append(f"not the official {layout.trials}")
    if not complete(result):
        reasons.append(f"{result.coverage.used} of {counted(result.coverage.expected, 'video')}")
    if layout.splits is not None and len(result.splits) != layout.splits:
        reasons.append(f"{len(result.splits)} of {layout.splits} splits")
    if random_weights(result):
        reasons.append("random weights")
    if not result.converged:
        reasons.append("not converged")
    loosest = max((certificate.tolerance for certificate in result.certificates), default=0.0)
    if loosest > WANTED_GAP:
        reasons.append(f"solved to a relative duality gap of {loosest:g} only")
    if any(warning.startswith(_SEEN) for warning in result.warnings):
        reasons.append("weights trained on the data set")
    return tuple(reasons)


def published_method(result: Result) -> str | None:
    """Name of the published method that a result repeats, None where it repeats none."""
    backbone = str(result.features.get("backbone", ""))
    options = result.features.get("options") or {}
    wanted = _PUBLISHED_OPTIONS.get(backbone, {})
    if any(options.get(name, value) != value for name, value in wanted.items()):
        return None
    return METHODS.get(backbone)


def same_trials(results: Sequence[Result]) -> bool:
    """Whether all results were measured by one version on the same annotations, splits, videos or machine."""
    return len({trials_of(result) for result in results}) <= 1


def trials_of(result: Result) -> tuple[Any, ...]:
    """Tell what a result was measured on; equal for results that may be ranked."""
    coverage = result.coverage
    sizes = tuple((split.n_train, split.n_test) for split in result.splits)
    return (*asked_of(result), sizes, coverage.missing, coverage.counted_as)


def asked_of(result: Result) -> tuple[Any, ...]:
    """Tell what a result was to be measured on, whether or not every video was there."""
    if result.protocol == "profile":
        features = result.features
        return (json.dumps([features.get(name) for name in _MACHINE], sort_keys=True, default=str),)
    # The splits' own hashes, where a protocol gives them, see through where the annotations came from.
    hashes = result.annotations.get("split_hashes") or result.annotations.get("sha256")
    return (
        result.version,
        json.dumps(hashes, sort_keys=True),
        tuple(split.name for split in result.splits),
        result.coverage.expected,
    )


def ranked(results: Sequence[Result]) -> list[Result]:
    """Choose the results that may be ranked: converged ones, and only complete ones where there are any."""
    converged = [one for one in results if one.converged]
    return [one for one in converged if complete(one)] or converged
