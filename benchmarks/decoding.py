"""Decoding: frames kept per second against PyAV that only decodes; jumping against going through.

    python benchmarks/decoding.py [--videos FOLDER] [--frames 186] [--rounds 5]

Every round times all ways one after the other in this process, in CPU seconds; the medians are reported. The
frames of both ways are compared first.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np

from p3d_eval.features import counting
from p3d_eval.features.decode import Frame, read_video
from p3d_eval.features.packets import index_packets
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.seeking import plan_segments, worth_seeking

CLIPS = Sampling(16)  # 20 clips of 16 frames
LONG_FRAMES = 6000  # four minutes, as ActivityNet's longest


def scene(frames: int, height: int, width: int) -> Iterator[np.ndarray]:
    """A textured background that drifts, and squares that move over it."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    ground = np.kron(small, np.ones((8, 8, 1), np.uint8))[:height, :width]
    for number in range(frames):
        image = np.roll(ground, (number // 3, number // 2), (0, 1))
        for square in range(4):
            top, left = (number * (square + 1)) % (height - 40), (number * (4 - square)) % (width - 40)
            image[top : top + 40, left : left + 40] = 60 * square
        yield image


def encode(path: Path, codec: str, frames: int, height: int, width: int, **options: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = height, width, "yuv420p", 400_000
        for image in scene(frames, height, width):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def decode_only(path: Path) -> int:
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        return sum(1 for _ in container.decode(stream))


def usual_script(path: Path) -> int:
    """What is commonly written: decode, and convert every frame."""
    with av.open(str(path), metadata_errors="replace") as container:
        return sum(len(frame.to_ndarray(format="rgb24")) > 0 for frame in container.decode(video=0))


def ours(path: Path, planes: bool) -> int:
    return sum(isinstance(item, Frame) for item in read_video(path, "v", CLIPS, planes=planes))


def going_through(path: Path) -> int:
    """The same reader, told that nothing is proven."""
    kept = counting.index_packets

    def unproven(*_arguments: object) -> None:
        raise counting.UnprovenError("not asked")

    counting.index_packets = unproven  # type: ignore[assignment]
    try:
        return ours(path, planes=True)
    finally:
        counting.index_packets = kept


def measure(ways: dict[str, Callable[[], int]], rounds: int) -> dict[str, dict[str, float]]:
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    counts = {}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.process_time()
            counts[name] = way()
            seconds[name].append(time.process_time() - started)
    return {
        name: {"frames": counts[name], "cpu_seconds": statistics.median(taken)}
        for name, taken in seconds.items()
    }


def same_frames(path: Path) -> bool:
    """Whether jumping and going through give the same frames."""
    jumped = [item for item in read_video(path, "v", CLIPS) if isinstance(item, Frame)]
    limit, counting.RETAINED_BYTES = counting.RETAINED_BYTES, 1 << 40
    whole = [item for item in read_video(path, "v", CLIPS) if isinstance(item, Frame)]
    counting.RETAINED_BYTES = limit
    return all(
        one.number == two.number and bool((one.image == two.image).all())
        for one, two in zip(jumped, whole, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, help="folder of short videos instead of a rendered one")
    parser.add_argument("--frames", type=int, default=186, help="of the rendered short video")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        short = [encode(Path(folder, "short.avi"), "mpeg4", options.frames, 240, 320)]
        if options.videos:
            short = sorted(path for path in options.videos.iterdir() if path.is_file())
        long = encode(Path(folder, "long.mp4"), "libx264", LONG_FRAMES, 240, 320, preset="veryfast")
        report(short, long, options.rounds)


def report(short: list[Path], long: Path, rounds: int) -> None:
    ways: dict[str, Callable[[], int]] = {
        "PyAV, decode only": lambda: sum(map(decode_only, short)),
        "ours, planes": lambda: sum(ours(path, planes=True) for path in short),
        "ours, RGB": lambda: sum(ours(path, planes=False) for path in short),
        "usual script (decode, to_ndarray)": lambda: sum(map(usual_script, short)),
    }
    results = measure(ways, rounds)
    base = results["PyAV, decode only"]
    for result in results.values():
        result["frames_per_second"] = round(result["frames"] / result["cpu_seconds"])
        result["seconds_over_decode_only"] = round(result["cpu_seconds"] / base["cpu_seconds"], 2)
    index = index_packets(long)
    header: Any = next(read_video(long, "v", CLIPS))
    segments = plan_segments(index, header.needed)
    same = same_frames(long)
    jumps = measure({"jumping": lambda: ours(long, True), "through": lambda: going_through(long)}, rounds)
    jumps |= measure({"packets read": lambda: len(index_packets(long).marks)}, rounds)
    for name, result in (results | jumps).items():
        print(f"{name:36} {result}")
    seconds = {name: result["cpu_seconds"] for name, result in jumps.items()}
    through = seconds["through"] / seconds["jumping"]
    assert worth_seeking(index, segments)
    decoded = sum(index.shown_at[part.numbers[-1]] - part.anchor.position + 1 for part in segments)
    a_packet = seconds["through"] / len(index.marks)
    a_jump = (seconds["jumping"] - seconds["packets read"] - decoded * a_packet) / len(segments)
    print(f"{len(segments)} jumps over {len(index.times)} frames decode {decoded} packets")
    print(f"a jump takes as long as decoding {a_jump / a_packet:.0f} packets")
    print(f"the same frames: {same}; going through takes {through:.2f} times as long as jumping")
    print(json.dumps({"short": results, "long": jumps, "same_frames": same, "through_over_jumping": through}))


if __name__ == "__main__":
    main()
