"""Frames a second into shared memory: a thread of this process against one, two, … decoding processes.

Run: python -m benchmarks.decode_workers [--videos 24] [--workers 0 1 2]

Files are UCF101's in shape (320 × 240, MPEG-4 in AVI, 186 frames, 20 clips of 16 frames). Every setting
reads all of them in turns, three times; the best is shown. The consumer adds up one byte of each frame, and the
sums of all settings must be the same.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from p3d_eval.features.blocks import Job
from p3d_eval.features.decoding import DecoderPool, Loan
from p3d_eval.features.meter import Meter
from p3d_eval.features.sampling import Sampling
from tests.support.videos import make_video

FRAMES, HEIGHT, WIDTH = 186, 240, 320
REPEATS = 3


def make_files(folder: Path, count: int) -> list[Path]:
    """Encode ``count`` videos of moving texture."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    texture = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    files = []
    for number in range(count):
        images = (np.roll(texture, (step + number, 2 * step), (0, 1)) for step in range(FRAMES))
        files.append(make_video(folder / f"v_{number:03}.avi", images))
    return files


def read_all(files: list[Path], workers: int) -> tuple[int, int, float]:
    """Decode all files; return frames given, a checksum, and seconds."""
    sampling = Sampling(16, clips=20)
    jobs = ((row, Job(str(path), path.stem, sampling)) for row, path in enumerate(files))
    began = time.perf_counter()
    frames = check = 0
    with DecoderPool(jobs, workers, 0.0, Meter()) as pool:
        for stream in pool:
            for item in pool.read(stream):
                if isinstance(item, Loan):
                    frames += len(item.frames)
                    check += int(item.frames[:, :: item.frames.shape[1] // 7].sum())
                    item.release()
    return frames, check, time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=24)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    rates: dict[int, float] = dict.fromkeys(arguments.workers, 0.0)
    checks = set()
    with tempfile.TemporaryDirectory() as folder:
        files = make_files(Path(folder), arguments.videos)
        for _ in range(REPEATS):
            for workers in rates:
                frames, check, seconds = read_all(files, workers)
                checks.add((frames, check))
                rates[workers] = max(rates[workers], frames / seconds)
    if len(checks) != 1:
        raise SystemExit(f"the frames differ: {checks}")
    for workers, rate in rates.items():
        print(f"--workers {workers}: {rate:8.0f} frames/s, {rate / rates[arguments.workers[0]]:.2f} ×")
    print(json.dumps({"benchmark": "decode_workers", "frames_per_second": rates}))


if __name__ == "__main__":
    main()
