"""What a study reports: from which results, failures and features, under which names."""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from p3d_eval.errors import UserError, did_you_mean
from p3d_eval.features import open_features
from p3d_eval.provenance import sha256_file
from p3d_eval.reports.failed import Failed
from p3d_eval.reports.pdf import PDFLATEX
from p3d_eval.study.grid import Extraction
from p3d_eval.study.maps import MAPS, MOST_PANELS, Map
from p3d_eval.study.plan import GivenFeatures, Plan
from p3d_eval.study.profiling import PROFILE
from p3d_eval.study.running import FAILED, Outcome
from p3d_eval.study.settings import ReportSettings
from p3d_eval.study.tasks import Tell

REPORT, FIGURES, PAGE = "report", "figures", "report.html"


@dataclass(frozen=True)
class ReportCell:
    """The report, as a dry run lists it."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return REPORT


@dataclass(frozen=True)
class ReportTask:
    """Write the report of a study.

    Parameters
    ----------
    folder : Path
        Where the report goes; what is there is removed first.
    results : tuple of Path
        Result files, in the study's order.
    failures : tuple of Failed
        Evaluations that failed.
    settings : ReportSettings
    title : str
        Of the page.
    command : str or None
        What makes the report, for whoever reads the page.
    maps : tuple of Map
        Maps of features by t-SNE.
    """

    folder: Path
    results: tuple[Path, ...]
    failures: tuple[Failed, ...]
    settings: ReportSettings
    title: str
    command: str | None
    maps: tuple[Map, ...] = ()

    @property
    def content(self) -> dict[str, Any]:
        """Everything that the report depends on."""
        return {
            "results": [[path.name, sha256_file(path)] for path in self.results],
            "failures": [asdict(one) for one in self.failures],
            "settings": asdict(self.settings),
            "title": self.title,
            "maps": [[one.name, [label for label, _ in one.rows], one.key] for one in self.maps],
            "tex": shutil.which(PDFLATEX) is not None,
        }

    def perform(self, tell: Tell) -> dict[str, Any]:
        """Write everything; figures and the page are loaded by the process that writes them."""
        from p3d_eval.study.writing import write_report

        write_report(self, tell)
        return {}


def plan_report(plan: Plan, folder: Path, paths: tuple[Path, ...], outcomes: Sequence[Outcome]) -> ReportTask:
    """Say what a study reports.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Where to write.
    paths : tuple of Path
        Results.
    outcomes : sequence of Outcome
        What became of each cell.
    """
    settings = plan.study.report
    title = settings.title or Path(plan.study.name).stem
    maps = _maps(plan, outcomes) if settings.figures and settings.tsne_videos else ()
    return ReportTask(folder, paths, _failures(outcomes), settings, title, plan.command, maps)


def map_problem(plan: Plan, layers: Mapping[Path, Collection[str]]) -> UserError | None:
    """Say why no map by t-SNE will be drawn; None where one will, or none is asked for, or nothing is known.

    Parameters
    ----------
    plan : Plan
    layers : mapping of Path to collection of str
        Layers of each feature file that the study makes.
    """
    settings = plan.study.report
    if not (settings.figures and settings.tsne_videos):
        return None
    stored: set[str] = set()
    for source in (one.sources[0] for one in plan.evaluations if len(one.sources) == 1):
        if isinstance(source, GivenFeatures):
            stored.update(open_features(source.path).layers)
        else:
            stored.update(layers[source.task.out])
    if settings.tsne_layer in stored or not stored:
        return None
    guess = did_you_mean(settings.tsne_layer, stored)
    return UserError(
        f"no map: no feature file will have the layer {settings.tsne_layer!r} (tsne_layer)",
        f"{guess}Stored: {', '.join(sorted(stored))}. Name one as tsne_layer, or write tsne_videos = 0",
    )


def _maps(plan: Plan, outcomes: Sequence[Outcome]) -> tuple[Map, ...]:
    """Plan a map of each data set: its finished feature files, as the tables call them."""
    settings = plan.study.report
    there = {one.path for one in outcomes if isinstance(one.cell, Extraction) and one.status != FAILED}
    panels: dict[str, dict[Path, str]] = {}
    for planned in plan.evaluations:
        source = planned.sources[0]
        path = source.path if isinstance(source, GivenFeatures) else source.task.out
        if len(planned.sources) > 1 or (path not in there and not isinstance(source, GivenFeatures)):
            continue
        features = source.features()
        if features is not None and settings.tsne_layer in open_features(path):
            panels.setdefault(planned.cell.dataset, {})[path] = planned.shown_label([features])
    found = []
    for dataset, rows in panels.items():
        videos = plan.study.datasets[dataset].videos
        named = tuple((label, path) for path, label in rows.items())[:MOST_PANELS]
        source_of = None if videos is None else plan.study.base / Path(videos).expanduser()
        found.append(Map(dataset, named, settings, plan.folder / MAPS, source_of))
    return tuple(found)


def _failures(outcomes: Sequence[Outcome]) -> tuple[Failed, ...]:
    return tuple(
        Failed(getattr(one.cell, "protocol", PROFILE), _row(one), one.reason)
        for one in outcomes
        if not isinstance(one.cell, Extraction) and one.status == FAILED
    )


def _row(outcome: Outcome) -> str:
    point = getattr(outcome.cell, "point", "")
    return f"{outcome.label} ({point})" if point else outcome.label
