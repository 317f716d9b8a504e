"""Clips a second of the network alone: ours in every precision against the network in eager fp32, turn by turn.

Run: python benchmarks/network_speed.py [--networks p3d63 p3d199] [--precisions fp32 bf16] [--batch 8]
On a CPU with one thread the clock is the processor's, else the wall's. On a GPU the rate is also given as a
part of what a plain bf16 matrix product reaches there.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from p3d_eval.backbones import Backbone, load_backbone
from p3d_eval.backbones.runner import BOUNDS, Runner
from p3d_eval.errors import UserError

LAYER = "pool5"
MATRIX = 8192  # side of the matrices whose product gives the device's rate


def clock(device: torch.device) -> Callable[[], float]:
    if device.type == "cuda":

        def now() -> float:
            torch.cuda.synchronize(device)
            return time.perf_counter()

        return now
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def flops(backbone: Backbone) -> int:
    """Floating-point operations of one clip, a multiplication and an addition being two."""
    x = torch.zeros(1, *backbone.input_spec.input_shape, device=backbone.device)
    backbone.features(x, LAYER)  # counts the layers' calls, which is not to be counted
    with FlopCounterMode(display=False) as counter:
        backbone.features(x, LAYER)
    return counter.get_total_flops()


def matrix_rate(device: torch.device) -> float:
    """Operations a second of a bf16 matrix product, the best of some."""
    a = torch.randn(MATRIX, MATRIX, device=device, dtype=torch.bfloat16)
    now, best = clock(device), float("inf")
    for _ in range(20):
        started = now()
        a @ a
        best = min(best, now() - started)
    return 2 * MATRIX**3 / best


def in_turn(
    runs: dict[str, Callable[[], Tensor]], repeats: int, now: Callable[[], float]
) -> dict[str, list[float]]:
    """Time every run ``repeats`` times, one after the other, so that a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            started = now()
            run()
            seconds[name].append(now() - started)
    return seconds


def measure(name: str, given: argparse.Namespace, device: torch.device) -> dict:
    backbone = load_backbone(name, "random", device)
    spec = backbone.input_spec
    generator = torch.Generator().manual_seed(0)
    bytes_ = torch.randint(
        0, 256, (given.batch, spec.clip_length, 240, 320, 3), dtype=torch.uint8, generator=generator
    )
    x = backbone.preprocess(bytes_)
    operations = flops(backbone)

    def eager() -> Tensor:
        # A competent user of eager mode lets cuDNN try its algorithms.
        torch.backends.cudnn.benchmark = device.type == "cuda"
        found = backbone.features(x, LAYER)[LAYER]
        torch.backends.cudnn.benchmark = False
        return found

    runs: dict[str, Callable[[], Tensor]] = {"eager fp32": eager}
    how, start_up = {}, {}
    for precision in given.precisions:
        started = time.perf_counter()
        try:
            runner = Runner(backbone.with_precision(precision), LAYER, given.batch, given.compile)
        except UserError as error:
            print(f"{name} {precision}: {error.message}")
            continue
        runner(x)
        start_up[precision] = time.perf_counter() - started
        how[precision] = runner.how
        for notice in runner.notices:
            print(notice)
        runs[precision] = lambda runner=runner: runner(x)[LAYER]
    expected = eager()
    errors = {}
    for precision, run in list(runs.items())[1:]:
        errors[precision] = float((run() - expected).abs().max() / expected.abs().max())
        assert errors[precision] <= BOUNDS[precision], (precision, errors)
    seconds = in_turn(runs, given.repeats, clock(device))
    medians = {label: statistics.median(times) / given.batch for label, times in seconds.items()}
    rate = matrix_rate(device) if device.type == "cuda" else None
    rows = {}
    print(f"{name}, {operations / 1e9:.1f} GFLOP a clip, batches of {given.batch} on {device}")
    for label, one in medians.items():
        ratio = medians["eager fp32"] / one
        part = f", {operations / one / rate:.0%} of bf16 matrix products" if rate else ""
        error = f", differs by {errors[label]:.0e}; {how[label]}" if label in errors else ""
        speed = f"{1 / one:8.2f} clips/s, {ratio:.2f}x, {operations / one / 1e9:.0f} GFLOP/s"
        print(f"  {label:10s} {speed}{part}{error}")
        rows[label] = {"clips_per_s": 1 / one, "ratio": ratio, "gflops": operations / one / 1e9}
        rows[label] |= {"error": errors[label], "start_s": start_up[label]} if label in errors else {}
        rows[label] |= {"of_matrix_rate": operations / one / rate} if rate else {}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["p3d63", "p3d199"])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--compile", default="auto", choices=["auto", "on", "off"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    found = {name: measure(name, given, device) for name in given.networks}
    about = {
        "benchmark": "network_speed",
        "device": given.device,
        "batch": given.batch,
        "threads": given.threads,
    }
    if device.type == "cuda":
        about["gpu"] = torch.cuda.get_device_name(device)
    clocked = "processor" if device.type == "cpu" and given.threads == 1 else "wall"
    print(json.dumps(about | {"clock": clocked, "load": os.getloadavg()[0], "networks": found}))


if __name__ == "__main__":
    main()
