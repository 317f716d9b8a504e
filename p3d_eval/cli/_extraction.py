"""What an extraction says before and after it runs."""

from typing import TYPE_CHECKING, Any

from p3d_eval.cli._shared import failure_lines

if TYPE_CHECKING:
    from p3d_eval.features.extractor import ExtractSummary
    from p3d_eval.features.planning import ExtractionPlan


def predict(plan: "ExtractionPlan") -> str:
    """Say what will be stored, and how large it is."""
    sizes = ", ".join(
        f"{name} {'×'.join(map(str, layer.shape)) or '1'} {layer.dtype}"
        for name, layer in plan.store.layers.items()
    )
    bound = " or more" if plan.per_clip and plan.sampling.kind == "sliding" else ""
    return (
        f"{plan.backbone.name}, {len(plan.videos)} videos, {sizes}: {_size(plan.nbytes)}{bound} in {plan.out}"
    )


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def outcome(summary: "ExtractSummary") -> list[str]:
    """Say how many videos are done, and which failed."""
    if summary.nothing_to_do:
        return [f"{summary.path} is complete: {summary.done} videos, nothing to do"]
    before = f" ({summary.skipped} of them before)" if summary.skipped else ""
    counts = f"{summary.done} of {summary.expected} videos done{before}, {len(summary.failed)} failed"
    return [f"{summary.path}: {counts}", *failure_lines(summary.path, summary.failed)]


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
