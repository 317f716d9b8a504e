"""Start-up of ``p3d-eval --help`` against a two-command typer program, as whole processes, alternating.

Run: python benchmarks/help_startup.py [--runs 15]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PEER = '''
import typer
app = typer.Typer()

@app.command()
def first(name: str, count: int = 1) -> None:
    """Print a name."""

@app.command()
def second(name: str) -> None:
    """Print another."""

app()
'''


GOAL = 2.0


def seconds(command: list[str]) -> tuple[float, float]:
    """Wall time and processor time of one process."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[1])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, used


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        peer = Path(folder) / "peer.py"
        peer.write_text(PEER)
        ours_command = [sys.executable, "-m", "p3d_eval", "--help"]
        peer_command = [sys.executable, str(peer), "--help"]
        seconds(ours_command), seconds(peer_command)  # warm the file cache
        pairs = [(seconds(ours_command), seconds(peer_command)) for _ in range(runs)]
    (ours, ours_cpu), (theirs, theirs_cpu) = (
        tuple(statistics.median(kind) for kind in zip(*column, strict=True))
        for column in zip(*pairs, strict=True)
    )
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", *ours_command[1:]], capture_output=True, text=True, check=True
    ).stderr
    heavy = [name for name in ("torch", "numpy", "h5py", "sklearn") if f" {name}\n" in loaded]
    for kind, mine, peers in (("wall", ours, theirs), ("processor", ours_cpu, theirs_cpu)):
        print(
            f"{kind}: p3d-eval --help {mine:.3f} s, two-command typer program {peers:.3f} s, "
            f"{mine / peers:.2f}x (goal {GOAL:g}x)"
        )
    figures = {"ours_s": ours, "peer_s": theirs, "ratio": ours / theirs, "goal": GOAL}
    print(json.dumps(figures | {"processor_ratio": ours_cpu / theirs_cpu, "heavy_modules": heavy}))


if __name__ == "__main__":
    main()
