"""What an extraction says before and after it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from p3d_eval.cli._shared import console, failure_lines
from p3d_eval.errors import counted

if TYPE_CHECKING:
    from p3d_eval.features.extractor import ExtractSummary
    from p3d_eval.features.planning import ExtractionPlan


_PRINTED = Path("-")


def predict(plan: "ExtractionPlan") -> str:
    """Say what will be stored, and how large it is."""
    from p3d_eval.units import size

    sizes = ", ".join(
        f"{name} {'×'.join(map(str, layer.shape)) or '1'} {layer.dtype}"
        for name, layer in plan.store.layers.items()
    )
    bound = " or more" if plan.per_clip and plan.sampling.kind == "sliding" else ""
    videos = counted(len(plan.videos), "video")
    return f"{plan.backbone.name}, {videos}, {sizes}: {size(plan.nbytes)}{bound} in {plan.out}"


def outcome(summary: "ExtractSummary") -> list[str]:
    """Say how many videos are done, and which failed."""
    if summary.nothing_to_do:
        return [f"{summary.path} is complete: {counted(summary.done, 'video')}, nothing to do"]
    before = f" ({summary.skipped} of them before)" if summary.skipped else ""
    counts = (
        f"{summary.done} of {counted(summary.expected, 'video')} done{before}, {len(summary.failed)} failed"
    )
    return [f"{summary.path}: {counts}", *failure_lines(summary.path, summary.failed)]


def require_profile(path: Path | None) -> None:
    """Check that a profile can be added to the file, where there is one."""
    from p3d_eval.features.stage_file import require_stage_file

    if path is not None and path != _PRINTED:
        require_stage_file(path)


def write_profile(path: Path, summary: "ExtractSummary") -> None:
    """Add the table of stages to a file, or print it."""
    from p3d_eval.features.stage_file import add_stages, stage_table

    if path == _PRINTED:
        console(stderr=True).print(stage_table(summary), markup=False, end="")
    else:
        add_stages(path, summary)


def as_plain(summary: "ExtractSummary") -> dict[str, Any]:
    """Return the outcome as plain values for a script."""
    from p3d_eval.features.bottleneck import stage_seconds

    return {
        "out": str(summary.path),
        "expected": summary.expected,
        "done": summary.done,
        "skipped": summary.skipped,
        "failed": dict(summary.failed),
        "seconds": round(summary.seconds, 3),
        "stages": stage_seconds(summary.usage),
    }
