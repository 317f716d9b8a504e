"""Let the C library keep the memory that a network frees after every batch."""

import ctypes
import sys

# glibc, malloc.h: the largest number of blocks taken with mmap, and the free memory kept at the heap's top.
_M_MMAP_MAX = -4
_M_TRIM_THRESHOLD = -1
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Serve large blocks from the heap and never give its top back to the system.

    Activations of tens of megabytes are otherwise mapped and returned for every layer of every batch,
    each time with a page fault for every 4 KiB. The process keeps its peak memory until it ends, so this
    is for programs, not for libraries: only commands call it.

    Returns
    -------
    bool
        Whether the C library took the advice; only glibc does.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))


def release_freed_memory() -> bool:
    """Return to the system what has been freed, kept or not; False where the C library cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):
        return False
    return bool(trim(0))
