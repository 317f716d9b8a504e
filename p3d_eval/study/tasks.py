"""What a study's processes do: take features, run a protocol, write the report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from p3d_eval.features.ids import VideoFile
from p3d_eval.progress import Progress
from p3d_eval.study.settings import ExtractSettings

Tell = Callable[["Event"], None]


@dataclass(frozen=True)
class Event:
    """Something that a process says of its task.

    Parameters
    ----------
    kind : {"progress", "note", "done", "failed"}
        What it is.
    text : str
        What is counted, a line for the user, or why the task failed.
    done, total : int
        Steps so far, and of all.
    facts : mapping
        Of a task that is done.
    """

    kind: str
    text: str = ""
    done: int = 0
    total: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


class ToldProgress(Progress):
    """A progress that is told to another process instead of being shown."""

    def __init__(self, description: str, total: int, unit: str, tell: Tell, done: int = 0) -> None:
        super().__init__(description, total, unit, quiet=True, done=done)
        self._tell = tell
        self._say()

    def _say(self) -> None:
        self._tell(Event("progress", self.unit, self.done, self.total))

    def advance(self, steps: int = 1) -> None:
        """Count ``steps`` as done."""
        super().advance(steps)
        self._say()

    def note(self, text: str) -> None:
        """Tell a line for the user."""
        self._tell(Event("note", text))


@dataclass(frozen=True)
class ExtractTask:
    """Take features of videos, or go on where an earlier process stopped.

    Parameters
    ----------
    backbone, weights, options
        As ``load_backbone`` takes them.
    extract : ExtractSettings
    videos : tuple of VideoFile
    out : Path
        The feature file.
    takers : mapping of str to (tuple of str or None)
        Evaluation → the layers that it takes of the file (`p3d_eval.study.layers`).
    """

    backbone: str
    weights: str | None
    options: Mapping[str, Any]
    extract: ExtractSettings
    videos: tuple[VideoFile, ...]
    out: Path
    takers: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)

    def perform(self, tell: Tell) -> dict[str, Any]:
        """Extract; return the number of new videos, and those that failed."""
        from p3d_eval.features.extractor import run_extraction
        from p3d_eval.study.extracting import plan_task, require_taken

        plan, engine = plan_task(self)
        for problem in require_taken(plan, self.takers).values():
            tell(Event("note", problem.message))
        if engine.notice:
            tell(Event("note", engine.notice))
        summary = run_extraction(
            plan,
            lambda total, done: ToldProgress("extract", total, "videos", tell, done),
            lambda total, done: ToldProgress("count frames", total, "videos counted", tell, done),
            engine,
        )
        return {"videos": summary.expected - summary.skipped, "failed": dict(summary.failed)}


@dataclass(frozen=True)
class EvaluateTask:
    """Run a protocol on features and save its result.

    Parameters
    ----------
    protocol : str
    options : mapping
        Of the protocol.
    features : tuple of Path
        One file, or several that are fused.
    out : Path
        The result.
    annotations : mapping of str to str
        The option that names annotations, and the path; empty where they are found elsewhere.
    label : str
        Of the row.
    fusion, weights : str, optional
        How several files are fused.
    """

    protocol: str
    options: Mapping[str, Any]
    features: tuple[Path, ...]
    out: Path
    annotations: Mapping[str, str]
    label: str
    fusion: str | None = None
    weights: str | None = None

    def perform(self, tell: Tell) -> dict[str, Any]:  # noqa: ARG002  (protocols count no steps)
        """Evaluate; return the seconds, the number of videos that were judged, and of those in the files."""
        from p3d_eval.features import open_features
        from p3d_eval.protocols.evaluation import evaluate

        result = evaluate(
            self.protocol,
            list(self.features),
            self.out,
            overwrite=True,  # the name holds the content's hash: the scores of a killed run may lie there
            label=self.label,
            fusion=self.fusion,
            weights=self.weights,
            **self.annotations,
            **self.options,
        )
        stored = max(len(open_features(path).ids) for path in self.features)
        return {"videos": result.coverage.used, "stored": stored, "seconds": sum(result.seconds.values())}


Task = Any  # whatever has ``perform(tell)`` and can be pickled
