"""From UCF101-shaped AVI files to the mean activation of a layer: p3d-eval against two scripts, same files.

(a) a competent script: DataLoader workers decode each video once, in order; the network runs in eager mode on
    batches of a video's clips, in the same precision. The workers hand on bytes; the device resizes.
(b) the usual script: seek and decode each clip, eager fp32, one clip and one video at a time.

Run: python benchmarks/extraction.py [--network p3d199] [--videos 500] [--clips 20] [--precision bf16]
     [--device cuda] [--skip-b] [--memory]
Rates are of the videos behind the first ones to come, when workers and networks are warm; whole times are
given too. On a busy machine look at the ratio of processor time: of the main process, which on a CPU does
nearly all the work (the decoders' share is left out for ours and (a), not for (b)).
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from threading import Thread

import av
import numpy as np
import psutil
import torch
from extraction_peers import LAYER, Found, Times, competent, now, usual
from numpy.typing import NDArray

from p3d_eval.backbones import Backbone, load_backbone
from p3d_eval.features import open_features
from p3d_eval.features.extractor import run_extraction
from p3d_eval.features.ids import VideoFile
from p3d_eval.features.planning import plan_extraction
from p3d_eval.features.sampling import Sampling

HEIGHT, WIDTH, RATE, MEAN_FRAMES = 240, 320, 25, 186  # UCF101's
# Largest difference of a mean activation between two ways, of the layer's largest.
BOUNDS = {"fp32": 1e-5, "tf32": 5e-3, "bf16": 5e-2, "fp16": 1e-2}


def write_video(path: Path, seed: int) -> None:
    """A window wandering over smooth colours, with some noise: about as hard to decode as UCF101's files."""
    rng = np.random.default_rng(seed)
    frames = int(rng.integers(MEAN_FRAMES - 60, MEAN_FRAMES + 61))
    scene = np.kron(rng.integers(0, 256, (32, 40, 3)), np.ones((12, 12, 1))).astype(np.float32)
    for axis in (0, 1):
        scene = sum(np.roll(scene, shift, axis) for shift in range(-4, 5)) / 9
    with av.open(str(path), "w", format="avi") as file:
        stream = file.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, "yuv420p", 800_000
        y, x = rng.integers(0, 384 - HEIGHT), rng.integers(0, 480 - WIDTH)
        for _ in range(frames):
            y, x = np.clip((y + rng.integers(-3, 4), x + rng.integers(-3, 4)), 0, (384 - HEIGHT, 480 - WIDTH))
            image = scene[y : y + HEIGHT, x : x + WIDTH] + rng.integers(-6, 7, (HEIGHT, WIDTH, 1))
            frame = av.VideoFrame.from_ndarray(image.clip(0, 255).astype(np.uint8), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def make_videos(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"v_{index:05}.avi" for index in range(count)]
    missing = [(path, index) for index, path in enumerate(paths) if not path.exists()]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write_video, [path for path, _ in missing], [index for _, index in missing]))
    return paths


def ours(backbone: Backbone, paths: list[Path], given: argparse.Namespace, out: Path) -> Found:
    times: Times = []

    class Watch:
        """Stands for the progress bar."""

        def __enter__(self) -> "Watch":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def advance(self) -> None:
            times.append(now(started))

        def note(self, text: str) -> None:
            print(text)

        def describe(self, text: str) -> None:
            pass

    started = time.perf_counter()
    videos = [VideoFile(path.stem, path) for path in paths]
    sampling = Sampling(backbone.input_spec.clip_length, clips=given.clips)
    options = {"batch_size": given.batch, "workers": given.workers, "compiling": given.compile}
    plan = plan_extraction(backbone, videos, LAYER, out, sampling=sampling, overwrite=True, **options)
    run_extraction(plan, lambda *_: Watch())
    return np.asarray(open_features(out)[LAYER][:], np.float64), times


def warm_rates(times: Times, warm: int) -> tuple[float, float]:
    """Videos behind the first ``warm`` for a second, and for a second of the processor."""
    (wall, processor), (first_wall, first_processor) = times[-1], times[warm - 1]
    count = len(times) - warm
    return count / (wall - first_wall), count / (processor - first_processor)


def watched_memory(
    backbone: Backbone, paths: list[Path], given: argparse.Namespace, out: Path
) -> dict[str, float]:
    """Peak memory beyond the loaded network, of all processes and of the GPU: four flat layers, every clip."""
    videos = [VideoFile(path.stem, path) for path in paths]
    layers = ",".join(f"{name}:flat" for name in backbone.aslan_layers)
    sampling = Sampling(backbone.input_spec.clip_length, clips=given.clips)
    plan = plan_extraction(
        backbone, videos, layers, out, sampling=sampling, overwrite=True, per_clip=True, batch_size=given.batch
    )
    me = psutil.Process()

    def total() -> int:
        used = 0
        for process in (me, *me.children(recursive=True)):
            try:
                used += process.memory_info().rss - process.memory_info().shared * (process != me)
            except psutil.NoSuchProcess:
                continue
        return used

    before = total()
    peak = [before]
    on_gpu = backbone.device.type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats(backbone.device)
        loaded = torch.cuda.memory_allocated(backbone.device)
    stopped = False

    def watch() -> None:
        while not stopped:
            peak.append(total())
            time.sleep(0.05)

    thread = Thread(target=watch)
    thread.start()
    try:
        run_extraction(plan)
    finally:
        stopped = True
        thread.join()
    found = {"peak_gib": (max(peak) - before) / 2**30}
    if on_gpu:
        found["gpu_peak_gib"] = (torch.cuda.max_memory_allocated(backbone.device) - loaded) / 2**30
    return found


def _difference(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="p3d63")
    parser.add_argument("--videos", type=int, default=6)
    parser.add_argument("--clips", type=int, default=10)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--warm", type=int, default=2, help="videos that are not timed")
    parser.add_argument("--compile", default="auto", choices=["auto", "on", "off"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, help="where the videos are kept for the next time")
    parser.add_argument("--skip-b", action="store_true", help="leave out the usual script")
    parser.add_argument("--videos-b", type=int, default=0, help="videos of the usual script; 0: all")
    parser.add_argument("--memory", action="store_true", help="measure peak memory of four flat layers too")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    backbone = load_backbone(given.network, "random", given.device, precision=given.precision)
    temporary = Path(tempfile.mkdtemp(prefix="p3d-eval-benchmark-"))
    try:
        paths = make_videos(given.folder or temporary / "videos", given.videos)
        found = compare(backbone, paths, given, temporary)
    finally:
        shutil.rmtree(temporary)
    about = {key: value for key, value in vars(given).items() if key not in ("folder", "skip_b")}
    print(json.dumps({"benchmark": "extraction", **about, "load": os.getloadavg()[0], **found}, default=str))


def compare(backbone: Backbone, paths: list[Path], given: argparse.Namespace, temporary: Path) -> dict:
    some = paths[: given.videos_b or None]
    runs: dict[str, Callable[[], Found]] = {
        "p3d-eval": lambda: ours(backbone, paths, given, temporary / "ours.h5"),
        "(a) competent": lambda: competent(backbone, paths, given),
    }
    if not given.skip_b:
        runs["(b) usual"] = lambda: usual(backbone, some, given)
    results = {name: run() for name, run in runs.items()}
    values, times = results["p3d-eval"]
    rate, thrifty = warm_rates(times, given.warm)
    rows: dict[str, dict] = {}
    for name, (means, moments) in results.items():
        exact = "fp32" if name == "(b) usual" and backbone.precision == "fp32" else backbone.precision
        error = _difference(values[: len(means)], means)
        assert error <= BOUNDS[exact], (name, error)
        peer, processor = warm_rates(moments, max(1, min(given.warm, len(moments) // 3)))
        seconds = moments[-1][0]
        rows[name] = {"videos_per_s": peer, "seconds": seconds, "ratio": rate / peer, "difference": error}
        rows[name]["processor_ratio"] = thrifty / processor
        print(
            f"{name:14s} {peer:7.3f} videos/s warm, {seconds:7.1f} s for {len(moments)}; means differ by "
            f"{error:.0e}; p3d-eval is {rate / peer:.2f}x as fast, {thrifty / processor:.2f}x in processor time"
        )
    if given.memory:
        rows["memory"] = watched_memory(backbone, some, given, temporary / "flat.h5")
        print(", ".join(f"{name} {value:.2f}" for name, value in rows["memory"].items()))
    return {"runs": rows}


if __name__ == "__main__":
    main()
