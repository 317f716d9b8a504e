"""Files of a study that nothing refers to any more: features, results and maps of its former versions."""

from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from p3d_eval.arguments import explained
from p3d_eval.errors import UserError
from p3d_eval.features.lock import WriterLock, lock_path
from p3d_eval.protocols.result import scores_path
from p3d_eval.reports.figures.data import csv_path
from p3d_eval.study.maps import MAPS
from p3d_eval.study.plan import EARLIER, FEATURES, RESULTS, Plan
from p3d_eval.study.planning import plan_study
from p3d_eval.study.profiling import plan_profiles
from p3d_eval.study.run import LOCK, read_any
from p3d_eval.study.state import State


@explained
def prune_study(
    study: str | PathLike[str] | Mapping[str, Any],
    *,
    out: str | PathLike[str] | None = None,
    limit: int | None = None,
    delete: bool | Callable[[Mapping[Path, int]], bool] = False,
) -> dict[Path, int]:
    """Find, and on request delete, what former versions of a study left in its folder.

    These are feature files that it no longer extracts, results that a run put aside, and maps that its last
    report does not show. Only files that a run of this study has noted as its own are looked at.

    Parameters
    ----------
    study, out, limit
        As :func:`run_study` takes them.
    delete : bool or callable
        Whether to delete the files, or what says so when it is given them; it is not called where there are
        none. They are made again when the study is changed back.

    Returns
    -------
    dict
        Path → bytes of each file that nothing refers to, by path; after ``delete`` they are gone.

    Raises
    ------
    UserError
        When the study file is wrong, its folder is not there, or another process runs the study.
    """
    plan = plan_study(read_any(study, out), limit)
    if not plan.folder.is_dir():
        raise UserError(f"{plan.folder}: no such folder", "Run the study first, or name its folder with --out")
    with WriterLock(plan.folder / LOCK):
        state = State(plan.folder)
        found = {path: name for path, name in sorted(_leftovers(plan, state)) if path.is_file()}
        sizes = {path: path.stat().st_size for path in found}
        if sizes and (delete(sizes) if callable(delete) else delete):
            for path in found:
                path.unlink()
                lock_path(path).unlink(missing_ok=True)
            state.forget(plan.study.name, set(found.values()))
    return sizes


def _leftovers(plan: Plan, state: State) -> Iterator[tuple[Path, str]]:
    """Give every file, there or not, that the study noted as its own and does not need, and its noted name."""
    study = plan.study.name
    needed = {one.task.out for one in plan.extractions} | set(_results(plan))
    needed |= {plan.folder / name for name in state.maps_of(study)}
    for name in state.files_of(study):
        folder, _, file = name.partition("/")
        path = plan.folder / folder / file
        if path in needed or Path(file).name != file:  # a file of notes can be changed by anybody
            continue
        if folder == RESULTS:
            earlier = path.parent / EARLIER / file
            yield from ((earlier, name), (scores_path(earlier), name))
        elif folder == FEATURES:
            yield path, name
        elif folder == MAPS:
            yield from ((path, name), (csv_path(path), name))


def _results(plan: Plan) -> Iterator[Path]:
    """Give the measurements of networks, and the results of evaluations whose features are there."""
    yield from (one.task.out for one in plan_profiles(plan))
    for planned in plan.evaluations:
        features = [one for source in planned.sources if (one := source.features()) is not None]
        if len(features) == len(planned.sources):
            yield planned.task(plan.folder, features).out
