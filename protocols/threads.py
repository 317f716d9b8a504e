"""Work spread over Python threads, each with its own share of the arithmetic's threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits

Found = TypeVar("Found")

_COLUMNS = 32  # at least, of a stream: matrix products with fewer take as long


def in_streams(
    work: Callable[[slice], Found], columns: int, device: torch.device, threads: int, widest: int | None = None
) -> list[Found]:
    """Divide columns evenly over Python threads, and the threads of the arithmetic over these.

    Threads that share an operation wait for the slowest at each one's end; on a busy machine that is most of
    the time. Streams of columns wait once. PyTorch (OpenMP) counts threads for each calling thread, so that the
    caller's own number stays; NumPy's BLAS has one number for the process, which is given back at the end.

    Parameters
    ----------
    work : callable
        Called with a range of columns.
    columns : int
    device : torch.device
        One other than the CPU gets the ranges one after the other from the caller's thread.
    threads : int
        Of the arithmetic, all streams together.
    widest : int, optional
        Most columns of a range.

    Returns
    -------
    list
        The results in the order of the columns; which columns go together depends on the arguments alone.
    """
    streams = min(threads, max(1, columns // _COLUMNS)) if device.type == "cpu" else 1
    width = max(1, min(-(-columns // streams), widest or columns))
    parts = [slice(at, min(at + width, columns)) for at in range(0, columns, width)]
    if device.type != "cpu":
        return [work(part) for part in parts]
    before, each = torch.get_num_threads(), max(1, threads // streams)
    pool = ThreadPoolExecutor(streams, initializer=torch.set_num_threads, initargs=(each,))
    try:
        with threadpool_limits(each, user_api="blas"), pool:
            return list(pool.map(work, parts))
    finally:
        torch.set_num_threads(before)  # the number that threads born later start with
