"""Where the time of an extraction went, which stage held the others up, and what to change."""

from dataclasses import dataclass

from p3d_eval.features.meter import DECODERS, ELAPSED, SET_UP, Totals

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
    _Row(SET_UP, "the network: rewrite, compile, check", ELAPSED),
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
    """Part of the time, once the network was set up, in which it had nothing to do, 0 to 1."""
    return 1.0 - _share(totals, "network", "average") if _running(totals) > 0 else 0.0


def _running(totals: Totals) -> float:
    return totals.seconds[ELAPSED] - totals.seconds[SET_UP]


def _share(totals: Totals, *stages: str) -> float:
    """Part of the time after the network was set up, 0 to 1."""
    return min(1.0, sum(totals.seconds[stage] for stage in stages) / _running(totals))


def bottleneck(totals: Totals) -> str:
    """Name the stage that holds the others up: a key of `ADVICE`."""
    if _running(totals) < _TOO_SHORT:
        return "start"
    if _share(totals, "network", "average") >= _NETWORK_LIMITS:
        return "network"
    decoding = totals.share("decode", "convert", "hand over", of=DECODERS)
    busy = {
        "network": _share(totals, "network", "average"),
        "decode": min(1.0, decoding * totals.seconds[ELAPSED] / _running(totals)),
        "prepare": _share(totals, "copy", "prepare"),
        "write": _share(totals, "write"),
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
