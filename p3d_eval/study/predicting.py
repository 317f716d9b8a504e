"""How long a study will take, and how much disk: measured on one video, or noted from an earlier run."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from p3d_eval.errors import UserError
from p3d_eval.study.plan import (
    Features,
    GivenFeatures,
    Plan,
    PlannedEvaluation,
    PlannedExtraction,
    saved_result,
)
from p3d_eval.study.profiling import plan_profiles
from p3d_eval.study.running import Cell
from p3d_eval.study.screen import Screen
from p3d_eval.study.state import speed_name
from p3d_eval.study.tasks import Event, ExtractTask, Tell
from p3d_eval.study.workers import TaskWorker, watch

# Seconds and videos of whole protocols on two AMD EPYC cores (docs/performance.md, "Whole protocols").
_MEASURED = {
    "ucf101": (16.0, 13_320),
    "hmdb51": (7.0, 6_766),
    "activitynet": (17.0, 14_950),
    "kinetics400": (5.5, 19_906),
    "yupenn": (4.5, 420),
    "dynamic-scenes": (3.6, 130),
    "aslan": (13.0, 3_697),
}
_FAILS = "fails: "
_START_SECONDS = 3.0  # imports; "about 3 s of each row are imports", the same page


@dataclass(frozen=True)
class Prediction:
    """What a cell will take.

    Parameters
    ----------
    cell : Extraction, Evaluation or Profile
    state : str
        ``"done"``, ``"to do"``, ``"to go on: 40 of 120 videos"`` or ``"fails: …"``.
    seconds : float or None
        None where nothing is known.
    nbytes : int
        Disk that it needs besides what it has.
    """

    cell: Cell
    state: str
    seconds: float | None = 0.0
    nbytes: int = 0

    @property
    def failed(self) -> bool:
        """Whether it is known to fail."""
        return self.state.startswith(_FAILS)


@dataclass(frozen=True)
class PredictTask:
    """Load a network and measure it on the first video.

    Parameters
    ----------
    task : ExtractTask
    timed : bool
        Whether to measure; otherwise only the size is found.
    """

    task: ExtractTask
    timed: bool

    def perform(self, tell: Tell) -> dict[str, Any]:  # noqa: ARG002  (there are no steps)
        """Return bytes of the file and seconds a video."""
        from p3d_eval.study.extracting import plan_task, seconds_per_video

        with tempfile.TemporaryDirectory() as folder:
            plan, _ = plan_task(replace(self.task, out=Path(folder, "features.h5")))
            seconds = seconds_per_video(plan, Path(folder)) if self.timed else 0.0
        return {"bytes": plan.nbytes, "seconds": seconds}


def predict(plan: Plan, speeds: Mapping[str, float], quiet: bool = False) -> Iterator[Prediction]:
    """Predict every cell, extractions first; nothing is written into the study's folder.

    Parameters
    ----------
    plan : Plan
    speeds : mapping of str to float
        Seconds a video of earlier runs (`p3d_eval.study.state.State.speeds`).
    quiet : bool
        Show no progress.
    """
    with Screen("predict", len(plan.extractions), quiet) as screen, Measurer(screen) as measurer:
        for extraction in plan.extractions:
            yield _extraction(extraction, speeds, measurer)
            screen.count()
    for evaluation in plan.evaluations:
        yield _evaluation(evaluation, plan, speeds)
    for profile in plan_profiles(plan):
        known = saved_result(profile.task.out) is not None
        yield Prediction(profile.cell, "done") if known else Prediction(profile.cell, "to do", None)


class Measurer:
    """A process that measures one extraction after the other, started when the first one wants it.

    Parameters
    ----------
    screen : Screen
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._worker: TaskWorker | None = None

    def __enter__(self) -> Self:
        return self

    def measure(self, planned: PlannedExtraction, timed: bool) -> Event:
        """Return the bytes and, if ``timed``, the seconds of a video."""
        name = f"measure: {planned.cell.name}"
        self._screen.start(name, name)
        self._worker = self._worker or TaskWorker()
        event = watch(self._worker, PredictTask(planned.task, timed), self._screen, name)
        if event.facts.get("died"):
            self.__exit__(None, None, None)
        self._screen.finish(name, "done" if event.kind == "done" else f"{_FAILS}{event.text}")
        return event

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def _extraction(planned: PlannedExtraction, speeds: Mapping[str, float], measurer: Measurer) -> Prediction:
    try:
        if planned.features() is not None:
            return Prediction(planned.cell, "done")
        done = planned.done()
    except UserError as error:
        return Prediction(planned.cell, f"{_FAILS}{error.message}", None)
    known = speeds.get(speed_name(planned.cell))
    event = measurer.measure(planned, known is None)
    if event.kind == "failed":
        return Prediction(planned.cell, f"{_FAILS}{event.text}", None)
    total = len(planned.task.videos)
    seconds = (total - done) * (event.facts["seconds"] if known is None else known)
    if done:
        return Prediction(planned.cell, f"to go on: {done} of {total} videos", seconds)
    return Prediction(planned.cell, "to do", seconds, event.facts["bytes"])


def _evaluation(planned: PlannedEvaluation, plan: Plan, speeds: Mapping[str, float]) -> Prediction:
    found: list[Features] = []
    videos = 0
    for source in planned.sources:
        features = None
        try:
            features = source.features()
        except UserError as error:
            return Prediction(planned.cell, f"{_FAILS}{error.message}", None)
        found += [features] if features is not None else []
        videos = max(videos, 0 if isinstance(source, GivenFeatures) else len(source.task.videos))
    if len(found) == len(planned.sources) and saved_result(planned.task(plan.folder, found).out) is not None:
        return Prediction(planned.cell, "done")
    return Prediction(planned.cell, "to do", _protocol_seconds(planned.cell.protocol, videos, speeds))


def _protocol_seconds(protocol: str, videos: int, speeds: Mapping[str, float]) -> float | None:
    """Scale the time of an earlier run, or of the measured whole protocol, with the number of videos."""
    if protocol in speeds:
        return _START_SECONDS + speeds[protocol] * videos
    if protocol not in _MEASURED:
        return None
    seconds, measured = _MEASURED[protocol]
    return _START_SECONDS + (seconds - _START_SECONDS) * videos / measured
