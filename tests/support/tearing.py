"""Run extractions in which one write is torn: part of it reaches the file, then the process dies or is told.

Usage: python -m tests.support.tearing VIDEOS OUT CASES SEED. Each case begins a file, tears a write of it,
copies what is left to OUT.<n>.torn, and lets the same run again come to its end, at OUT.<n>.
"""

import errno
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from p3d_eval.backbones import load_backbone
from p3d_eval.errors import UserError
from p3d_eval.features.extractor import extract

NETWORK = str(Path(__file__).with_name("tiny.py")) + ":factory"
WRITES = 160  # about as many as a run of four videos needs, those that make the file among them
REFUSED = 2  # exit code of a run that the disk failed


def _run(videos: Path, out: Path) -> None:
    extract(load_backbone(NETWORK), videos, "prob,res", out, batch_size=3, per_clip=True, workers=1)


def _tear(write: int, share: float, fatal: bool) -> None:
    """Let the ``write``-th write from now leave only a share of its bytes, and be the last one."""
    pwrite, left = os.pwrite, write

    def torn(descriptor: int, data: memoryview, place: int) -> int:
        nonlocal left
        left -= 1
        if left > 0:
            return pwrite(descriptor, data, place)
        if left == 0:
            pwrite(descriptor, data[: int(share * len(data))], place)
            if fatal:
                os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.EIO, "Input/output error")

    os.pwrite = torn


def _in_child(work: Callable[[], None]) -> int:
    """Run something in a fork (this process has imported and has no threads); return how it exited."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except UserError:
            code = REFUSED
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(videos: Path, out: Path, cases: int, seed: int) -> int:
    """Tear one write in each of so many runs, every other one fatally."""
    load_backbone(NETWORK).request_shapes("res")  # loads much of torch, here and not in every child
    chance = random.Random(seed)
    for number in range(cases):
        write, share, fatal = chance.randint(1, WRITES), chance.random(), number % 2 == 0

        def torn(write: int = write, share: float = share, fatal: bool = fatal) -> None:
            _tear(write, share, fatal)
            _run(videos, out)

        code = _in_child(torn)
        if code not in (0, -signal.SIGKILL if fatal else REFUSED):
            return 1
        if out.exists():
            shutil.copyfile(out, out.with_name(f"{out.name}.{number}.torn"))
        if _in_child(lambda: _run(videos, out)):
            return 1
        out.rename(out.with_name(f"{out.name}.{number}"))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
