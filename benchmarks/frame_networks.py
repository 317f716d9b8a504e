"""Clips a second of ResNet and VGG-19 on frames: ours beside torchvision's in eager mode, turn by turn.

Run: python benchmarks/frame_networks.py [--networks resnet50 vgg19] [--batch 4] [--device cuda]
Both have the same random weights and see the same frames; the answers are compared. On a CPU with one thread
the clock is the processor's, else the wall's.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor
from turns import clock, in_turn, parse, print_line

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.runner import BOUNDS, Runner

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests are not installed
from tests.support.torchvision_operators import import_torchvision

LAYER = {"resnet50": "fc", "resnet101": "fc", "resnet152": "fc", "vgg19": "fc8"}


def measure(name: str, given: argparse.Namespace) -> dict:
    device = given.device
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
    seconds = in_turn({"ours": run, "torchvision": theirs}, given.repeats, clock(device))
    rates = {label: given.batch / statistics.median(times) for label, times in seconds.items()}
    ratio = rates["ours"] / rates["torchvision"]
    print(
        f"{name:10s} ours {rates['ours']:8.2f} clips/s, torchvision {rates['torchvision']:8.2f}: {ratio:.2f}x, "
        f"differs by {error:.0e}; {runner.how}"
    )
    return {**rates, "ratio": ratio, "error": error, "how": runner.how}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["resnet50", "vgg19"], choices=sorted(LAYER))
    given = parse(parser, batch=4, repeats=5)
    print_line("frame_networks", given, {name: measure(name, given) for name in given.networks})


if __name__ == "__main__":
    main()
