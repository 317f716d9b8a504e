"""The GPU column of the speed tables: every benchmark that has one, on this machine's GPU.

Run: python benchmarks/gpu.py [--out gpu.jsonl] [--videos 520]
Half an hour to an hour, most of it for peers that the CPU holds back. Results go to --out, a line of JSON
for each benchmark; one that fails is named, and the others run. Without a GPU it says so and ends well.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

FOLDER = Path(__file__).parent


def commands(videos: int, folder: Path) -> list[list[str]]:
    """The benchmarks, quick ones first."""
    gpu = ["--device", "cuda"]
    workers = str(max(2, min(16, (os.cpu_count() or 4) - 2)))
    files = [*gpu, "--videos", str(videos), "--folder", str(folder), "--clips", "20", "--workers", workers]
    p3d199 = ["extraction.py", "--network", "p3d199", *files, "--batch", "64", "--warm", "40"]
    return [
        [
            "network_speed.py",
            *gpu,
            "--batch",
            "64",
            "--repeats",
            "10",
            "--precisions",
            "fp32",
            "tf32",
            "bf16",
            "fp16",
        ],
        [*p3d199, "--precision", "bf16", "--videos-b", "12", "--memory"],
        [*p3d199, "--precision", "fp32", "--videos-b", "12"],
        [*p3d199, "--precision", "tf32", "--skip-b"],
        ["solvers.py", *gpu, "--quick"],
    ]


def run(command: list[str], out: Path) -> bool:
    """Run a benchmark, show what it prints, keep its last line."""
    print(f"\n$ python benchmarks/{' '.join(command)}", flush=True)
    with subprocess.Popen(
        [sys.executable, str(FOLDER / command[0]), *command[1:]], stdout=subprocess.PIPE, text=True
    ) as process:
        last = ""
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line
    if process.returncode == 0 and last.startswith("{"):
        with out.open("a") as file:
            file.write(last)
        return True
    print(f"benchmarks/{command[0]} failed with status {process.returncode}")
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("gpu.jsonl"))
    parser.add_argument("--videos", type=int, default=520, help="distinct files of the extraction")
    given = parser.parse_args()
    if not torch.cuda.is_available():
        print(
            "There is no GPU here (torch.cuda.is_available() is false): nothing to measure. On a machine with"
        )
        print("an NVIDIA GPU and a torch built for it, the same command fills in the GPU column.")
        return 0
    print(f"{torch.cuda.get_device_name()}, {os.cpu_count()} cores, torch {torch.__version__}")
    with tempfile.TemporaryDirectory(prefix="p3d-eval-gpu-") as folder:
        failed = [c[0] for c in commands(given.videos, Path(folder)) if not run(c, given.out)]
    print(f"\nresults are in {given.out}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
