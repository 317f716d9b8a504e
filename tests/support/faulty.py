"""A reader that does what a video's id says before it reads: for decoders that crash, hang or have bugs."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from p3d_eval.features.decode import read_video

READER = f"{__name__}:read"


def read(path, video_id, sampling, **options):
    """Read a video; ``crash``, ``hang``, ``bug`` or ``memory`` in its id happens after the first frame."""
    fault = video_id.rsplit("/", 1)[-1].split("-")[0]
    for given, item in enumerate(read_video(path, video_id, sampling, **options)):
        yield replace(item, notice="read otherwise") if fault == "notice" and given == 0 else item
        if given == 1:
            _go_wrong(fault, Path(path))


def _go_wrong(fault: str, path: Path) -> None:
    if fault == "crash" or (fault == "crashonce" and not path.with_suffix(".crashed").exists()):
        path.with_suffix(".crashed").touch()
        os.kill(os.getpid(), signal.SIGSEGV)
    elif fault == "hang":
        time.sleep(600)
    elif fault == "memory":
        raise MemoryError("a frame of 2 TB")
    elif fault == "bug":
        raise TypeError("no such thing")
