"""What rows are of: one result, one variant of it, or what one network has in several protocols."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from p3d_eval.protocols.result import Result
from p3d_eval.reports.failed import Failed
from p3d_eval.reports.joining import Joined, join_results, network_of, row_labels
from p3d_eval.reports.labels import distinct_labels, plain
from p3d_eval.reports.layout import Layout
from p3d_eval.reports.layouts import kind_of

_PROFILE = "profile"
_COMMON = ("parameters", "model_bytes", "macs", "flops")  # of a profile: the same whatever the way


@dataclass(frozen=True)
class System:
    """One row.

    Parameters
    ----------
    label : str
        What it is called.
    results : mapping of str to Result
        Its results, by kind.
    failed : mapping of str to Failed
        What should be there and is not, by kind.
    words : mapping of str to str
        Words of its own for the layout's columns of words.
    """

    label: str
    results: Mapping[str, Result]
    failed: Mapping[str, Failed] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


def make_systems(results: Sequence[Result], failures: Sequence[Failed], layout: Layout) -> list[System]:
    """Turn the results of a layout's kinds into rows, in order of first appearance."""
    if layout.members:
        return join(results, failures)
    labelled = zip(results, distinct_labels(results), strict=True)
    if layout.by_variant:
        systems = [row for result, label in labelled for row in _by_variant(result, label, layout.name)]
    else:
        systems = [System(label, {layout.name: result}) for result, label in labelled]
    return systems + [System(one.label, {}, {layout.name: one}) for one in failures]


def _by_variant(result: Result, label: str, kind: str) -> Iterable[System]:
    """Make a row of each variant, with what all share."""
    if not result.variants:
        yield System(label, {kind: result})
        return
    common = {name: metric for name, metric in result.metrics.items() if name in _COMMON}
    for variant in result.variants:
        words = {key: plain(value) for key, value in variant.options.items()}
        yield System(label, {kind: replace(result, metrics=common | dict(variant.metrics))}, words=words)


def join(
    results: Sequence[Result], failures: Sequence[Failed] = (), kind_of: Callable[[Result], str] = kind_of
) -> list[System]:
    """Make one row of each network and setting, see `join_results`; a profile joins every row of its network.

    Parameters
    ----------
    results : sequence of Result
    failures : sequence of Failed
        Of kinds in place of protocols.
    kind_of : callable
        What of a row a result is.
    """
    joined = join_results([one for one in results if one.protocol != _PROFILE], kind_of)
    for profile in (one for one in results if one.protocol == _PROFILE):
        same = [row for row in joined if _PROFILE not in row.results and _fits(profile, row.results)]
        for row in same:
            row.results[_PROFILE] = profile
        joined += [] if same else [Joined(network_of(profile), results={_PROFILE: profile})]
    systems = [System(label, row.results) for label, row in zip(row_labels(joined), joined, strict=True)]
    for failed in failures:
        systems = _with_failure(systems, failed)
    return systems


def _with_failure(systems: list[System], failed: Failed) -> list[System]:
    """Put a failure into the row of its label that has nothing in its place yet; else into a row of its own."""
    for place, system in enumerate(systems):
        if system.label == failed.label and failed.protocol not in {**system.results, **system.failed}:
            told = replace(system, failed={**system.failed, failed.protocol: failed})
            return [*systems[:place], told, *systems[place + 1 :]]
    return [*systems, System(failed.label, {}, {failed.protocol: failed})]


def _fits(profile: Result, row: Mapping[str, Result]) -> bool:
    """Whether a profile is of the network of a row; speed and size are the same whatever the weights."""
    return all(_architecture(profile) == _architecture(result) for result in row.values())


def _architecture(result: Result) -> list[object]:
    spec = result.features.get("input_spec")
    size = [spec.get("clip_length"), spec.get("crop")] if isinstance(spec, Mapping) else []
    return [result.features.get("backbone"), result.features.get("options") or {}, size]
