"""Clips a second of the network alone: ours in every precision against the network in eager fp32, turn by turn.

Run: python benchmarks/network_speed.py [--networks p3d63 p3d199] [--precisions fp32 bf16] [--batch 8]
On a CPU with one thread the clock is the processor's, else the wall's. On a GPU the rate is also given as a
part of what a plain bf16 matrix product reaches there.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from turns import clock, in_turn, parse, print_line

from p3d_eval.backbones import Backbone, load_backbone
from p3d_eval.backbones.runner import BOUNDS, Runner
from p3d_eval.errors import UserError

LAYER = "pool5"
MATRIX = 8192  # side of the matrices whose product gives the device's rate


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


def example(backbone: Backbone, batch: int) -> Tensor:
    """Prepared clips of noise."""
    generator = torch.Generator().manual_seed(0)
    size = (batch, backbone.input_spec.clip_length, 240, 320, 3)
    return backbone.preprocess(torch.randint(0, 256, size, dtype=torch.uint8, generator=generator))


def prepare(
    name: str, backbone: Backbone, x: Tensor, given: argparse.Namespace
) -> tuple[dict[str, Callable[[], Tensor]], dict[str, dict]]:
    """A run for each precision that the device has, and what is to be said of it."""
    runs, notes = {}, {}
    for precision in given.precisions:
        started = time.perf_counter()
        try:
            runner = Runner(backbone.with_precision(precision), LAYER, given.batch, given.compile)
        except UserError as error:
            print(f"{name} {precision}: {error.message}")
            continue
        runner(x)
        notes[precision] = {"start_s": time.perf_counter() - started, "how": runner.how}
        for notice in runner.notices:
            print(notice)
        runs[precision] = lambda runner=runner: runner(x)[LAYER]
    return runs, notes


def measure(name: str, given: argparse.Namespace) -> dict:
    device = given.device
    backbone = load_backbone(name, "random", device)
    x = example(backbone, given.batch)
    operations = flops(backbone)

    def eager() -> Tensor:
        # A competent user of eager mode lets cuDNN try its algorithms.
        torch.backends.cudnn.benchmark = device.type == "cuda"
        found = backbone.features(x, LAYER)[LAYER]
        torch.backends.cudnn.benchmark = False
        return found

    runs, notes = prepare(name, backbone, x, given)
    expected = eager()
    for precision, run in runs.items():
        error = notes[precision]["error"] = float((run() - expected).abs().max() / expected.abs().max())
        assert error <= BOUNDS[precision], (precision, error)
    seconds = in_turn({"eager fp32": eager, **runs}, given.repeats, clock(device))
    medians = {label: statistics.median(times) / given.batch for label, times in seconds.items()}
    rate = matrix_rate(device) if device.type == "cuda" else None
    print(f"{name}, {operations / 1e9:.1f} GFLOP a clip, batches of {given.batch} on {device}")
    return {
        label: row(label, medians["eager fp32"], one, operations, rate, notes.get(label, {}))
        for label, one in medians.items()
    }


def row(label: str, eager: float, seconds: float, operations: int, best: float | None, note: dict) -> dict:
    """Print what one way to run takes for a clip, and return it."""
    rate = operations / seconds
    found = {"clips_per_s": 1 / seconds, "ratio": eager / seconds, "gflops": rate / 1e9, **note}
    text = f"{1 / seconds:8.2f} clips/s, {found['ratio']:.2f}x, {rate / 1e9:.0f} GFLOP/s"
    if best is not None:
        found["of_matrix_rate"] = rate / best
        text += f", {rate / best:.0%} of bf16 matrix products"
    if note:
        text += f", differs by {note['error']:.0e}; {note['how']}"
    print(f"  {label:10s} {text}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["p3d63", "p3d199"])
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"])
    parser.add_argument("--compile", default="auto", choices=["auto", "on", "off"])
    given = parse(parser, batch=8, repeats=3)
    print_line("network_speed", given, {name: measure(name, given) for name in given.networks})


if __name__ == "__main__":
    main()
