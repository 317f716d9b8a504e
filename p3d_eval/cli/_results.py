"""How a protocol's result is printed in the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from p3d_eval.cli._shared import console, print_whole
from p3d_eval.errors import counted
from p3d_eval.printable import for_terminal

if TYPE_CHECKING:
    from p3d_eval.protocols.result import Metric, Result

_SHOWN_MISSING = 5
_FEW_SPLITS = 5  # more are shown without their intervals
_FEW_COLUMNS = 3  # with more, intervals stand below the table
_UNDEFINED = "–"
_IN_GRID = {"similarity", "layer"}  # options of variants that are shown as a table of their own
_HEADINGS = {"auc": "AUC", "auc_mean_of_folds": "mean AUC"}


def percent(metric: "Metric", interval: bool = True) -> str:
    """Format a metric in percent: with its standard error or its interval, where it has one."""
    if metric.value is None:
        return f"– ({metric.reason})"
    text = f"{100 * metric.value:.2f}"
    if not interval:
        return text
    if metric.standard_error is not None:
        return f"{text} ± {100 * metric.standard_error:.2f}"
    if metric.low is not None and metric.high is not None:
        return f"{text} [{100 * metric.low:.2f}, {100 * metric.high:.2f}]"
    return text


def _cell(metric: "Metric", interval: bool = True) -> str:
    """Format a metric for a table, where an undefined one takes no more room than a dash."""
    return _UNDEFINED if metric.value is None else percent(metric, interval)


def _brief(metric: "Metric") -> str:
    """Format a metric with its standard error alone."""
    return _cell(metric, interval=metric.standard_error is not None)


def _undefined(result: "Result") -> list[str]:
    """Say why each dash of the table is there; equal reasons in one line."""
    places: dict[str, list[str]] = {}
    named = [
        ("all", result.metrics),
        *((split.name, split.metrics) for split in result.splits),
        *((variant.name, variant.metrics) for variant in result.variants),
    ]
    for place, metrics in named:
        for name, metric in metrics.items():
            if metric.value is None:
                places.setdefault(f"{name}: {metric.reason}", []).append(place)
    return [f"{_UNDEFINED} {reason} ({', '.join(where)})" for reason, where in places.items()]


def print_result(result: "Result", path: Path) -> None:
    """Print splits, headline, variants, choices, warnings and sources of a result saved at ``path``."""
    screen = console()
    print_whole(_table(result))
    grid = _grid(result)
    if grid is not None:
        print_whole(grid)
    for line in _undefined(result):
        screen.print(line, style="bold red", markup=False)
    for name, metric in result.metrics.items():
        if metric.method:
            shown = f" {percent(metric)}," if len(result.metrics) > _FEW_COLUMNS else ""
            line = f"{name}:{shown} {metric.method}; n = {metric.n} {metric.unit}"
            screen.print(line, style="dim", markup=False)
    screen.print("Choices", style="bold")
    for choice in result.choices:
        screen.print(f"  {choice}", markup=False)
    for warning in result.warnings:
        screen.print(f"warning: {warning}", style="bold red", markup=False)
    _print_sources(result, path)


def _table(result: "Result") -> object:
    """Build the table: a row for each split, the headline, then the variants."""
    from rich.markup import escape
    from rich.table import Table

    shown = [name for name in result.metrics if any(name in split.metrics for split in result.splits)]
    columns = [*shown, *(name for name in result.metrics if name not in shown)]
    table = Table(
        title=escape(for_terminal(f"{result.protocol} · {result.label} (in %)")),
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
    )
    for heading in ("", *columns, "train", "test"):
        justify: Literal["left", "right"] = "right" if heading else "left"
        table.add_column(_HEADINGS.get(heading, heading), justify=justify, no_wrap=True)
    kind = "fold" if any(metric.unit == "folds" for metric in result.metrics.values()) else "split"
    narrow = len(columns) > _FEW_COLUMNS
    few = len(result.splits) <= _FEW_SPLITS and not narrow
    for split in result.splits:
        cells = [_cell(split.metrics[name], few) if name in split.metrics else "" for name in columns]
        table.add_row(escape(f"{kind} {split.name}"), *cells, str(split.n_train), str(split.n_test))
    table.add_section()
    table.add_row("all", *(_cell(result.metrics[name], not narrow) for name in columns), "", "", style="bold")
    for variant in result.variants:
        if set(variant.options) >= _IN_GRID:
            continue
        cells = [_brief(variant.metrics[name]) if name in variant.metrics else "" for name in columns]
        mark = " *" if variant.headline else ""
        table.add_row(escape(f"  {variant.name}{mark}"), *cells, "", "", style="dim")
    return table


def _grid(result: "Result") -> object | None:
    """Build the table of single similarities and layers, accuracy (AUC); None where there are none."""
    from rich.markup import escape
    from rich.table import Table

    cells = {
        (str(one.options["similarity"]), str(one.options["layer"])): one.metrics
        for one in result.variants
        if set(one.options) >= _IN_GRID
    }
    if not cells:
        return None
    similarities, layers = (tuple(dict.fromkeys(key[place] for key in cells)) for place in (0, 1))
    table = Table(
        title="accuracy (AUC) of single similarities and layers", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("", no_wrap=True)
    for layer in layers:
        table.add_column(escape(layer), justify="right", no_wrap=True)
    for similarity in similarities:
        shown = [cells.get((similarity, layer)) for layer in layers]
        texts = [f"{_brief(one['accuracy'])} ({_cell(one['auc'], False)})" if one else "" for one in shown]
        table.add_row(escape(similarity), *texts)
    return table


def _print_sources(result: "Result", path: Path) -> None:
    """Print coverage, annotations, certificates and where the result was saved."""
    screen = console()
    coverage = result.coverage
    line = f"Coverage: {coverage.used} of {counted(coverage.expected, 'video')}"
    if coverage.missing:
        names = ", ".join(coverage.missing[:_SHOWN_MISSING])
        more = len(coverage.missing) - _SHOWN_MISSING
        line += f"; missing ones are counted as {coverage.counted_as}: {names}"
        line += f" … and {more} more" if more > 0 else ""
        screen.print(line, style="bold red", markup=False)
    else:
        screen.print(line, markup=False)
    source = result.annotations
    official = "official" if source.get("official") else "not the official ones or not complete"
    why = "; ".join(source.get("deviations", ()))
    digest = str(source.get("sha256"))[:12]
    screen.print(
        f"Annotations: {source.get('source')} (SHA-256 {digest}…, {official}{': ' + why if why else ''})",
        markup=False,
    )
    if result.certificates:
        worst = max(result.certificates, key=lambda one: (not one.converged, one.relative_gap))
        fits = counted(len(result.certificates), "fit")
        screen.print(
            f"Solver: {fits}, largest {worst.measure} {worst.relative_gap:.1e} "
            f"(at most {worst.tolerance:.0e} wanted) – {'converged' if result.converged else 'NOT CONVERGED'}",
            style=None if result.converged else "bold red",
            markup=False,
        )
    spent = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result.seconds.items())
    screen.print(f"Time: {spent}", style="dim", markup=False)
    screen.print(f"Result: {path}", markup=False)
