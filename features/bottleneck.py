"""Where the time of an extraction went, which stage held the others up, and what to change."""

from dataclasses import dataclass

from p3d_eval.features.meter import DECODERS, ELAPSED, Totals

_NETWORK_LIMITS = 0.8  # of the time: nothing else can be gained much
_TOO_SHORT = 5.0  # seconds; starting up says nothing about a long run


@dataclass(frozen=True)
class _Row:
    """A line of the table: a stage's key, what it does, and whose time its share is of."""

    stage: str
    meaning: str
    of: str


_ROWS = (
    _Row("decode", "packets to frames", DECODERS),
    _Row("convert", "frames to RGB or planes", DECODERS),
    _Row("hand over", "frames into shared memory", DECODERS),
    _Row("decoder waits", "for room in shared memory", DECODERS),
    _Row("copy", "frames to the device", ELAPSED),
    _Row("prepare", "resize and crop", ELAPSED),
    _Row("preparing waits", "for the network to take clips", ELAPSED),
    _Row("network", "clips to activations", ELAPSED),
    _Row("average", "over the clips of a video", ELAPSED),
    _Row("network waits", "for clips", ELAPSED),
    _Row("results wait", "for the writer", ELAPSED),
    _Row("write", "to the feature file", ELAPSED),
)

# What holds the run up → what to change.
ADVICE = {
    "network": "a lower --precision, a larger --batch-size, fewer --clips, or another device (--device)",
    "decode": "more processes (--workers)",
    "prepare": "a GPU (--device cuda), or videos that are smaller to begin with",
    "write": "pooled layers (res5c:avg), no --per-clip, or a faster disk (--out)",
    "start": "nothing: the run was too short to tell",
}


def network_waits(totals: Totals) -> float:
    """Part of the time in which the network had nothing to do, 0 to 1."""
    return max(0.0, 1.0 - totals.share("network", "average")) if totals.seconds[ELAPSED] else 0.0


def bottleneck(totals: Totals) -> str:
    """Name the stage that holds the others up: a key of `ADVICE`."""
    if totals.seconds[ELAPSED] < _TOO_SHORT:
        return "start"
    if totals.share("network", "average") >= _NETWORK_LIMITS:
        return "network"
    busy = {
        "network": totals.share("network", "average"),
        "decode": totals.share("decode", "convert", "hand over", of=DECODERS),
        "prepare": totals.share("copy", "prepare"),
        "write": totals.share("write"),
    }
    return max(busy, key=lambda stage: busy[stage])


def stage_seconds(totals: Totals) -> dict[str, float]:
    """Seconds of every stage, for a script."""
    return {row.stage: round(totals.seconds[row.stage], 3) for row in _ROWS} | {
        ELAPSED: round(totals.seconds[ELAPSED], 3)
    }


def profile_lines(totals: Totals) -> list[str]:
    """Write the table of stages, and what to change.

    Shares are of the decoders' time, all of them together, or of the time of the process that runs the
    network. Its stages run side by side, so that shares do not add up to one.
    """
    lines = [f"{'stage':<16} {'seconds':>9} {'share':>6}  what"]
    for row in _ROWS:
        share = totals.share(row.stage, of=row.of)
        who = " (share of all decoders)" if row.of == DECODERS else ""
        lines.append(f"{row.stage:<16} {totals.seconds[row.stage]:>9.2f} {share:>6.0%}  {row.meaning}{who}")
    found = bottleneck(totals)
    rates = f"{totals.rate('clips'):.1f} clips/s, {totals.rate('frames'):.0f} frames/s"
    lines.append(f"{rates}; the network waits {network_waits(totals):.0%} of the time")
    lines.append(f"bottleneck: {found}; to change: {ADVICE[found]}")
    return lines


def progress_text(totals: Totals) -> str:
    """Say in a few words how fast it goes and who waits."""
    decoders = totals.share("decoder waits", of=DECODERS)
    return (
        f"{totals.rate('clips'):.1f} clips/s, {totals.rate('frames'):.0f} frames/s, "
        f"waiting: network {network_waits(totals):.0%}, decoders {decoders:.0%}"
    )
