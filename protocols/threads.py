"""Work spread over Python threads, each with its own share of the arithmetic's threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Part = TypeVar("Part")
Found = TypeVar("Found")


def in_threads(work: Callable[[Part], Found], parts: Sequence[Part], threads: int) -> list[Found]:
    """Do every part on a thread of its own, with ``threads // len(parts)`` (at least 1) for its arithmetic.

    Threads that share an operation wait for the slowest at each one's end; on a busy machine that is most of
    the time. Parts wait once. PyTorch (OpenMP) counts threads for each calling thread, so that the caller's own
    number stays; NumPy's BLAS has one number for the process, which is given back at the end.

    Parameters
    ----------
    work : callable
        Called with one part.
    parts : sequence
    threads : int
        Of the whole; no more parts than these run at once.

    Returns
    -------
    list
        The results in the order of the parts.
    """
    before, each = torch.get_num_threads(), max(1, threads // max(1, len(parts)))
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(each,))
    try:
        with threadpool_limits(each, user_api="blas"), pool:
            return list(pool.map(work, parts))
    finally:
        torch.set_num_threads(before)  # the number that threads born later start with
