"""Finding the processes that a test started, whoever their parent is by now."""

import contextlib
import os
import time

import psutil

_VARIABLE = "P3D_EVAL_TEST_MARK"
_SECONDS = 15  # that a process may take to end


def mark() -> dict[str, str]:
    """Environment for what a test starts: it carries over to their children."""
    return {_VARIABLE: f"{os.getpid()}-{time.monotonic_ns()}"}


def left_over(marked: dict[str, str], word: str = "") -> list[str]:
    """Command lines with ``word`` of other processes with this mark that do not end by themselves."""
    late = time.monotonic() + _SECONDS
    left = [""]
    while left and time.monotonic() < late:
        time.sleep(0.1)
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if process.pid != os.getpid() and marked.items() <= process.environ().items() and word in line:
                    left.append(line)
    return left
