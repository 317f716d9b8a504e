"""Accuracy against the number of principal components (P3D paper, Figure 6)."""

from collections.abc import Sequence

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.labelled import Labelled, cautions, lowered, percent, require_one_protocol, spoken

_POINT = "pca"  # option of the variants that are the points of a sweep


def has_sweep(result: Labelled) -> bool:
    """Whether a result has the points of a sweep."""
    return any(_POINT in variant.options for variant in result.result.variants)


def sweep_figure(results: Sequence[Labelled], metric: str | None = None) -> FigureData:
    """Describe the curves of results with a sweep.

    Parameters
    ----------
    results : sequence of Labelled
        Results of one protocol, run with ``--pca``.
    metric : str, optional
        By default the first of the results' metrics.

    Raises
    ------
    UserError
        When a result has no sweep, or results are of several protocols.
    UnknownNameError
        When a result has no such metric.
    """
    protocol = require_one_protocol(results)
    for one in results:
        if not has_sweep(one):
            raise UserError(
                f"{one.loaded.name} has no sweep", f"Run p3d-eval {protocol} again with --pca sweep"
            )
    chosen = metric or next(iter(results[0].result.metrics))
    series = tuple(_curve(one, chosen) for one in results)
    method = results[0].result.metrics[chosen].method
    level = results[0].result.metrics[chosen].level
    interval = () if level is None else (f"Shaded: {percent(level):g} % interval, {method}.",)
    return FigureData(
        kind="sweep",
        title=f"{protocol}: {lowered(spoken(chosen))} by dimension",
        x_label="Dimensions (principal components)",
        y_label=f"{spoken(chosen)} (%)",
        series=series,
        notes=("Dashed: without PCA.", *interval, *cautions(results)),
        sources={one.label: one.result.result_id for one in results},
    )


def _curve(one: Labelled, metric: str) -> Series:
    if metric not in one.result.metrics:
        raise UnknownNameError(f"metric of {one.loaded.name}", metric, one.result.metrics)
    points = sorted(
        (variant.options[_POINT], variant.metrics[metric])
        for variant in one.result.variants
        if _POINT in variant.options and metric in variant.metrics
    )
    return Series(
        name=one.label,
        x=tuple(float(point) for point, _ in points),
        y=tuple(percent(found.value) for _, found in points),
        low=tuple(percent(found.low) for _, found in points),
        high=tuple(percent(found.high) for _, found in points),
        facts={"without PCA": percent(one.result.metrics[metric].value)},
    )
