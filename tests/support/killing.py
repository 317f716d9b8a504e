"""Run an extraction again and again, killing it with SIGKILL at random moments, until it comes to its end.

Usage: python -m tests.support.killing VIDEOS OUT KILLS SEED. After every kill the file is copied to OUT.<n>.
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

NETWORK = str(Path(__file__).with_name("tiny.py")) + ":factory"


def _run(videos: Path, out: Path) -> None:
    # Nothing before this fork has started a thread: the parent only imports, waits and kills.
    extract(load_backbone(NETWORK), videos, "prob,res", out, batch_size=3, per_clip=True)
    os._exit(0)


def main(videos: Path, out: Path, kills: int, seed: int, longest: float) -> int:
    """Kill ``kills`` runs after up to ``longest`` seconds each; let the next one finish."""
    moments = random.Random(seed)
    for number in range(kills + 1):
        child = os.fork()
        if child == 0:
            try:
                _run(videos, out)
            finally:
                os._exit(1)
        if number < kills:
            time.sleep(moments.uniform(0.0, longest))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if out.exists():
            shutil.copyfile(out, out.with_name(f"{out.name}.{number}"))
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
