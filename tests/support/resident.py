"""Extract one video; print the peaks of resident memory in bytes: this process's, and its decoders' together.

Usage: python -m tests.support.resident VIDEO OUT KIND
"""

import re
import resource
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
    peaks = [Path(f"/proc/{decoder.pid}/status").read_text() for decoder in decoders._idle]
    children = sum(_KB * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) for status in peaks)
    own = _KB * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"{own} {children}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
