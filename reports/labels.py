"""What rows are called: labels that tell results apart, and the options that are not the defaults."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from p3d_eval.errors import UnknownNameError, UserError, counted
from p3d_eval.features.row_names import bare_name
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.protocols.result import Result
from p3d_eval.reports.layouts import OWN_OPTIONS

_ID_SHOWN = 8  # digits of a result id that tell two results apart in print
# Options that change no number of a converged fit, or that coverage, the count of splits and tables tell of.
_SAID_ELSEWHERE = {"seed", "allow_missing", "split", "device", "rows", "pca", "pca_solver", "dataset", "view"}


def distinct_labels(results: Sequence[Result]) -> list[str]:
    """Label every result; those that share a label get the options in which they differ, but for the defaults.

    Results of several protocols, whose defaults differ anyway, get those that are not the defaults.
    Two results that differ in no option (other features, other annotations) get their result id.
    """
    return with_options(results, telling_options(results))


def telling_options(
    results: Sequence[Result], shown: Sequence[Collection[str] | None] | None = None
) -> list[dict[str, str]]:
    """Find the options that tell every result from those that share its label.

    Parameters
    ----------
    results : sequence of Result
    shown : sequence of (collection of str or None), optional
        For each result, the options that may tell it from results of other protocols; None for all.
    """
    alike = Counter(result.label for result in results)
    settings = {id(result): _settings(result) for result in results if alike[result.label] > 1}
    found: list[dict[str, str]] = []
    for result, allowed in zip(results, shown or [None] * len(results), strict=True):
        if alike[result.label] == 1:
            found.append({})
            continue
        own = settings[id(result)]
        others = [other for other in results if other.label == result.label]
        same = [settings[id(other)] for other in others if other.protocol == result.protocol]
        changed = changed_options(result) if len(same) < len(others) else {}
        usual = {key: plain(value) for key, value in defaults_of(result).items()}
        differing = [
            key
            for key in own
            if (key in changed and (allowed is None or key in allowed))
            or (own[key] != usual.get(key) and any(other.get(key, own[key]) != own[key] for other in same))
        ]
        found.append({key: own[key] for key in differing})
    return found


def with_options(results: Sequence[Result], options: Sequence[Mapping[str, str]]) -> list[str]:
    """Put options behind the label of every result, and its id where that leaves two alike."""
    details = [", ".join(f"{key}={value}" for key, value in own.items()) for own in options]
    labels = [
        f"{result.label} ({detail})" if detail else result.label
        for result, detail in zip(results, details, strict=True)
    ]
    repeated = Counter(labels)
    return [
        f"{label} [{result.result_id[:_ID_SHOWN]}]" if repeated[label] > 1 else label
        for label, result in zip(labels, results, strict=True)
    ]


def row_named(name: str, labels: Iterable[str], kind: str) -> str:
    """Find the row that a user means: by its label, or without what tables add to it where one alone is so.

    Parameters
    ----------
    name : str
        As the user wrote it.
    labels : iterable of str
    kind : str
        What rows are, for messages.

    Raises
    ------
    UserError
        When no row is called so, or several may be meant.
    """
    known = list(dict.fromkeys(labels))
    if name in known:
        return name
    found = [one for one in known if bare_name(one) == name] or [
        one for one in known if bare_name(one).startswith((f"{name} (", f"{name} ["))
    ]
    if len(found) > 1:
        raise UserError(f"{name!r} may be {counted(len(found), 'row')}", f"Name one of {', '.join(found)}")
    if not found:
        raise UnknownNameError(kind, name, dict.fromkeys(map(bare_name, known)))
    return found[0]


def _settings(result: Result) -> dict[str, str]:
    layers = result.features.get("layers")
    settings = {key: plain(value) for key, value in result.options.items()}
    return settings | ({"layers": plain(layers)} if layers and "layers" not in settings else {})


def plain(value: Any) -> str:
    """Write the value of an option as a user types it: 10 for 10.0."""
    if isinstance(value, list | tuple):
        return "+".join(map(plain, value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def defaults_of(result: Result) -> Mapping[str, Any]:
    """Return the defaults of a result's options; empty where neither it says them nor its protocol is here."""
    if result.default_options or result.protocol not in PROTOCOLS:
        return result.default_options
    # Made before results said them: the protocol is loaded, and with it what it computes with.
    return {field.name: field.default for field in fields(PROTOCOLS.load(result.protocol).options)}


def departures(result: Result) -> str:
    """Name the options that are not the protocol's defaults: ``C = 10 (default 1)``; empty for none."""
    defaults = defaults_of(result)
    changed = changed_options(result)
    return ", ".join(f"{key} = {value} ({_default(defaults[key])})" for key, value in changed.items())


def _default(value: Any) -> str:
    return "not given by default" if value is None else f"default {plain(value)}"


def unlike_published(result: Result) -> str:
    """Name the options in which a result departs from its network's published rows, where those have their own.

    ``layer = pool5 (published with fc6)``; empty for none.
    """
    own = _own_options(result)
    given = {key: plain(result.options[key]) for key in own if key in result.options}
    return ", ".join(
        f"{key} = {value} (published with {own[key]})" for key, value in given.items() if value != own[key]
    )


def _own_options(result: Result) -> Mapping[str, str]:
    """Options with which the published rows of a result's network were made, where they are no defaults."""
    return OWN_OPTIONS.get(str(result.features.get("backbone", "")), {})


def changed_options(result: Result) -> dict[str, str]:
    """Return the options that are not the protocol's defaults, as `plain` text.

    A network's own options, with which its published rows were made, are none. A result that does not say the
    defaults, of a plug-in that is not installed here, is shown without.
    """
    defaults = defaults_of(result)
    own = _own_options(result)
    return {
        key: plain(value)
        for key, value in result.options.items()
        if key in defaults
        and key not in _SAID_ELSEWHERE
        and plain(value) not in (plain(defaults[key]), own.get(key))
    }
