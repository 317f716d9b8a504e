"""Do what a plan lacks: features first, every protocol as soon as its features are there, side by side."""

import os
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from p3d_eval.errors import UserError, counted
from p3d_eval.protocols.result import scores_path
from p3d_eval.study.plan import (
    EARLIER,
    Features,
    GivenFeatures,
    Plan,
    PlannedEvaluation,
    PlannedExtraction,
    Source,
    saved_result,
)
from p3d_eval.study.screen import Screen
from p3d_eval.study.tasks import EvaluateTask, Event, ExtractTask
from p3d_eval.study.workers import TaskWorker, watch

_POLL_SECONDS = 0.5
_MOST_JOBS = 4  # protocols side by side by default: each holds its features in memory

KEPT, MADE, FAILED = "kept", "made", "failed"


class Cell(Protocol):
    """Something that a study does once: an extraction, an evaluation, or the measurement of a network."""

    @property
    def name(self) -> str:
        """What messages call it."""


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Parameters
    ----------
    cell : Extraction, Evaluation or Profile
    status : {"kept", "made", "failed"}
        Whether it was there before, was made now, or failed.
    path : Path, optional
        Its file.
    label : str
        Of an evaluation's row.
    reason, hint : str
        Why it failed, and what to do.
    failed_videos : mapping of str to str
        Videos of an extraction that gave no features, and why.
    facts : mapping
        Videos and seconds of a cell that was made.
    """

    cell: Cell
    status: str
    path: Path | None = None
    label: str = ""
    reason: str = ""
    hint: str = ""
    failed_videos: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


class _Lane:
    """Processes for one kind of work, started when there is some."""

    def __init__(self, most: int, threads: int | None = None) -> None:
        self.most = most
        self.threads = threads
        self.queue: deque[tuple[Any, Any]] = deque()  # (planned cell, task)
        self.idle: list[TaskWorker] = []
        self.busy: dict[TaskWorker, tuple[Any, Any]] = {}

    def fill(self, begun: Callable[[Any], None]) -> None:
        """Give waiting tasks to processes."""
        while self.queue and len(self.busy) < self.most:
            planned, task = self.queue.popleft()
            worker = self.idle.pop() if self.idle else TaskWorker(self.threads)
            self.busy[worker] = (planned, task)
            begun(planned)
            worker.give(task)

    def close(self) -> None:
        """End all processes."""
        for worker in (*self.idle, *self.busy):
            worker.close()


def default_jobs() -> int:
    """Protocols that run side by side: one for every two cores, four at most."""
    return max(1, min(_MOST_JOBS, _cores() // 2))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class StudyRunner:
    """Run a plan's cells in processes; leaving the context ends them.

    Parameters
    ----------
    plan : Plan
    screen : Screen
        Where stages are shown.
    jobs : int
        Protocols side by side; features are taken one file at a time, with everything the machine has.
    retry : bool
        Try failed videos of complete feature files again.
    """

    def __init__(self, plan: Plan, screen: Screen, jobs: int, retry: bool = False) -> None:
        given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
        threads = int(given) if given.isdecimal() else _cores()
        self._plan = plan
        self._screen = screen
        self._retry = retry
        self._extract = _Lane(1)
        self._evaluate = _Lane(jobs, max(1, threads // jobs))
        self._features: dict[Source, Features | None] = {}  # None: they are not to be had
        self._waiting = list(plan.evaluations)
        self.outcomes: list[Outcome] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._extract.close()
        self._evaluate.close()

    def run(self) -> list[Outcome]:
        """Do everything; return an outcome for every cell, in the study's order."""
        for planned in self._plan.extractions:
            self._begin_extraction(planned)
        for source in {one for cell in self._plan.evaluations for one in cell.sources}:
            if isinstance(source, GivenFeatures):
                self._features[source] = source.features()
        self._queue_evaluations()
        lanes = (self._extract, self._evaluate)
        while any(lane.queue or lane.busy for lane in lanes):
            for lane in lanes:
                lane.fill(lambda planned: self._screen.start(planned.cell.name, planned.cell.name))
            ready = wait([worker.connection for lane in lanes for worker in lane.busy], _POLL_SECONDS)
            for lane in lanes:
                for worker in [worker for worker in lane.busy if worker.connection in ready]:
                    self._hear(lane, worker)
        cells = [one.cell.name for one in self._plan.extractions]
        cells += [one.cell.name for one in self._plan.evaluations]
        return sorted(self.outcomes, key=lambda one: cells.index(one.cell.name))

    def finish(self, task: Any, stage: str, whole: bool = False) -> Event:
        """Perform one more task, in a process that is there where one is; ``whole``: with all threads."""
        lane = self._evaluate if self._evaluate.idle and not whole else self._extract
        if not lane.idle:
            lane.idle.append(TaskWorker())
        return watch(lane.idle[-1], task, self._screen, stage)

    def _begin_extraction(self, planned: PlannedExtraction) -> None:
        try:
            found = planned.features()
        except UserError as error:
            self._settle(
                Outcome(planned.cell, FAILED, planned.task.out, reason=error.message, hint=error.hint or "")
            )
            self._features[planned] = None
            return
        if found is None or (found.failed and self._retry):
            self._extract.queue.append((planned, planned.task))
            return
        self._features[planned] = found
        self._settle(Outcome(planned.cell, KEPT, planned.task.out, failed_videos=found.failed))

    def _queue_evaluations(self) -> None:
        """Begin every evaluation whose features are settled."""
        for planned in list(self._waiting):
            if any(source not in self._features for source in planned.sources):
                continue
            self._waiting.remove(planned)
            features = [self._features[source] for source in planned.sources]
            there = [one for one in features if one is not None]
            if len(there) < len(features):
                self._settle(Outcome(planned.cell, FAILED, label=planned.label, reason="its features failed"))
                continue
            self._begin_evaluation(planned, planned.task(self._plan.folder, there))

    def _begin_evaluation(self, planned: PlannedEvaluation, task: EvaluateTask) -> None:
        bring_back(task.out)
        result = saved_result(task.out)
        if result is None:
            self._evaluate.queue.append((planned, task))
            return
        if result.label != task.label:  # a name in tables, no number depends on it
            replace(result, label=task.label).save(task.out, overwrite=True)
        self._settle(Outcome(planned.cell, KEPT, task.out, task.label))

    def _hear(self, lane: _Lane, worker: TaskWorker) -> None:
        """Take up one event of a process."""
        event = worker.hear()
        planned, task = lane.busy[worker]
        name = planned.cell.name
        if event.kind == "progress":
            self._screen.progress(name, event.done, event.total, event.text)
        elif event.kind == "note":
            self._screen.note(name, event.text)
        else:
            del lane.busy[worker]
            if event.facts.get("died"):
                worker.close()
            else:
                lane.idle.append(worker)
            self._end(planned, task, event)

    def _end(self, planned: Any, task: Any, event: Event) -> None:
        """Note what a task came to, and begin what waited for it."""
        label = getattr(task, "label", "")
        if event.kind == "failed":
            hint = str(event.facts.get("hint", ""))
            outcome = Outcome(planned.cell, FAILED, task.out, label, event.text, hint, facts=event.facts)
            text = f"failed: {event.text}"
        else:
            failed = event.facts.get("failed", {})
            outcome = Outcome(planned.cell, MADE, task.out, label, failed_videos=failed, facts=event.facts)
            text = counted(event.facts["videos"], "video") + (f", {len(failed)} failed" if failed else "")
        self._screen.finish(planned.cell.name, text)
        self._settle(outcome)
        if isinstance(task, ExtractTask):
            self._features[planned] = planned.features() if event.kind == "done" else None
            self._queue_evaluations()

    def _settle(self, outcome: Outcome) -> None:
        """Note what became of a cell."""
        self.outcomes.append(outcome)
        self._screen.count()


def bring_back(path: Path) -> None:
    """Take a result up again that a former version of the study had made."""
    for name in (scores_path(path).name, path.name):
        earlier = path.parent / EARLIER / name
        if earlier.exists() and not (path.parent / name).exists():
            earlier.replace(path.parent / name)


def put_aside(folder: Path, current: set[Path]) -> None:
    """Move results that the study no longer has out of sight of reports, and remove unfinished files."""
    for unfinished in folder.glob(".*.tmp-*"):
        unfinished.unlink(missing_ok=True)
    for path in sorted(set(folder.glob("*.json")) - current):
        (folder / EARLIER).mkdir(exist_ok=True)
        for name in (path.name, scores_path(path).name):
            if (folder / name).exists():
                (folder / name).replace(folder / EARLIER / name)
