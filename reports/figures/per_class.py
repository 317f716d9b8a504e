"""The classes of one or several networks side by side."""

from collections.abc import Mapping, Sequence

from p3d_eval.errors import UserError, counted
from p3d_eval.protocols.result import Metric, Result
from p3d_eval.reports.figures.data import FigureData, Series
from p3d_eval.reports.figures.labelled import Labelled, cautions, lowered, percent, require_one_protocol

Table = Mapping[str, Metric]


def per_class_figure(results: Sequence[Labelled], most: int | None = None) -> FigureData:
    """Describe the value of each class in each result.

    Classes are ordered by the second result minus the first, or by value where there is one result.

    Parameters
    ----------
    results : sequence of Labelled
        Results of one protocol with values of single classes.
    most : int, optional
        Show that many classes only: those that differ most, or of one result the lowest.

    Raises
    ------
    UserError
        When a result has no values of single classes, the results share no class, or ``most`` is not positive.
    """
    protocol = require_one_protocol(results)
    if most is not None and most < 1:
        raise UserError(f"{most} classes to show", "Ask for at least 1")
    for one in results:
        if not one.result.per_class:
            raise UserError(
                f"{one.loaded.name}: protocol {protocol} gives no values of single classes",
                "ucf101, hmdb51, activitynet and retrieval give them",
            )
    tables = [one.result.per_class for one in results]
    classes = [name for name in tables[0] if all(_defined(table, name) for table in tables)]
    if not classes:
        raise UserError(f"{results[0].loaded.name} and {results[-1].loaded.name} have no class in common")
    kept = _ordered(classes, tables, most)
    left_out = len({name for table in tables for name in table}) - len(kept)
    what = _measure(results[0].result)
    order = f"{results[1].label} minus {results[0].label}" if len(results) > 1 else "their value"
    return FigureData(
        kind="per-class",
        title=f"{protocol}: {lowered(what)} of each class",
        x_label=f"{what} (%)",
        y_label="Class",
        series=tuple(_bars(one, kept, classes) for one in results),
        facts={"classes": float(len(kept)), "classes left out": float(left_out)},
        notes=(
            f"Classes in the order of {order}.",
            *([f"Not shown: {counted(left_out, 'class', 'classes')}."] if left_out else []),
            *cautions(results),
        ),
        sources={one.label: one.result.result_id for one in results},
    )


def _measure(result: Result) -> str:
    """Name what a protocol gives for each class."""
    if "r1" in result.metrics:
        return "R@1"
    return "Average precision" if "map" in result.metrics else "Accuracy"


def _defined(table: Table, name: str) -> bool:
    return name in table and table[name].value is not None


def _ordered(classes: Sequence[str], tables: Sequence[Table], most: int | None) -> list[str]:
    """Order classes by difference, or value, and keep the extreme ones."""

    def key(name: str) -> float:
        values = [table[name].value or 0.0 for table in tables]
        return values[1] - values[0] if len(values) > 1 else values[0]

    ordered = sorted(classes, key=lambda name: (key(name), name))
    if most is None or most >= len(ordered):
        return ordered
    if len(tables) == 1:
        return ordered[:most]
    chosen = set(sorted(ordered, key=lambda name: (-abs(key(name)), name))[:most])
    return [name for name in ordered if name in chosen]


def _bars(one: Labelled, classes: Sequence[str], all_classes: Sequence[str]) -> Series:
    """Give the bars of the classes shown, and the mean of all."""
    metrics = [one.result.per_class[name] for name in classes]
    everything = [percent(one.result.per_class[name].value) or 0.0 for name in all_classes]
    values = tuple(percent(metric.value) for metric in metrics)
    return Series(
        name=one.label,
        x=tuple(float(place) for place in range(len(classes))),
        y=values,
        low=tuple(percent(metric.low) for metric in metrics),
        high=tuple(percent(metric.high) for metric in metrics),
        classes=tuple(classes),
        facts={"mean of all classes": sum(everything) / len(everything)},
    )
