"""How long a study will take, and how much disk: networks are measured on one video, protocols scaled."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.study.plan import (
    Features,
    GivenFeatures,
    Plan,
    PlannedEvaluation,
    PlannedExtraction,
    saved_result,
)
from p3d_eval.study.profiling import PlannedProfile, ProfileTask, plan_profiles, predict_profile
from p3d_eval.study.protocol_times import START_SECONDS, Time, kind_of_work, protocol_seconds
from p3d_eval.study.reporting import ReportCell, map_problem
from p3d_eval.study.running import Cell
from p3d_eval.study.screen import Screen
from p3d_eval.study.state import time_name
from p3d_eval.study.tasks import Event, ExtractTask, Task, Tell
from p3d_eval.study.workers import TaskWorker, watch

_FAILS = "fails: "
Reason = tuple[str, str]
"""Why a cell fails, and what to do."""


@dataclass(frozen=True)
class Prediction:
    """What a cell will take.

    Parameters
    ----------
    cell : Extraction, Evaluation, Profile or ReportCell
    state : str
        ``"done"``, ``"to do"``, ``"to go on: 40 of 120 videos"`` or ``"fails: …"``; of the report, which is not
        listed where all is well, what it will lack.
    seconds : float or None
        None where nothing is known; 0 of what is done or fails.
    nbytes : int
        Disk that it needs besides what it has.
    hint : str
        What to do where it fails.
    """

    cell: Cell
    state: str
    seconds: float | None = 0.0
    nbytes: int = 0
    hint: str = ""

    @property
    def failed(self) -> bool:
        """Whether it is known to fail."""
        return self.state.startswith(_FAILS)


@dataclass(frozen=True)
class PredictTask:
    """Load a network and measure it on the first video."""

    task: ExtractTask

    def perform(self, tell: Tell) -> dict[str, Any]:  # noqa: ARG002  (there are no steps)
        """Return the file's bytes and layers, seconds done once and a video, and what evaluations lack."""
        from p3d_eval.study.extracting import plan_task, require_taken, time_first_video

        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            plan, _ = plan_task(replace(self.task, out=Path(folder, "features.h5")))
            once = time.perf_counter() - began
            problems = require_taken(plan, self.task.takers)
            set_up, seconds = time_first_video(plan, Path(folder))
        missing = {name: (problem.message, problem.hint or "") for name, problem in problems.items()}
        return {
            "bytes": plan.nbytes,
            "layers": tuple(plan.store.layers),
            "once": once + set_up,
            "seconds": seconds,
            "missing": missing,
        }


@dataclass(frozen=True)
class PredictProfileTask:
    """Load a network and time one clip in each precision that is to be measured."""

    task: ProfileTask

    def perform(self, tell: Tell) -> dict[str, Any]:  # noqa: ARG002  (there are no steps)
        """Return the seconds of the whole measurement."""
        return {"seconds": predict_profile(self.task)}


def predict(plan: Plan, times: Mapping[str, Time], quiet: bool = False) -> Iterator[Prediction]:
    """Predict every cell, extractions first; nothing is written into the study's folder.

    Parameters
    ----------
    plan : Plan
    times : mapping of str to (float, int)
        Seconds and videos of protocols in an earlier run (`p3d_eval.study.state.State.times`).
    quiet : bool
        Show no progress.
    """
    reasons: dict[str, Reason] = {}  # why a cell fails that depends on an extraction, by its name or its file
    layers: dict[Path, tuple[str, ...]] = {}  # of the files that will be there
    profiles = plan_profiles(plan)
    total = len(plan.extractions) + len(profiles)
    with Screen("predict", total, quiet) as screen, Measurer(screen) as measurer:
        for extraction in plan.extractions:
            found, missing, stored = _extraction(extraction, measurer)
            reasons |= missing
            layers[extraction.task.out] = stored
            if found.failed:
                reasons[str(extraction.task.out)] = (f"{found.cell.name} fails", "")
            yield found
            screen.count()
        start = START_SECONDS  # of a process that then does one evaluation after the other
        for evaluation in plan.evaluations:
            found = _evaluation(evaluation, plan, times, reasons)
            if found.seconds:
                found, start = replace(found, seconds=found.seconds + start), 0.0
            yield found
        for profile in profiles:
            yield _profile(profile, measurer)
            screen.count()
    problem = map_problem(plan, layers)
    if problem is not None:
        yield Prediction(ReportCell(), problem.message, hint=problem.hint or "")


class Measurer:
    """A process that measures one network after the other, started when the first one wants it.

    Parameters
    ----------
    screen : Screen
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._worker: TaskWorker | None = None

    def __enter__(self) -> Self:
        return self

    def measure(self, name: str, task: Task) -> Event:
        """Perform a task; return how it ended."""
        self._screen.start(name, name)
        self._worker = self._worker or TaskWorker()
        event = watch(self._worker, task, self._screen, name)
        if event.facts.get("died"):
            self.close()
        self._screen.finish(name, "done" if event.kind == "done" else f"{_FAILS}{event.text}")
        return event

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process; the next task starts another."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def _extraction(
    planned: PlannedExtraction, measurer: Measurer
) -> tuple[Prediction, Mapping[str, Reason], tuple[str, ...]]:
    """Predict an extraction; say which evaluations will not find their layers, and why; give its layers."""
    try:
        if planned.features() is not None:
            return Prediction(planned.cell, "done"), {}, tuple(FeatureStore(planned.task.out).layers)
        done = planned.done()
    except UserError as error:
        return _failing(planned.cell, error.message, error.hint), {}, ()
    event = measurer.measure(f"measure: {planned.cell.name}", PredictTask(planned.task))
    if event.kind == "failed":
        return _failing(planned.cell, event.text, event.facts.get("hint")), {}, ()
    total = len(planned.task.videos)
    seconds = event.facts["once"] + (total - done) * event.facts["seconds"]
    state, nbytes = (f"to go on: {done} of {total} videos", 0) if done else ("to do", event.facts["bytes"])
    return Prediction(planned.cell, state, seconds, nbytes), event.facts["missing"], event.facts["layers"]


def _evaluation(
    planned: PlannedEvaluation, plan: Plan, times: Mapping[str, Time], reasons: Mapping[str, Reason]
) -> Prediction:
    if planned.cell.name in reasons:
        return _failing(planned.cell, *reasons[planned.cell.name])
    found: list[Features] = []
    videos = 0
    for source in planned.sources:
        if not isinstance(source, GivenFeatures):
            if str(source.task.out) in reasons:
                return _failing(planned.cell, *reasons[str(source.task.out)])
            videos = max(videos, len(source.task.videos))
        try:
            features = source.features()
        except UserError as error:
            return _failing(planned.cell, error.message, error.hint)
        if features is not None:
            found.append(features)
            videos = max(videos, features.videos)
    if len(found) == len(planned.sources) and saved_result(planned.task(plan.folder, found).out) is not None:
        return Prediction(planned.cell, "done")
    kind = kind_of_work(planned.cell.protocol, planned.cell.options)
    seconds = protocol_seconds(kind, videos, times.get(time_name(planned.cell)))
    return Prediction(planned.cell, "to do", seconds)


def _profile(planned: PlannedProfile, measurer: Measurer) -> Prediction:
    """Predict a measurement, which also shows whether its network can be had."""
    if saved_result(planned.task.out) is not None:
        return Prediction(planned.cell, "done")
    event = measurer.measure(f"measure: {planned.cell.name}", PredictProfileTask(planned.task))
    if event.kind == "failed":
        return _failing(planned.cell, event.text, event.facts.get("hint"))
    return Prediction(planned.cell, "to do", event.facts["seconds"])


def _failing(cell: Cell, reason: str, hint: str | None = None) -> Prediction:
    return Prediction(cell, f"{_FAILS}{reason}", hint=hint or "")
