"""Clips a second of ResNet and VGG-19 on frames: ours beside torchvision's in eager mode, turn by turn.

Run: python benchmarks/frame_networks.py [--networks resnet50 vgg19] [--batch 4] [--device cuda]
Both have the same random weights and see the same frames; the answers are compared. On a CPU with one thread
the clock is the processor's, else the wall's.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.runner import BOUNDS, Runner
from tests.support.torchvision_operators import import_torchvision

LAYER = {"resnet50": "fc", "resnet101": "fc", "resnet152": "fc", "vgg19": "fc8"}


def timed(runs: dict[str, Callable[[], Tensor]], repeats: int, device: torch.device) -> dict[str, float]:
    """Median seconds of every run, one after the other, so that a busy machine slows all alike."""
    processor = device.type == "cpu" and torch.get_num_threads() == 1
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            started = time.process_time() if processor else time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds[name].append((time.process_time() if processor else time.perf_counter()) - started)
    return {name: statistics.median(times) for name, times in seconds.items()}


def measure(name: str, given: argparse.Namespace, device: torch.device) -> dict:
    torch.manual_seed(0)
    peer = getattr(import_torchvision().models, name)().to(device).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.pth"
        torch.save(peer.state_dict(), path)
        ours = load_backbone(name, weights=path, device=device)
        runner = Runner(ours, LAYER[name], given.batch)
    images = torch.randn(given.batch, 3, 224, 224, generator=torch.Generator().manual_seed(0)).to(device)

    @torch.inference_mode()
    def theirs() -> Tensor:
        return peer(images)

    def run() -> Tensor:
        return runner(images[:, :, None])[LAYER[name]]

    expected = theirs()
    error = float((run() - expected).abs().max() / expected.abs().max())
    assert error <= BOUNDS["fp32"], (name, error)
    seconds = timed({"ours": run, "torchvision": theirs}, given.repeats, device)
    rates = {label: given.batch / one for label, one in seconds.items()}
    ratio = rates["ours"] / rates["torchvision"]
    print(
        f"{name:10s} ours {rates['ours']:8.2f} clips/s, torchvision {rates['torchvision']:8.2f}: {ratio:.2f}x, "
        f"differs by {error:.0e}; {runner.how}"
    )
    return {**rates, "ratio": ratio, "error": error, "how": runner.how}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet50", "vgg19"], choices=sorted(LAYER))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    found = {name: measure(name, given, device) for name in given.networks}
    about = {
        "benchmark": "frame_networks",
        "device": given.device,
        "batch": given.batch,
        "threads": given.threads,
    }
    if device.type == "cuda":
        about["gpu"] = torch.cuda.get_device_name(device)
    print(json.dumps(about | {"load": os.getloadavg()[0], "networks": found}))


if __name__ == "__main__":
    main()
