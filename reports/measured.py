"""Measured rows: labels that tell results apart, cells in percent, remarks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from p3d_eval.protocols import PROTOCOLS
from p3d_eval.protocols.result import Metric, Result
from p3d_eval.reports.footnotes import Footnotes
from p3d_eval.reports.layouts import OWN_OPTIONS, Layout
from p3d_eval.reports.table import Cell, Row, rounded

PERCENT = 100.0
_ID_SHOWN = 8  # digits of a result id that tell two results apart in print
# Options that change no number of a converged fit, or that coverage and the count of splits tell of.
_SAID_ELSEWHERE = {"seed", "allow_missing", "split", "device", "rows", "pca", "pca_solver"}
_FITS_SHOWN = 3  # unconverged fits named in a footnote


def percent_cell(metric: Metric, footnotes: Footnotes) -> Cell:
    """Turn a metric, a fraction with its interval, into a cell in percent."""
    if metric.value is None:
        marks = (footnotes.mark(f"undefined: {metric.reason or 'no reason given'}"),)
        return Cell(words="undefined", marks=marks)

    def scaled(value: float | None) -> float | None:
        return None if value is None else PERCENT * value

    return Cell(
        value=PERCENT * metric.value,
        standard_error=scaled(metric.standard_error),
        low=scaled(metric.low),
        high=scaled(metric.high),
    )


def measured_row(
    result: Result, label: str, layout: Layout, marks: tuple[str, ...], footnotes: Footnotes
) -> Row:
    """Build the row of one result, without differences and without a mark for the best."""
    cells = {
        shown.key: percent_cell(result.metrics[shown.key], footnotes)
        for shown in layout.shown
        if shown.key in result.metrics
    }
    cells |= {key: Cell(words=word) for key, word in layout.words.items()}
    return Row(label=label, kind="measured", cells=cells, marks=marks, attributes=_attributes(result))


def _attributes(result: Result) -> dict[str, str]:
    coverage = result.coverage
    return {
        "source": "measured",
        "result_id": result.result_id,
        "official": str(bool(result.annotations.get("official", False))).lower(),
        "converged": str(result.converged).lower(),
        "videos_used": str(coverage.used),
        "videos_expected": str(coverage.expected),
        "missing_counted_as": "" if coverage.counted_as == "complete" else coverage.counted_as,
    }


def distinct_labels(results: Sequence[Result]) -> list[str]:
    """Label every result; those that share a label get the options in which they differ.

    Two results that differ in no option (other features, other annotations) get their result id.
    """
    alike = Counter(result.label for result in results)
    labels = []
    for result in results:
        if alike[result.label] == 1:
            labels.append(result.label)
            continue
        settings = [_settings(other) for other in results if other.label == result.label]
        own = _settings(result)
        differing = [key for key in own if any(other.get(key) != own[key] for other in settings)]
        details = ", ".join(f"{key}={own[key]}" for key in differing)
        labels.append(f"{result.label} ({details})" if details else result.label)
    repeated = Counter(labels)
    return [
        f"{label} [{result.result_id[:_ID_SHOWN]}]" if repeated[label] > 1 else label
        for label, result in zip(labels, results, strict=True)
    ]


def _settings(result: Result) -> dict[str, str]:
    layers = result.features.get("layers")
    settings = {key: _plain(value) for key, value in result.options.items()}
    return settings | ({"layers": _plain(layers)} if layers and "layers" not in settings else {})


def _plain(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def unconverged(results: Mapping[str, Result]) -> str:
    """Name the fits, by row, whose certificates failed; empty where all hold."""
    rows = []
    for label, result in results.items():
        failed = [one for one in result.certificates if not one.converged]
        if failed:
            fits = "; ".join(
                f"{one.problem}: relative gap {one.relative_gap:.1e} > {one.tolerance:.0e}"
                for one in failed[:_FITS_SHOWN]
            )
            more = f"; and {len(failed) - _FITS_SHOWN} more" if len(failed) > _FITS_SHOWN else ""
            rows.append(f"{label} ({fits}{more})")
    return ", ".join(rows)


def coverage_remark(result: Result) -> str:
    """Say how many videos a result lacks and how they were counted."""
    coverage = result.coverage
    missing = coverage.expected - coverage.used
    return f"{coverage.used} of {coverage.expected} videos; {missing} missing, counted as {coverage.counted_as}"


def departures(result: Result) -> str:
    """Name the options that are not the protocol's defaults: ``C = 10.0 (default 1.0)``; empty for none.

    A network's own options, with which its published rows were made, are none. A result of a plug-in that is
    not installed here is shown without.
    """
    if result.protocol not in PROTOCOLS:
        return ""
    defaults = {field.name: field.default for field in fields(PROTOCOLS.load(result.protocol).options)}
    own = OWN_OPTIONS.get(str(result.features.get("backbone", "")), {})
    changed = [
        f"{key} = {_plain(value)} (default {_plain(defaults[key])})"
        for key, value in result.options.items()
        if key in defaults
        and key not in _SAID_ELSEWHERE
        and _plain(value) not in (_plain(defaults[key]), own.get(key))
    ]
    return ", ".join(changed)


def sensitivity(label: str, result: Result, layout: Layout) -> str:
    """Write the variants of a result in one line, e.g. ``i3d: l2 56.7 ± 0.8, AUC 59.3; …``; empty for none."""
    lines = []
    for variant in result.variants:
        if variant.headline or "similarity" in variant.options:  # single rows are a table of their own
            continue
        parts = []
        for shown in layout.shown:
            metric = variant.metrics.get(shown.key)
            if metric is not None and metric.value is not None and shown.ranked:
                cell = Cell(
                    value=PERCENT * metric.value,
                    standard_error=metric.standard_error and PERCENT * metric.standard_error,
                )
                parts.append(f"{shown.heading.removesuffix(' (%)')} {cell.shown}")
        lines.append(f"{variant.name}: {', '.join(parts)}")
    return f"{label}: {'; '.join(lines)}" if lines else ""


def interval_notes(labels: Sequence[str], results: Sequence[Result], layout: Layout) -> list[str]:
    """Explain ± and brackets as they were made, with the independence that they assume.

    Where intervals of one table were made in several ways, each note names its columns and rows.
    """
    cells = [
        (*_interval_note(result.metrics[shown.key]), shown.heading, label)
        for label, result in zip(labels, results, strict=True)
        for shown in layout.shown
        if shown.key in result.metrics
    ]
    notes = []
    for mark in dict.fromkeys(cell[0] for cell in cells if cell[0]):
        own = [cell for cell in cells if cell[0] == mark]
        texts = list(dict.fromkeys(text for _, text, _, _ in own))
        for text in texts:
            where = ""
            if len(texts) > 1:
                columns = _which([c[2] for c in own if c[1] == text], [c[2] for c in own])
                rows = _which([c[3] for c in own if c[1] == text], [c[3] for c in own])
                where = (f" in {columns}" if columns else "") + (f" of {rows}" if rows else "")
            notes.append(f"{mark}{where}: {text}")
    return notes


def _which(some: Sequence[str], everything: Sequence[str]) -> str:
    """Join the distinct names; empty where they are all."""
    return "" if set(some) == set(everything) else ", ".join(dict.fromkeys(some))


def _interval_note(metric: Metric) -> tuple[str, str]:
    """Find the sign that stands beside a value, ± or brackets, and its meaning; both empty for none."""
    if metric.value is None:
        return "", ""
    if metric.standard_error is not None:
        over = f"{metric.n} {metric.unit}"
        return "±", f"standard error over {over}, which share training pairs and so are not independent"
    if metric.low is None or metric.high is None:
        return "", ""
    level = f"{rounded(PERCENT * metric.level, 0)} % " if metric.level is not None else ""
    how = metric.method or "method not recorded"
    caution = ""
    if how.lower().startswith("wilson"):
        caution = f"; it takes the {metric.unit or 'trials'} as independent, which clips of one group are not"
    return "[low, high]", f"{level}interval, {how}{caution}"
