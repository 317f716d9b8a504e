"""Every speed that the solvers promise, in one table: the other benchmarks run one after the other.

Run: python benchmarks/solvers.py [--device cuda] [--quick]
Each benchmark is a process of its own, whose last line is JSON. In full every peer solves everything; --quick
times the peers on some classes, folds and pairs, and scales.
"""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
QUICK_CLASSES, QUICK_FOLDS, QUICK_PAIRS = 8, 4, 600


@dataclass(frozen=True)
class Row:
    """One promise: what was compared, in seconds, and the goals on two CPU cores and on a GPU."""

    name: str
    peer: str
    ours_s: float
    peer_s: float
    cpu_goal: float
    cuda_goal: float

    @property
    def ratio(self) -> float:
        """How many times as long the peer takes."""
        return self.peer_s / self.ours_s

    def goal(self, device: str) -> float:
        """Smallest ratio promised on a device."""
        return self.cpu_goal if device == "cpu" else self.cuda_goal


def run(script: str, *options: str) -> dict[str, Any]:
    """Run one benchmark and return what its last line says."""
    command = [sys.executable, str(FOLDER / script), *options]
    print("$", " ".join(["python", f"benchmarks/{script}", *options]), file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{script} ended with exit code {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def linear_svm(device: str, quick: bool) -> list[Row]:
    """All classes of one split, C = 1 and C = 100."""
    some = ("--peer-classes", str(QUICK_CLASSES)) if quick else ()
    found = run("linear_svm.py", "--device", device, *some)
    n, d, classes = found["shape"]
    return [
        Row(
            f"{n:,} × {d:,}, {classes} classes, C = {row['C']:g}", "LinearSVC",
            row["ours_s"], row["peer_s"], goal, 300,
        )
        for row, goal in zip(found["rows"], (10, 5), strict=True)
    ]  # fmt: skip


def leave_one_out(device: str, quick: bool) -> list[Row]:
    """Every video of 14 classes left out once."""
    found = run(
        "leave_one_out.py", "--device", device, *(("--folds", str(QUICK_FOLDS)) if quick else ("--full",))
    )
    name = f"leave-one-out {found['videos']} × {found['dimensions']:,} × {found['classes']} classes"
    return [Row(name, "LinearSVC in a loop", found["ours_s"], found["peer_s"], 50, 300)]


def pca_sweep(device: str, quick: bool) -> list[Row]:
    """Ten numbers of principal components of one split."""
    found = run("pca_sweep.py", "--device", device, *(() if quick else ("--full",)))
    peer = "PCA and LinearSVC for each"
    return [Row("PCA sweep, ten dimensions, one split", peer, found["ours_s"], found["peer_s"], 10, 50)]


def similarities(device: str, quick: bool) -> list[Row]:
    """Twelve similarities of pairs; from a file they are timed against reading it."""
    some = ("--peer-pairs", str(QUICK_PAIRS), "--memory-dims", "0") if quick else ()
    found = run("similarities.py", "--device", device, *some)
    name = f"12 similarities × {found['pairs']:,} pairs × {found['dims']:,} dimensions"
    ours = found["ours_s"]
    rows = [
        Row(name, "NumPy, one pair at a time", ours, found["one_pair_at_a_time_s"], 4, 100),
        Row(name, "NumPy, all at once", ours, found["all_at_once_s"], 10, 100),
    ]
    if device == "cpu":
        reading = Row(
            "the same, from HDF5", "reading the layer", found["from_file_s"], found["reading_s"], 1 / 3, 0
        )
        rows.append(reading)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="Time the peers on a part, and scale.")
    given = parser.parse_args()
    before = os.getloadavg()[0]
    rows = [
        row
        for part in (linear_svm, leave_one_out, pca_sweep, similarities)
        for row in part(given.device, given.quick)
    ]
    print(f"| benchmark, on {given.device} | peer | here | peer | ratio | goal | reached |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        goal = row.goal(given.device)
        print(
            f"| {row.name} | {row.peer} | {row.ours_s:.3g} s | {row.peer_s:.4g} s | {row.ratio:.3g} | "
            f"≥ {goal:.3g} | {'yes' if row.ratio >= goal else 'no'} |"
        )
    said = [
        vars(row)
        | {"ratio": row.ratio, "goal": row.goal(given.device), "reached": row.ratio >= row.goal(given.device)}
        for row in rows
    ]
    load = {"load_before": before, "load_after": os.getloadavg()[0], "cores": os.cpu_count()}
    print(
        json.dumps({"benchmark": "solvers", "device": given.device, "quick": given.quick, **load, "rows": said})
    )


if __name__ == "__main__":
    main()
