"""Run an extraction again and again, killing it with SIGKILL at random moments, until it comes to its end.

Usage: python -m tests.support.killing VIDEOS OUT KILLS SEED LONGEST. A kill comes up to LONGEST seconds after
the start, after the first video is taken up, or after one more video is stored, in turns. After each, the file
is copied to OUT.<n>.
"""

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

from p3d_eval.backbones import load_backbone
from p3d_eval.features.extractor import extract
from p3d_eval.progress import Progress

NETWORK = str(Path(__file__).with_name("tiny.py")) + ":factory"


class _Telling(Progress):
    """A progress that writes a byte when the run begins and for every video that is stored."""

    def __init__(self, told: int, total: int, done: int) -> None:
        super().__init__("extract", total=total, unit="videos", done=done, quiet=True)
        self._told = told
        os.write(told, b"!")

    def advance(self, steps: int = 1) -> None:
        super().advance(steps)
        os.write(self._told, b"!")


def _run(videos: Path, out: Path, told: int) -> None:
    def begin(total: int, done: int) -> Progress:
        return _Telling(told, total, done)

    options = {"batch_size": 3, "per_clip": True, "workers": 1}
    extract(load_backbone(NETWORK), videos, "prob,res", out, progress=begin, **options)


def _start(videos: Path, out: Path, threads: int) -> tuple[int, int]:
    """Fork a run; return its process id and a descriptor to read `_Telling`'s bytes from."""
    heard, told = os.pipe()
    child = os.fork()  # the parent has no threads: OpenMP's would be missing in the child, which waits for them
    if child == 0:
        os.close(heard)
        code = 1
        try:
            torch.set_num_threads(threads)
            _run(videos, out, told)
            code = 0
        finally:
            os._exit(code)
    os.close(told)
    return child, heard


def main(videos: Path, out: Path, kills: int, seed: int, longest: float) -> int:
    """Kill ``kills`` runs after up to ``longest`` seconds each; let the next one finish."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    load_backbone(NETWORK).request_shapes("res")  # loads much of torch, here and not in every child
    moments = random.Random(seed)
    for number in range(kills + 1):
        child, heard = _start(videos, out, threads)
        if number < kills:
            for _ in range(number % 3):
                os.read(heard, 1)  # nothing comes where the run ended meanwhile
            time.sleep(moments.uniform(0.0, longest))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(heard)
        if out.exists():
            shutil.copyfile(out, out.with_name(f"{out.name}.{number}"))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
