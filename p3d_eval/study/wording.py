"""What a run of a study says of its plan and its outcome, on a terminal and in a notebook."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from p3d_eval import markup
from p3d_eval.study.predicting import Prediction
from p3d_eval.units import duration, size

if TYPE_CHECKING:
    from p3d_eval.study.run import StudyRun

PLAN_COLUMNS = ("", "state", "time", "disk")


def plan_rows(predictions: Sequence[Prediction]) -> list[tuple[str, str, str, str]]:
    """Give a row of `PLAN_COLUMNS` for each cell."""
    return [
        (
            one.cell.name,
            one.state,
            "?" if one.seconds is None else duration(one.seconds) if one.seconds else "",
            size(one.nbytes) if one.nbytes else "",
        )
        for one in predictions
    ]


def plan_sum(predictions: Sequence[Prediction]) -> str:
    """Say what everything that is to be done will take, and how much of it would fail."""
    known = sum(one.seconds or 0.0 for one in predictions)
    unknown = sum(one.seconds is None for one in predictions)
    more = f" and {unknown} of unknown length" if unknown else ""
    total = sum(one.nbytes for one in predictions)
    failing = sum(one.failed for one in predictions)
    fails = f"; {failing} would fail" if failing else ""
    return f"About {duration(known)}{more}, {size(total) if total else 'no'} disk{fails}"


def outcome_sum(done: "StudyRun") -> str:
    """Say what a run did."""
    if done.whole and not done.made and not done.reported:
        return "nothing to do"
    kept = len(done.outcomes) - len(done.made) - len(done.failed)
    counts = f"{len(done.made)} made, {kept} kept, {len(done.failed)} failed"
    return counts + ("; report written" if done.reported else "")


def failures(done: "StudyRun") -> list[tuple[str, str]]:
    """Give a line and what to do for each cell that failed, videos without features, and the report."""
    found = [(f"failed: {one.cell.name}: {one.reason}", one.hint) for one in done.failed]
    for name, videos in done.failed_videos.items():
        first, reason = next(iter(videos.items()))
        more = f" and {len(videos) - 1} more" if len(videos) > 1 else ""
        found.append((f"{name}: no features of {first} ({reason}){more}", ""))
    return [*found, (f"failed: report: {done.failure}", "")] if done.failure else found


def study_html(done: "StudyRun") -> str:
    """Show the plan of a dry run, or what failed and the tables, as HTML for a notebook."""
    heading = f"{done.plan.study.name} into {done.folder}"
    if done.predictions:
        sentence = f"<p>{plan_sum(done.predictions)}</p>"
        return markup.fragment(heading, markup.grid(PLAN_COLUMNS, plan_rows(done.predictions)), sentence)
    tables = done.report._repr_html_() if done.report is not None else ""
    said = markup.warnings(line for line, _ in failures(done))
    return markup.fragment(f"{heading}: {outcome_sum(done)}", said, tables)
