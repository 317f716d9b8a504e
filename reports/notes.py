"""What is said below a table: how intervals were made, other choices, where numbers come from."""

from collections.abc import Sequence

from p3d_eval.protocols.result import Metric, Result
from p3d_eval.reports.layout import Layout, Shown
from p3d_eval.reports.measured import metric_of
from p3d_eval.reports.systems import System
from p3d_eval.reports.table import Cell, IntervalStyle, rounded

_PERCENT = 100.0


def sensitivity(label: str, result: Result, layout: Layout) -> str:
    """Write the variants of a result in one line, e.g. ``i3d: l2 56.7 ± 0.8, AUC 59.3; …``; empty for none."""
    lines = []
    for variant in result.variants:
        if variant.headline or "similarity" in variant.options:  # single rows are a table of their own
            continue
        parts = []
        for shown in layout.shown:
            metric = variant.metrics.get(shown.measured)
            if metric is not None and metric.value is not None and shown.ranked:
                error = metric.standard_error
                cell = Cell(shown.scale * metric.value, None if error is None else shown.scale * error)
                parts.append(f"{shown.heading.removesuffix(' (%)')} {cell.shown}")
        lines.append(f"{variant.name}: {', '.join(parts)}")
    return f"{label}: {'; '.join(lines)}" if lines else ""


def interval_notes(systems: Sequence[System], layout: Layout, style: IntervalStyle) -> list[str]:
    """Explain ± and brackets as they were made, with the independence that they assume.

    Where intervals of one table were made in several ways, each note names its columns and rows.
    """
    if style == "none":
        return []
    cells = [
        (*_interval_note(metric, style), shown.heading, system.label)
        for system in systems
        for shown in layout.shown
        if (metric := _shown_metric(system, shown, layout)) is not None
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


def _shown_metric(system: System, shown: Shown, layout: Layout) -> Metric | None:
    result = system.results.get(layout.kind(shown))
    return None if result is None else metric_of(result, shown)


def _which(some: Sequence[str], everything: Sequence[str]) -> str:
    """Join the distinct names; empty where they are all."""
    return "" if set(some) == set(everything) else ", ".join(dict.fromkeys(some))


def _interval_note(metric: Metric, style: IntervalStyle) -> tuple[str, str]:
    """Find the sign that stands beside a value, ± or brackets, and its meaning; both empty for none."""
    if metric.value is None:
        return "", ""
    if metric.standard_error is not None:
        over = f"{metric.n} {metric.unit}"
        return "±", f"standard error over {over}, which share training pairs and so are not independent"
    if metric.low is None or metric.high is None:
        return "", ""
    level = f"{rounded(_PERCENT * metric.level, 0)} % interval, " if metric.level is not None else ""
    how = metric.method or "method not recorded"
    caution = ""
    if how.lower().startswith("wilson") and "independent" not in how:
        caution = f"; it takes the {metric.unit or 'trials'} as independent, which clips of one group are not"
    if style == "plus-minus":
        return "±", f"half the width, the larger side, of the {level}{how}{caution}"
    return "[low, high]", f"{level}{how}{caution}"
