"""`run_study`: everything that a study file asks for and that is not there yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

from p3d_eval import __version__
from p3d_eval.arguments import explained
from p3d_eval.errors import UserError
from p3d_eval.features.lock import WriterLock
from p3d_eval.markup import shown_by
from p3d_eval.protocols.result import Result
from p3d_eval.provenance import sha256_json
from p3d_eval.reports import Report
from p3d_eval.study.grid import Extraction, Study, build_study
from p3d_eval.study.plan import RESULTS, Plan
from p3d_eval.study.planning import plan_study
from p3d_eval.study.predicting import Prediction, predict
from p3d_eval.study.profiling import measure, plan_profiles
from p3d_eval.study.reading import read_study
from p3d_eval.study.report_folder import ReportFolder
from p3d_eval.study.reporting import REPORT, ReportTask, plan_report
from p3d_eval.study.running import FAILED, MADE, Outcome, StudyRunner, default_jobs, put_aside
from p3d_eval.study.screen import Screen
from p3d_eval.study.state import State

LOCK = "study"  # what one run at a time holds, in the study's folder


@dataclass(frozen=True)
class StudyRun:
    """What a run of a study did.

    Parameters
    ----------
    plan : Plan
        The cells and their files.
    outcomes : tuple of Outcome
        What became of each cell, extractions first.
    report : Report, optional
        The tables; None where every evaluation failed before it had a protocol's layout, or in a dry run.
    files : tuple of Path
        Files of the report.
    failure : str
        Why the report could not be written; empty where it could.
    reported : bool
        Whether this run wrote the report.
    predictions : tuple of Prediction
        Of a dry run: what is to be done, with time and disk.
    """

    plan: Plan
    outcomes: tuple[Outcome, ...] = ()
    report: Report | None = None
    files: tuple[Path, ...] = ()
    failure: str = ""
    reported: bool = False
    predictions: tuple[Prediction, ...] = ()

    @property
    def folder(self) -> Path:
        """Where the outputs are."""
        return self.plan.folder

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Cells that failed."""
        return tuple(one for one in self.outcomes if one.status == FAILED)

    @property
    def made(self) -> tuple[Outcome, ...]:
        """Cells that this run made; none where everything was there."""
        return tuple(one for one in self.outcomes if one.status == MADE)

    @property
    def failed_videos(self) -> dict[str, Mapping[str, str]]:
        """Videos without features, with reasons, by the name of the extraction."""
        return {one.cell.name: one.failed_videos for one in self.outcomes if one.failed_videos}

    @property
    def whole(self) -> bool:
        """Whether nothing failed: no cell, no video, and not the report."""
        return not (self.failed or self.failed_videos or self.failure)

    _repr_html_ = shown_by("p3d_eval.study.wording:study_html")


@explained
def run_study(
    study: str | PathLike[str] | Mapping[str, Any],
    *,
    out: str | PathLike[str] | None = None,
    limit: int | None = None,
    dry_run: bool = False,
    jobs: int | None = None,
    retry: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> StudyRun:
    """Do what a study lacks: features, results, report; what is there with the same content is kept.

    Parameters
    ----------
    study : path or mapping
        A study file, or the same as tables; relative paths are relative to the file's folder, or to the
        working directory.
    out : path, optional
        Folder of the outputs, instead of the file's own.
    limit : int, optional
        Try it on so many videos of each data set, in a folder of its own.
    dry_run : bool
        Predict time and disk; write nothing.
    jobs : int, optional
        Protocols side by side; by default one for every two cores, four at most.
    retry : bool
        Try failed videos of complete feature files again.
    overwrite : bool
        Replace files of the report that somebody changed.
    quiet : bool
        Show no progress.

    Returns
    -------
    StudyRun

    Raises
    ------
    UserError
        When the study file, a name or a path in it is wrong, or another process runs the study.
    """
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs {jobs}: must be 1 at least")
    plan = plan_study(read_any(study, out), limit)
    if dry_run:
        return StudyRun(plan, predictions=tuple(predict(plan, State(plan.folder).times, quiet)))
    with WriterLock(plan.folder / LOCK):
        return _run(plan, jobs or default_jobs(), retry, overwrite, quiet)


def read_any(study: str | PathLike[str] | Mapping[str, Any], out: str | PathLike[str] | None) -> Study:
    """Read a study file, or take tables of the same, with another folder of outputs where one is given.

    Raises
    ------
    UserError
        When something in it is wrong.
    """
    if isinstance(study, Mapping):
        document, name, base, default = dict(study), "study", Path.cwd(), "study"
    else:
        path = Path(study)
        document, name, base, default = read_study(path), path.name, path.resolve().parent, path.stem
    if out is not None:
        document["out"] = str(Path(out).resolve())
    return build_study(document, name, base, default)


def _run(plan: Plan, jobs: int, retry: bool, overwrite: bool, quiet: bool) -> StudyRun:
    profiles = plan_profiles(plan)
    stages = len(plan.extractions) + len(plan.evaluations) + len(profiles) + 1
    folder = ReportFolder(plan.folder / REPORT)
    State(plan.folder).claim(plan.study.name, [one.task.out for one in plan.extractions])
    with Screen(plan.study.name, stages, quiet) as screen, StudyRunner(plan, screen, jobs, retry) as runner:
        outcomes = _once([*runner.run(), *measure(profiles, runner, screen)])
        State(plan.folder).remember(outcomes)
        done = [one for one in outcomes if not isinstance(one.cell, Extraction) and one.status != FAILED]
        paths = tuple(one.path for one in done if one.path is not None)
        put_aside(plan.folder / RESULTS, set(paths))
        task = plan_report(plan, folder.unfinished, paths, outcomes)
        reported, failure = _report(task, folder, runner, screen, overwrite)
    notes, maps = State(plan.folder), [one.path for one in task.maps]
    notes.claim(plan.study.name, [*paths, *maps])
    notes.show(plan.study.name, maps)
    report = Report.of(paths, plan.study.report.published, task.failures)
    return StudyRun(plan, tuple(outcomes), report, folder.files, failure, reported)


def _once(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Let a result that two cells come to (options that mean the same, features of one content) count once."""
    first: dict[str, str] = {}
    found = []
    for one in outcomes:
        if not isinstance(one.cell, Extraction) and one.status != FAILED and one.path is not None:
            name = first.setdefault(Result.load(one.path).result_id, one.cell.name)
            if name != one.cell.name:
                one = replace(one, status=FAILED, reason=f"the same result as {name}", hint="Leave one out")
        found.append(one)
    return found


def _report(
    task: ReportTask, folder: ReportFolder, runner: StudyRunner, screen: Screen, overwrite: bool
) -> tuple[bool, str]:
    """Write the report where it is not there yet; return whether that was done, and why it could not be."""
    key = sha256_json({**task.content, "version": __version__})
    written, failure = False, ""
    if not folder.holds(key):
        if not overwrite:
            folder.require_untouched()
        screen.start(REPORT, "report")
        event = runner.finish(task, REPORT)
        if event.kind == "failed":
            failure = event.text
        else:
            folder.replace(key)
            written = True
        screen.finish(REPORT, f"failed: {failure}" if failure else str(folder.folder))
    screen.count()
    return written, failure
