"""Run an extraction again and again, killing it with SIGKILL at random moments, until it comes to its end.

Usage: python -m tests.support.killing VIDEOS OUT KILLS SEED LONGEST. Every other kill is timed from the
moment when the first video is taken up, the others from the start. After each, the file is copied to
OUT.<n>.
"""

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from p3d_eval.backbones import load_backbone
from p3d_eval.features.extractor import extract
from p3d_eval.progress import Progress

NETWORK = str(Path(__file__).with_name("tiny.py")) + ":factory"


def _run(videos: Path, out: Path, begun: int) -> None:
    def begin(total: int, done: int) -> Progress:
        os.write(begun, b"!")
        return Progress("extract", total=total, unit="videos", done=done, quiet=True)

    extract(load_backbone(NETWORK), videos, "prob,res", out, batch_size=3, per_clip=True, progress=begin)


def _start(videos: Path, out: Path) -> tuple[int, int]:
    """Fork a run; return its process id and a descriptor that becomes readable when it has begun."""
    begun, begin = os.pipe()
    child = os.fork()  # the parent has no threads: it only imported, waits and kills
    if child == 0:
        os.close(begun)
        code = 1
        try:
            _run(videos, out, begin)
            code = 0
        finally:
            os._exit(code)
    os.close(begin)
    return child, begun


def main(videos: Path, out: Path, kills: int, seed: int, longest: float) -> int:
    """Kill ``kills`` runs after up to ``longest`` seconds each; let the next one finish."""
    moments = random.Random(seed)
    for number in range(kills + 1):
        child, begun = _start(videos, out)
        if number < kills:
            if number % 2 == 0:
                os.read(begun, 1)
            time.sleep(moments.uniform(0.0, longest))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(begun)
        if out.exists():
            shutil.copyfile(out, out.with_name(f"{out.name}.{number}"))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
