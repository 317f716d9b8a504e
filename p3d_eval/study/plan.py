"""A study's cells with their content keys and their files, and what of them is there already."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore, open_features
from p3d_eval.features.row_names import honest_name
from p3d_eval.files import file_name
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.protocols.result import Result
from p3d_eval.study.content import Judged, evaluation_key, shown
from p3d_eval.study.grid import Evaluation, Extraction, Study
from p3d_eval.study.tasks import EvaluateTask, ExtractTask

FEATURES, RESULTS, EARLIER = "features", "results", ".earlier"


@dataclass(frozen=True)
class Features:
    """A feature file as evaluations see it: its content, its number of videos and those that failed."""

    key: str
    videos: int
    failed: Mapping[str, str]
    provenance: Mapping[str, Any]


def _seen(store: FeatureStore, key: str) -> Features:
    return Features(key, len(store.ids), store.failed, store.provenance)


@dataclass(frozen=True, eq=False)
class PlannedExtraction:
    """An extraction and its file, whose name holds the content's hash."""

    cell: Extraction
    key: str
    task: ExtractTask

    def done(self) -> int:
        """Videos that are settled in the file."""
        if not self.task.out.exists():
            return 0
        store = FeatureStore(self.task.out)
        return len(store.ids) + len(store.failed)

    def features(self) -> Features | None:
        """Return the finished file; None where it is not there or not complete.

        Raises
        ------
        UserError
            When the file is damaged or not this package's.
        """
        if not self.task.out.exists():
            return None
        store = FeatureStore(self.task.out)
        return _seen(store, self.key) if store.complete else None


@dataclass(frozen=True)
class GivenFeatures:
    """A feature file that was made elsewhere."""

    path: Path

    def features(self) -> Features:
        """Return the file.

        Raises
        ------
        UserError
            When it is absent, incomplete or damaged.
        """
        store = open_features(self.path)
        return _seen(store, store.identity)


Source = PlannedExtraction | GivenFeatures


@dataclass(frozen=True)
class PlannedEvaluation:
    """An evaluation, what it judges with, and the feature files that it judges."""

    cell: Evaluation
    judged: Judged
    sources: tuple[Source, ...]
    label: str
    fusion: str | None
    weights: str | None

    def key(self, features: Sequence[Features]) -> str:
        """Return the content's hash."""
        fuses = len(self.sources) > 1
        fusion = (self.fusion or "early") if fuses else None
        pairs = [(one.key, tuple(one.failed)) for one in features]
        return evaluation_key(self.judged, pairs, fusion, self.weights)

    def shown_label(self, features: Sequence[Features]) -> str:
        """Return the label of the row, with what nobody may overlook."""
        label = self.label
        for one in features:
            label = honest_name(label, one.provenance)
        return label

    def task(self, folder: Path, features: Sequence[Features]) -> EvaluateTask:
        """Return the task whose output's name holds the content's hash."""
        option = PROTOCOLS.load(self.cell.protocol).annotation_option
        given = (
            {} if self.judged.annotation is None or option is None else {option.name: self.judged.annotation}
        )
        words = (self.cell.run, self.cell.dataset, self.cell.row, self.cell.point, shown(self.key(features)))
        return EvaluateTask(
            self.cell.protocol,
            self.cell.options,
            tuple(one.task.out if isinstance(one, PlannedExtraction) else one.path for one in self.sources),
            folder / RESULTS / f"{file_name(*words)}.json",
            given,
            self.shown_label(features),
            self.fusion,
            self.weights,
        )


@dataclass(frozen=True)
class Plan:
    """Everything that a run of a study may have to do.

    Parameters
    ----------
    study : Study
    folder : Path
        Where its outputs go.
    extractions : tuple of PlannedExtraction
    evaluations : tuple of PlannedEvaluation
    limit : int, optional
        Videos of each data set in a trial.
    """

    study: Study
    folder: Path
    extractions: tuple[PlannedExtraction, ...]
    evaluations: tuple[PlannedEvaluation, ...]
    limit: int | None = None

    @property
    def command(self) -> str | None:
        """What runs it; None of a study that is no file."""
        study = self.study
        if not (study.base / study.name).is_file():
            return None
        trial = "" if self.limit is None else f" --limit {self.limit}"
        return f"p3d-eval run {shlex.quote(study.name)}{trial}"


def saved_result(path: Path) -> Result | None:
    """Read a result that an earlier run saved; None where it is absent, damaged, or lacks its scores."""
    with suppress(UserError):
        result = Result.load(path)
        if result.scores_file is not None:
            result.load_scores(path)
        return result
    return None
