"""Extract one video; print the peaks of resident memory in bytes: this process's, and its decoders' together.

Usage: python -m tests.support.resident VIDEO OUT KIND
"""

import re
import sys
from pathlib import Path

from p3d_eval.backbones import load_backbone
from p3d_eval.features import decoders
from p3d_eval.features.extractor import extract
from p3d_eval.features.ids import VideoFile
from p3d_eval.features.sampling import Sampling

NETWORK = str(Path(__file__).with_name("tiny.py")) + ":factory"
_KB = 1024


def main(video: str, out: str, kind: str) -> None:
    """Extract with one decoder."""
    sampling = Sampling(4, kind=kind)
    extract(
        load_backbone(NETWORK), [VideoFile("v", Path(video))], "res", Path(out), sampling=sampling, workers=1
    )
    children = sum(_peak(str(decoder.pid)) for decoder in decoders._idle)
    sys.stdout.write(f"{_peak('self')} {children}\n")


def _peak(process: str) -> int:
    """Read the peak of this program alone: getrusage's is that of the process that started it, if larger."""
    status = Path(f"/proc/{process}/status").read_text()
    return _KB * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
