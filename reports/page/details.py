"""What a page says about one result: all its numbers, its options, and where everything comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p3d_eval.markup import plain
from p3d_eval.protocols.notebook import scale_of
from p3d_eval.protocols.result import Metric, Result
from p3d_eval.reports.labels import defaults_of, distinct_labels
from p3d_eval.reports.loading import Loaded
from p3d_eval.reports.page.commands import evaluation_command, extraction_commands

Pairs = tuple[tuple[str, str], ...]
Value = str | float

_SHOWN_MISSING = 50  # ids of missing videos; the result file lists all


@dataclass(frozen=True)
class Grid:
    """A table of words and numbers: its title, its headings and its rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True)
class ResultDetails:
    """Everything about one result, as words and numbers; the page only sets them.

    Parameters
    ----------
    result_id, label, protocol, headline : str
        What it is, and its first number.
    converged : bool
        Whether every certificate holds.
    warnings, choices : tuple of str
        Sentences.
    metrics : Grid
        Headline numbers with intervals.
    summary, options, features, annotations, software : tuple of (str, str)
        Names and values.
    tables : tuple of Grid
        Splits, variants, classes and certificates, where there are any.
    commands, command_notes : tuple of str
        How to reproduce it, and what the commands leave open.
    """

    result_id: str
    label: str
    protocol: str
    headline: str
    converged: bool
    warnings: tuple[str, ...]
    choices: tuple[str, ...]
    metrics: Grid
    summary: Pairs
    options: Pairs
    features: Pairs
    annotations: Pairs
    software: Pairs
    tables: tuple[Grid, ...]
    commands: tuple[str, ...]
    command_notes: tuple[str, ...]


def describe_results(loaded: Sequence[Loaded]) -> list[ResultDetails]:
    """Describe results in their order, under labels that tell those of one protocol apart."""
    described: dict[str, ResultDetails] = {}
    for protocol in dict.fromkeys(one.result.protocol for one in loaded):
        own = [one for one in loaded if one.result.protocol == protocol]
        labels = distinct_labels([one.result for one in own])
        for one, label in zip(own, labels, strict=True):
            described[one.result.result_id] = _describe(one, label)
    return [described[one.result.result_id] for one in loaded]


def _describe(loaded: Loaded, label: str) -> ResultDetails:
    result = loaded.result
    evaluation = evaluation_command(result)
    extraction = extraction_commands(result)
    name, metric = next(iter(result.metrics.items()), ("", Metric(None)))
    return ResultDetails(
        result_id=result.result_id,
        label=label,
        protocol=result.protocol,
        headline=f"{_words(name)} {_shown(metric, result.protocol)}",
        converged=result.converged,
        warnings=result.warnings,
        choices=result.choices,
        metrics=_metric_grid(result),
        summary=_summary(loaded),
        options=_options(result),
        features=_flattened(result.features),
        annotations=(*_flattened(result.annotations), *_coverage(result)),
        software=(*_flattened(result.software), *_flattened({"seconds": result.seconds})),
        tables=tuple(grid for grid in _grids(result) if grid.rows),
        commands=(*extraction, *([evaluation] if evaluation else [])),
        command_notes=_command_notes(result, bool(evaluation), bool(extraction)),
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _scaled(value: float | None, factor: float) -> Value:
    return "" if value is None else factor * value


def _shown(metric: Metric, protocol: str) -> str:
    if metric.value is None:
        return f"undefined ({metric.reason or 'no reason given'})"
    factor, unit = scale_of(protocol)
    return f"{factor * metric.value:.2f} {unit}" if unit else f"{metric.value:.6g}"


def _metric_grid(result: Result) -> Grid:
    factor, unit = scale_of(result.protocol)
    value = f"value ({unit})" if unit else "value"
    columns = ("metric", value, "low", "high", "± standard error", "how the interval was made", "n")
    rows = tuple(
        (
            _words(name),
            _shown(metric, result.protocol) if metric.value is None else factor * metric.value,
            _scaled(metric.low, factor),
            _scaled(metric.high, factor),
            _scaled(metric.standard_error, factor),
            (f"{100 * metric.level:g} %, " if metric.level else "") + (metric.method or ""),
            f"{metric.n} {metric.unit}" if metric.n is not None else "",
        )
        for name, metric in result.metrics.items()
    )
    return _without_empty_columns(Grid("Metrics", columns, rows))


def _without_empty_columns(grid: Grid) -> Grid:
    kept = [place for place in range(len(grid.columns)) if any(row[place] != "" for row in grid.rows)]
    return Grid(
        grid.title,
        tuple(grid.columns[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in grid.rows),
    )


def _grids(result: Result) -> list[Grid]:
    """Tables below a result: splits, variants, classes, certificates."""
    variants = [(one.name, one.metrics) for one in result.variants]
    certificates = tuple(
        (
            one.problem,
            one.solver,
            one.measure,
            one.relative_gap,
            one.tolerance,
            "yes" if one.converged else "NO",
        )
        for one in result.certificates
    )
    return [
        _metrics_of("Splits", result, [(split.name, split.metrics) for split in result.splits]),
        _metrics_of("Other choices and points of sweeps", result, variants),
        _metrics_of("Classes", result, [(name, {"value": one}) for name, one in result.per_class.items()]),
        Grid(
            "Certificates of the solvers",
            ("problem", "solver", "measure", "value", "asked for", "holds"),
            certificates,
        ),
    ]


def _metrics_of(title: str, result: Result, named: Sequence[tuple[str, Mapping[str, Metric]]]) -> Grid:
    """One row a name, three columns a metric: its value and the ends of its interval."""
    factor, unit = scale_of(result.protocol)
    suffix = f" ({unit})" if unit else ""
    keys = list(dict.fromkeys(key for _, metrics in named for key in metrics))
    columns = [column for key in keys for column in (f"{_words(key)}{suffix}", "low", "high")]
    rows = []
    for name, metrics in named:
        found = [metrics.get(key, Metric(None)) for key in keys]
        ends = (end for one in found for end in (one.value, one.low, one.high))
        rows.append((name, *(_scaled(end, factor) for end in ends)))
    return _without_empty_columns(Grid(title, ("name", *columns), tuple(rows)))


def _summary(loaded: Loaded) -> Pairs:
    result = loaded.result
    coverage = result.coverage
    facts = {
        "videos": f"{coverage.used} of {coverage.expected}",
        "solvers": "" if not result.certificates else _solvers(result),
        "protocol": f"{result.protocol}, version {result.version}",
        "made": result.created,
        "result id": result.result_id,
        "file": "" if loaded.path is None else str(loaded.path),
    }
    return tuple((name, value) for name, value in facts.items() if value)


def _solvers(result: Result) -> str:
    worst = max(result.certificates, key=lambda one: one.relative_gap / one.tolerance)
    holds = "all fits converged" if result.converged else "NOT CONVERGED, do not quote"
    return (
        f"{holds}; largest {worst.measure} {worst.relative_gap:.1e} of {len(result.certificates)} fits, "
        f"{worst.tolerance:.0e} asked for"
    )


def _options(result: Result) -> Pairs:
    """Every option with its value, and with the protocol's default where that is another."""
    defaults = defaults_of(result)
    pairs = []
    for name, value in result.options.items():
        told = "not set" if value is None else plain(value)
        if name in defaults and plain(defaults[name]) != plain(value):
            told += f" (default: {'not set' if defaults[name] is None else plain(defaults[name])})"
        pairs.append((_words(name), told))
    return tuple(pairs)


def _coverage(result: Result) -> Pairs:
    coverage = result.coverage
    if not coverage.missing:
        return ()
    more = len(coverage.missing) - _SHOWN_MISSING
    listed = ", ".join(coverage.missing[:_SHOWN_MISSING]) + (f" … and {more} more" if more > 0 else "")
    return (("missing videos", f"counted as {coverage.counted_as}: {listed}"),)


def _flattened(values: Mapping[str, Any], prefix: str = "") -> Pairs:
    """Nested mappings as one list of names and values; what is empty is left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in values.items():
        title = f"{prefix}{_words(str(name))}"
        if isinstance(value, Mapping):
            pairs += _flattened(value, f"{title}: ")
        elif isinstance(value, list | tuple) and value and all(isinstance(one, Mapping) for one in value):
            for place, one in enumerate(value, start=1):
                pairs += _flattened(one, f"{title} {place}: ")
        elif value is not None and value != "" and value != [] and value != ():
            pairs.append((title, f"{value:.3g}" if isinstance(value, float) else plain(value)))
    return tuple(pairs)


def _command_notes(result: Result, evaluation: bool, extraction: bool) -> tuple[str, ...]:
    notes = []
    if not evaluation:
        notes.append(f"The protocol {result.protocol} is not installed where this page was made.")
    if not extraction:
        notes.append("The feature file recorded no command: see where the features come from.")
    source = str(result.annotations.get("source", ""))
    if source and not source.startswith("--"):
        notes.append(f"Annotations: {source}.")
    return tuple(notes)
