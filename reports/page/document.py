"""A report and figures to one HTML page that fetches nothing: style, script and data stand in it."""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from p3d_eval import __version__
from p3d_eval.errors import counted
from p3d_eval.markup import plain
from p3d_eval.reports.figures.confusion import Confusion, listed_confusions
from p3d_eval.reports.figures.data import FigureData
from p3d_eval.reports.page.commands import evaluation_command, extraction_commands, page_command
from p3d_eval.reports.page.details import Grid, describe_results

if TYPE_CHECKING:
    from p3d_eval.reports.document import Report

_HERE = "p3d_eval.reports.page"
_SCRIPTS = ("scales.js", "drawing.js", "panel.js", "kinds.js", "figure.js", "tables.js", "start.js")
_CONFUSIONS = 21  # lines of the list of the largest; the last may say how many more there are
_DIGITS = 6  # significant ones of a coordinate: far below a pixel
TITLE = "Transfer of frozen video representations"


@dataclass(frozen=True)
class _PageFigure:
    """One figure as the template sets it."""

    name: str
    data: FigureData
    payload: Markup
    facts: tuple[tuple[str, str], ...]
    series: Grid | None
    confusions: tuple[Confusion, ...]
    more: str


def to_page(
    report: "Report",
    figures: Sequence[FigureData] = (),
    *,
    title: str = TITLE,
    command: str | None = None,
) -> str:
    """Write the page.

    Parameters
    ----------
    report : Report
        Tables, and the results they were made from.
    figures : sequence of FigureData
        Drawn below the tables, in their order.
    title : str
        Heading of the page.
    command : str, optional
        What made the page; by default the command that makes one of the same result files.

    Returns
    -------
    str
        HTML, the same for the same input. Its content security policy forbids every request, and every script
        but its own.
    """
    style, script = _text("assets/page.css"), _script()
    last = command or _own_command(report)
    details = describe_results(report.results)
    page = (
        _environment()
        .get_template("page.html.jinja")
        .render(
            title=title,
            subtitle=f"{_counted(report, figures)}; made by p3d-eval {__version__}",
            version=__version__,
            policy=_policy(style, script),
            style=Markup(style),  # noqa: S704 (the package's own files)
            script=Markup(script),  # noqa: S704
            tables=Markup(report.to_html()),  # noqa: S704 (the format escapes)
            figures=[_figure(place, one) for place, one in enumerate(figures)],
            results=details,
            result_ids={one.result_id for one in details},
            loud=report.loud,
            warnings=_warnings(report),
            command=last,
            steps=_steps(report, last),
        )
    )
    return page.encode(errors="replace").decode()  # half of a surrogate pair is no text of a file


@cache
def _environment() -> Environment:
    templates = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in (files(_HERE) / "templates").iterdir()
        if entry.name.endswith(".jinja")
    }
    return Environment(
        loader=DictLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _text(name: str) -> str:
    return (files(_HERE) / name).read_text(encoding="utf-8")


@cache
def _script() -> str:
    parts = "\n".join(_text(f"assets/{name}") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _policy(style: str, script: str) -> str:
    """Allow this style and this script, pictures that stand in the page, and nothing else."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; script-src {digest(script)}; style-src {digest(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _counted(report: "Report", figures: Sequence[FigureData]) -> str:
    counts = {"result": len(report.results), "table": len(report.tables), "figure": len(figures)}
    return ", ".join(counted(count, noun) for noun, count in counts.items() if count)


def _warnings(report: "Report") -> list[str]:
    """Sentences of results, each with the rows that it is about, and what was left out."""
    rows: dict[str, list[str]] = {}
    for one in report.results:
        for text in one.result.warnings:
            rows.setdefault(text, []).append(one.result.label)
    said = [f"{', '.join(dict.fromkeys(labels))}: {text}" for text, labels in rows.items()]
    return [*said, *report.warnings]


def _steps(report: "Report", last: str | None) -> list[str]:
    """Commands from the videos to this page, each once, in an order that works; none where ``last`` is all."""
    results = [one.result for one in report.results]
    extraction = [command for result in results for command in extraction_commands(result)]
    evaluation = [command for result in results if (command := evaluation_command(result))]
    steps = list(dict.fromkeys([*extraction, *evaluation, *([last] if last else [])]))
    return [] if steps == [last] else steps


def _own_command(report: "Report") -> str | None:
    """Write the command that makes a page of the same files; None where some result was no file."""
    paths = [one.path for one in report.results if one.path is not None]
    if len(paths) < len(report.results):
        return None
    published = any(row.kind == "published" for table in report.tables for row in table.rows)
    return page_command(paths, published)


def _figure(place: int, figure: FigureData) -> _PageFigure:
    found, more = listed_confusions(figure.matrix, _CONFUSIONS) if figure.matrix else ([], "")
    text = json.dumps(_rounded(figure.to_json()), ensure_ascii=False, separators=(",", ":"))
    for character in "<>&":  # so that no text of it can end the script element
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _PageFigure(
        name=f"figure-data-{place}",
        data=figure,
        payload=Markup(text),  # noqa: S704 (escaped above)
        facts=tuple((name, _fact(value)) for name, value in figure.facts.items() if value is not None),
        series=_series_grid(figure),
        confusions=tuple(found),
        more=more,
    )


def _series_grid(figure: FigureData) -> Grid | None:
    """Numbers and words about each series, such as the area under its curve; None where there are none."""
    told = [one for one in figure.series if one.facts]
    keys = list(dict.fromkeys(key for one in told for key in one.facts))
    rows = []
    for one in told:
        values = [one.facts.get(key) for key in keys]
        rows.append((one.name, *("" if value is None else _short(value) for value in values)))
    return Grid("", ("series", *keys), tuple(rows)) if rows else None


def _short(value: float | str) -> float | str:
    """Round a number as facts are written; never minus zero."""
    return float(f"{value:.4g}") + 0.0 if isinstance(value, float) else value


def _fact(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else plain(value)


def _rounded(value: object) -> object:
    """Round every float of a JSON value: a page of 10,000 points has no use for all their digits."""
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return {name: _rounded(one) for name, one in value.items()} if isinstance(value, dict) else value
