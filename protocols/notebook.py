"""Results and comparisons as a notebook shows them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from p3d_eval.markup import facts, folded, fragment, grid, warnings

if TYPE_CHECKING:
    from p3d_eval.protocols.result import Metric, Result
    from p3d_eval.protocols.significance import ComparisonReport

_PERCENT = 100.0
_UNDEFINED = "–"
_COUNTED = {"profile"}  # protocols whose numbers are counts, bytes and rates


def scale_of(protocol: str) -> tuple[float, str]:
    """Return the factor and the unit that numbers of a protocol are shown with: 100 and % for fractions."""
    return (1.0, "") if protocol in _COUNTED else (_PERCENT, "%")


def result_html(result: "Result") -> str:
    """Show the numbers of a result with their intervals, then what must be known, then its sources, folded."""
    coverage = result.coverage
    unsound = [] if result.converged else ["NOT CONVERGED, do not quote: a solver missed its tolerance."]
    reasons = [
        f"{name} is undefined: {metric.reason}"
        for name, metric in result.metrics.items()
        if metric.value is None
    ]
    sources = {
        "videos": f"{coverage.used} of {coverage.expected}"
        + (f", missing ones counted as {coverage.counted_as}" if coverage.missing else ""),
        "features": result.features.get("file"),
        "weights": result.features.get("weights"),
        "annotations": f"{result.annotations.get('source')} (SHA-256 {result.annotations.get('sha256')})",
        "result id": result.result_id,
        "made": result.created,
    }
    shown = scale_of(result.protocol)
    return fragment(
        f"{result.protocol}: {result.label}",
        _metric_grid(result.metrics, *shown),
        warnings(
            [*unsound, *reasons, *(text for text in result.warnings if not text.startswith("NOT CONVERGED"))]
        ),
        folded("Splits", _rows({split.name: split.metrics for split in result.splits}, *shown)),
        folded(
            "Other choices",
            _rows({one.name: one.metrics for one in result.variants if not one.headline}, *shown),
        ),
        folded("Classes", _rows({name: {"": metric} for name, metric in result.per_class.items()}, *shown)),
        folded("Options", facts(result.options)),
        folded("Choices where the sources are silent", grid(("",), [(text,) for text in result.choices])),
        folded("Sources", facts(sources)),
    )


def comparison_html(report: "ComparisonReport") -> str:
    """Show each pair of systems: both values, the difference with its interval, p, and the sentence."""
    several = len(report.comparisons) > 1
    columns = ("first", "%", "second", "%", "difference", "interval", "p", *(["p (Holm)"] if several else []))
    how = {f"{one.test} over {one.units}": f"{one.how}; {one.difference.method}" for one in report.comparisons}
    return fragment(
        f"{report.protocol}: {report.metric}, {report.trials} trials",
        grid(columns, report.rows),
        warnings(report.warnings),
        grid(("what it means",), [(one.sentence,) for one in report.comparisons]),
        folded("How it was tested", facts({**how, "results": report.results, "seed": report.seed})),
    )


def _number(value: float | None, factor: float = _PERCENT) -> str:
    if value is None:
        return _UNDEFINED
    return f"{factor * value:.2f}" if factor == _PERCENT else f"{factor * value:.6g}"


def _metric_grid(metrics: Mapping[str, "Metric"], factor: float, unit: str) -> str:
    columns = ("", unit or "value", "interval", "± standard error", "how", "n")
    rows = [
        (
            name.replace("_", " "),
            _number(metric.value, factor),
            "" if metric.low is None else f"{_number(metric.low, factor)} to {_number(metric.high, factor)}",
            "" if metric.standard_error is None else _number(metric.standard_error, factor),
            metric.method or "",
            "" if metric.n is None else f"{metric.n} {metric.unit}",
        )
        for name, metric in metrics.items()
    ]
    return grid(columns, rows)


def _rows(named: Mapping[str, Mapping[str, "Metric"]], factor: float, unit: str) -> str:
    """One row a name, one column a metric; nothing where there are no names."""
    keys = list(dict.fromkeys(key for metrics in named.values() for key in metrics))
    rows = [
        (name, *(_number(metrics[key].value, factor) if key in metrics else "" for key in keys))
        for name, metrics in named.items()
    ]
    return grid(("", *(f"{key.replace('_', ' ')} {unit}".strip() for key in keys)), rows) if rows else ""
