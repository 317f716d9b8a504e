"""What the benchmarks of networks share: their arguments, the clock, runs that take turns, the line of JSON."""

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch


def parse(parser: argparse.ArgumentParser, batch: int, repeats: int) -> argparse.Namespace:
    """Add the options that all have to a benchmark's own, read them, and set the threads."""
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--repeats", type=int, default=repeats)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", type=torch.device, default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    return given


def _on_processor(device: torch.device) -> bool:
    """Whether the processor's clock is the right one: other work on the machine does not count there."""
    return device.type == "cpu" and torch.get_num_threads() == 1


def clock(device: torch.device) -> Callable[[], float]:
    """Seconds of the processor for one thread on a CPU, else of the wall, once a GPU has done its work."""
    if device.type != "cuda":
        return time.process_time if _on_processor(device) else time.perf_counter

    def now() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def in_turn(
    runs: Mapping[str, Callable[[], Any]], repeats: int, now: Callable[[], float]
) -> dict[str, list[float]]:
    """Time every run ``repeats`` times, one after the other, so that a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            started = now()
            run()
            seconds[name].append(now() - started)
    return seconds


def print_line(benchmark: str, given: argparse.Namespace, found: Mapping[str, Any]) -> None:
    """Print the last line: where and how it was measured, and what for each network."""
    about = {
        "benchmark": benchmark,
        "device": str(given.device),
        "batch": given.batch,
        "threads": given.threads,
        "clock": "processor" if _on_processor(given.device) else "wall",
        "load": os.getloadavg()[0],
    }
    if given.device.type == "cuda":
        about["gpu"] = torch.cuda.get_device_name(given.device)
    print(json.dumps(about | {"networks": found}))
