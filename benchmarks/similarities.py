"""Twelve similarities of many pairs: against NumPy's formulas, and against reading the layer from its file.

Run: python benchmarks/similarities.py [--videos 3697] [--pairs 6000] [--dims 51200] [--device cuda]
         [--peer-pairs 6000] [--memory-dims 204800] [--folder DIR]

The peers and the block sums get the same L2-normalised float32 values in memory, on the device for a GPU.
Reading is one thread of h5py's; the first call from the file may compile, or load, its loop. Times are the
best of three calls, the peers' of one. The peers compute in float64; with fewer ``--peer-pairs`` their times
are scaled up. The layer of ``--memory-dims`` (0 leaves it out) measures the peak memory of a fresh process.
Ends with a line of JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import torch

from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.pair_vectors import layer_similarities
from p3d_eval.protocols.similarities import PairSums, l2_norms

EPS = 1e-10
PEER_BLOCK = 100  # pairs: 41 MB for each temporary of 51,200 dimensions


def formulas(x: Any, y: Any) -> Any:
    """Write the table down as it stands; x and y of shape (n, D), L2-normalised, float64."""
    with np.errstate(invalid="ignore", divide="ignore"):
        inner = (x * y).sum(1)
        total = x + y
        rows = [
            inner,
            np.sqrt(inner),
            np.sqrt((np.sqrt(x) * np.sqrt(y)).sum(1)),
            np.sqrt(np.nan_to_num(x * y / total).sum(1)),
            inner / (np.sqrt((x**2).sum(1)) * np.sqrt((y**2).sum(1))),
            np.sqrt(np.nan_to_num((x - y) ** 2 / total).sum(1)),
            np.abs(x - y).sum(1),
            np.sqrt(((np.sqrt(x) - np.sqrt(y)) ** 2).sum(1)),
            np.sqrt(((x - y) ** 2).sum(1)),
            ((x * np.log((x + EPS) / (y + EPS))).sum(1) + (y * np.log((y + EPS) / (x + EPS))).sum(1)) / 2,
            np.nan_to_num(np.sqrt(np.maximum(x, y)) / np.sqrt(total)).sum(1),
            np.minimum(x, y).sum(1) / (x.sum(1) * y.sum(1)),
        ]
    return np.stack(rows, 1)


def timed(function: Callable[[], Any]) -> tuple[Any, Any]:
    """Return seconds (on the wall, of the processor) and result."""
    started = np.array([time.perf_counter(), time.process_time()])
    result = function()
    return np.array([time.perf_counter(), time.process_time()]) - started, result


def best(function: Callable[[], Any]) -> tuple[Any, Any]:
    """Return the seconds of the fastest of three calls, and a result."""
    calls = [timed(function) for _ in range(3)]
    return np.min([seconds for seconds, _ in calls], axis=0), calls[-1][1]


def make_layer(path: Path, videos: int, dims: int) -> None:
    """Write a layer like a rectified one: 40 % zeros, long tail."""
    generator = np.random.default_rng(0)
    values = np.empty((videos, dims), np.float32)
    for row in values:
        generator.standard_exponential(dtype=np.float32, out=row)
        row *= generator.random(dims, dtype=np.float32) < 0.6
    write_store(path, [f"v{n:05}" for n in range(videos)], {"conv": values})
    os.sync()  # else the system writes it out while it is read


def peers(values: Any, first: Any, second: Any) -> tuple[Any, Any, Any]:
    """Return seconds one pair at a time, seconds in blocks, and the latter's answers."""

    def blocks(size: int) -> Any:
        return np.concatenate(
            [
                formulas(*(values[rows[start : start + size]].astype(np.float64) for rows in (first, second)))
                for start in range(0, len(first), size)
            ]
        )

    one, _ = timed(lambda: blocks(1))
    together, answers = timed(lambda: blocks(PEER_BLOCK))
    return one, together, answers


def measure(path: Path, pairs: int, device: str) -> None:
    """In a process of its own: seconds and peak memory of one layer's similarities, as JSON."""
    store = open_features(path)
    first, second = random_pairs(len(store.ids), pairs)
    before = psutil.Process().memory_info().rss
    seconds, _ = timed(lambda: from_file(path, first, second, device))
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    print(json.dumps({"seconds": seconds[0], "cpu_s": seconds[1], "peak_beyond_start_bytes": peak - before}))


def random_pairs(videos: int, pairs: int) -> Any:
    return np.random.default_rng(1).integers(0, videos, (2, pairs))


def from_file(path: Path, first: Any, second: Any, device: str) -> Any:
    store = open_features(path)
    return layer_similarities(
        store, "conv", store.ids, first, second, normalise="l2", negatives="error", eps=EPS, device=device
    )


def read_whole(path: Path) -> None:
    with h5py.File(path) as file:
        file["layers/conv/mean"][...]


def compare(path: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time everything on one layer, the file's pages being in memory."""
    first, second = random_pairs(arguments.videos, arguments.pairs)
    reading, _ = best(lambda: read_whole(path))
    first_s, answers = timed(lambda: from_file(path, first, second, arguments.device))
    file_s, _ = best(lambda: from_file(path, first, second, arguments.device))
    stored = np.asarray(open_features(path)["conv"])
    norms = l2_norms(stored)
    stored /= norms.astype(np.float32)[:, None]
    ones = l2_norms(stored)
    resident = torch.from_numpy(stored).to(arguments.device) if arguments.device != "cpu" else stored

    def ours() -> Any:
        sums = PairSums(first, second, ones, ones, EPS, given="l2", device=arguments.device)
        sums.add(resident)
        return sums.result()

    ours_s, again = best(ours)
    some = slice(0, arguments.peer_pairs)
    factor = arguments.pairs / len(first[some])
    one, together, expected = peers(stored, first[some], second[some])
    scale = np.where(expected > 0, expected, 1.0)  # a video with itself is at distance 0
    differences = [(np.abs(found[some] - expected) / scale).max() for found in (answers, again)]
    one, together = one * factor, together * factor
    return {
        "ours_s": ours_s[0],
        "ours_cpu_s": ours_s[1],
        "one_pair_at_a_time_s": one[0],
        "all_at_once_s": together[0],
        "from_file_s": file_s[0],
        "from_file_cpu_s": file_s[1],
        "from_file_first_s": first_s[0],
        "reading_s": reading[0],
        "reading_cpu_s": reading[1],
        "ratio_one_pair": one[0] / ours_s[0],
        "ratio_all_at_once": together[0] / ours_s[0],
        "ratio_to_reading": file_s[0] / reading[0],
        "cpu_ratio_one_pair": one[1] / ours_s[1],
        "cpu_ratio_all_at_once": together[1] / ours_s[1],
        "cpu_ratio_to_reading": file_s[1] / reading[1],
        "largest_relative_difference": max(differences),
        "answers_equal": bool(max(differences) < 5e-6),
        "peer_pairs_timed": len(first[some]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("videos", 3697), ("pairs", 6000), ("dims", 51200), ("memory-dims", 204800)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--peer-pairs", type=int, default=6000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, default=None, help="Where the layers are written.")
    parser.add_argument("--measure", type=Path, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure, arguments.pairs, arguments.device)
        return
    result = {name: value for name, value in vars(arguments).items() if isinstance(value, int | str)}
    result |= {"threads": os.cpu_count(), "load_before": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "layer.h5"
        make_layer(path, arguments.videos, arguments.dims)
        result |= compare(path, arguments)
        path.unlink()
        if arguments.memory_dims:
            make_layer(path, arguments.videos, arguments.memory_dims)
            command = [sys.executable, __file__, "--measure", str(path), "--device", arguments.device]
            run = subprocess.run(
                [*command, "--pairs", str(arguments.pairs)], check=True, capture_output=True, text=True
            )
            result["large_layer"] = json.loads(run.stdout)
    result["load_after"] = os.getloadavg()[0]
    print(
        f"{result['ours_s']:.2f} s; one pair at a time {result['ratio_one_pair']:.1f}x, all at once "
        f"{result['ratio_all_at_once']:.1f}x as long; "
        f"from the file {result['from_file_s']:.2f} s, {result['ratio_to_reading']:.1f}x as long as reading it"
    )
    print(
        f"in processor time: {result['ours_cpu_s']:.2f} s, {result['cpu_ratio_one_pair']:.1f}x, "
        f"{result['cpu_ratio_all_at_once']:.1f}x; from the file {result['cpu_ratio_to_reading']:.1f}x"
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
