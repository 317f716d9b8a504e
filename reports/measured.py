"""Measured rows: cells in percent, what traces a row, and remarks on it."""

from collections.abc import Iterable, Mapping
from typing import Any

from p3d_eval.errors import counted
from p3d_eval.protocols.result import Metric, Result
from p3d_eval.reports.failed import Failed
from p3d_eval.reports.footnotes import Footnotes
from p3d_eval.reports.layout import Layout, Shown
from p3d_eval.reports.systems import System
from p3d_eval.reports.table import Cell, IntervalStyle, enough_decimals

_FITS_SHOWN = 3  # unconverged fits named in a footnote


def metric_of(result: Result, shown: Shown) -> Metric | None:
    """Find the metric that a column shows; None where the result has none."""
    metrics: Mapping[str, Metric] = result.metrics
    if shown.split:
        own = (one.metrics for one in result.splits if one.name.removeprefix("split ") == shown.split)
        metrics = next(own, {})
    if shown.measured in metrics:
        return metrics[shown.measured]
    spec = result.features.get("input_spec")
    setting = spec.get(shown.measured) if isinstance(spec, Mapping) else None
    return Metric(float(setting)) if isinstance(setting, int | float) else None


def metric_cell(metric: Metric, shown: Shown, style: IntervalStyle, footnotes: Footnotes) -> Cell:
    """Turn a metric with its interval into a cell in the column's unit."""
    if metric.value is None:
        marks = (footnotes.mark(f"undefined: {metric.reason or 'no reason given'}"),)
        return Cell(words="undefined", marks=marks)

    def scaled(value: float | None) -> float | None:
        return None if value is None else shown.scale * value

    value = shown.scale * metric.value
    return Cell(
        value=value,
        standard_error=scaled(metric.standard_error),
        low=scaled(metric.low),
        high=scaled(metric.high),
        decimals=enough_decimals(value, shown.decimals) if shown.keeps_digits else shown.decimals,
        interval=style,
    )


def measured_cells(
    system: System, layout: Layout, style: IntervalStyle, footnotes: Footnotes
) -> dict[str, Cell]:
    """Cells of one row, without differences and without marks."""
    cells: dict[str, Cell] = {}
    for shown in layout.shown:
        kind = layout.kind(shown)
        result = system.results.get(kind)
        metric = metric_of(result, shown) if result is not None else None
        if metric is not None:
            cells[shown.key] = metric_cell(metric, shown, style, footnotes)
    for kind, failed in system.failed.items():
        key = next((shown.key for shown in layout.shown if layout.kind(shown) == kind), None)
        if key is not None:
            cells[key] = Cell(
                words="failed", marks=(failure_mark(failed, footnotes),) if layout.members else ()
            )
    words = {**layout.words, **{key: word for key, word in system.words.items() if key in layout.words}}
    return cells | {key: Cell(words=word) for key, word in words.items()}


def failure_mark(failed: Failed, footnotes: Footnotes) -> str:
    """Return the mark of the footnote that says why there is no number."""
    return footnotes.mark(f"failed: {failed.reason}")


def attributes(system: System) -> dict[str, str]:
    """Collect what traces a row: its results, and whether they are official, complete and converged."""
    results = list(system.results.values())
    if not results:
        return {"source": "failed"}
    return {
        "source": "measured",
        "result_id": _each(result.result_id for result in results),
        "official": _each(str(bool(result.annotations.get("official", False))).lower() for result in results),
        "converged": _each(str(result.converged).lower() for result in results),
        "videos_used": _each(str(result.coverage.used) for result in results),
        "videos_expected": _each(str(result.coverage.expected) for result in results),
        "missing_counted_as": _each(
            "" if result.coverage.counted_as == "complete" else result.coverage.counted_as for result in results
        ),
    }


def _each(values: Iterable[Any]) -> str:
    """Join what several results of one row have; one value where all have the same."""
    found = list(values)
    return found[0] if len(set(found)) == 1 else " ".join(found)


def unconverged(results: Iterable[tuple[str, Result]]) -> str:
    """Name the fits, by row, whose certificates failed; empty where all hold."""
    rows = []
    for label, result in results:
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
    return (
        f"{coverage.used} of {counted(coverage.expected, 'video')}; {missing} missing, "
        f"counted as {coverage.counted_as}"
    )
