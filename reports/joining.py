"""Which results of one network share a row: rows differ in the options in which results of one kind differ."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from p3d_eval.protocols.result import Result
from p3d_eval.reports.labels import changed_options, plain, telling_options, with_options

Setting = tuple[str | None, ...]  # of the options that part rows; None for a default, or no such option


@dataclass(frozen=True)
class Joined:
    """One row.

    Parameters
    ----------
    network : str
        What `network_of` tells of its results.
    parting : tuple of str
        Options that tell the network's rows apart.
    setting : tuple of (str or None)
        Their values.
    results : dict of str to Result
        By kind; the first one gives the row its name.
    """

    network: str
    parting: tuple[str, ...] = ()
    setting: Setting = ()
    results: dict[str, Result] = field(default_factory=dict)


def join_results(results: Sequence[Result], kind_of: Callable[[Result], str]) -> list[Joined]:
    """Make one row of each network and setting, with one result a kind.

    A setting is the values of the options in which results of one kind differ: ``C`` where a network has
    ``ucf101`` at C = 1 and 10. Each result stands in every row whose setting it does not contradict, a default
    agreeing with every default: retrieval, which has no C, in both rows, ``hmdb51`` at C = 1 in the first. The
    only result of a kind, where it contradicts all rows, stands in all. Of several results of one kind and
    setting, such as of two extractions, each has a row, and other kinds join the first.
    """
    networks: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        networks.setdefault(network_of(result), {}).setdefault(kind_of(result), []).append(result)
    return [row for network, kinds in networks.items() for row in _rows_of(network, kinds)]


def _rows_of(network: str, kinds: Mapping[str, Sequence[Result]]) -> list[Joined]:
    """Make the rows of one network."""
    parting = _parting_options(kinds)
    rows: list[Joined] = []
    for kind, own in kinds.items():
        if len(own) == 1:
            continue
        for result in own:
            setting = _setting(result, parting)
            fitting = (row for row in rows if row.setting == setting and kind not in row.results)
            row = next(fitting, None)
            if row is None:
                row = Joined(network, parting, setting)
                rows.append(row)
            row.results[kind] = result
    first = {row.setting: row for row in reversed(rows)}
    if not first:
        return [Joined(network, results={kind: own[0] for kind, own in kinds.items()})]
    for kind, own in kinds.items():
        for result in own:
            agreeing = [row for row in first.values() if _agrees(result, row)]
            for row in agreeing or (first.values() if len(own) == 1 else ()):
                row.results.setdefault(kind, result)
    return rows


def _parting_options(kinds: Mapping[str, Sequence[Result]]) -> tuple[str, ...]:
    """Name the options in which results of one kind differ."""
    found: dict[str, None] = {}
    for own in kinds.values():
        changed = [changed_options(result) for result in own]
        for key in dict.fromkeys(key for one in changed for key in one):
            if len({one.get(key) for one in changed}) > 1:
                found[key] = None
    return tuple(found)


def _setting(result: Result, parting: Sequence[str]) -> Setting:
    changed = changed_options(result)
    return tuple(changed.get(key) for key in parting)


def _agrees(result: Result, row: Joined) -> bool:
    """Whether a result has no other value of an option than a row."""
    values = zip(row.parting, _setting(result, row.parting), row.setting, strict=True)
    return all(own == wanted for key, own, wanted in values if key in result.options)


def row_labels(rows: Sequence[Joined]) -> list[str]:
    """Label rows as `distinct_labels` labels results.

    An option that does not hold for the whole row is named with the kind that it is of: ``net (ucf101 C=10)``.
    """
    several = {row.network for row in rows if sum(one.network == row.network for one in rows) > 1}
    naming = [next(iter(row.results.items())) for row in rows]
    results = [result for _, result in naming]
    shown = [row.parting if row.network in several else None for row in rows]
    options = [
        {key if _holds(key, row, result) else f"{kind} {key}": value for key, value in own.items()}
        for own, row, (kind, result) in zip(telling_options(results, shown), rows, naming, strict=True)
    ]
    return with_options(results, options)


def _holds(key: str, row: Joined, result: Result) -> bool:
    """Whether an option has one value in all results of a row."""
    value = plain(result.options.get(key))
    return all(key in one.options and plain(one.options[key]) == value for one in row.results.values())


def network_of(result: Result) -> str:
    """Tell what is judged: label, network, its options and weights."""
    features = result.features
    weights = features.get("weights")
    digest = weights.get("sha256") if isinstance(weights, Mapping) else None
    return json.dumps(
        [result.label, features.get("backbone"), digest, features.get("options")], sort_keys=True, default=str
    )
