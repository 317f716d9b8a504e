"""Work spread over Python threads, each with its own share of the arithmetic's threads."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
    the time. Streams of columns wait once. PyTorch counts threads for each calling thread (`own_threads`);
    NumPy's BLAS has one number for the process, which is given back at the end.

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
    each = max(1, threads // streams)
    pool = ThreadPoolExecutor(streams, initializer=_set_own, initargs=(each, _of_new_threads()))
    with threadpool_limits(each, user_api="blas"), pool:
        return list(pool.map(work, parts))


@contextmanager
def own_threads(count: int) -> Iterator[None]:
    """Compute on so many threads in the calling thread, and leave every other thread its number."""
    before, others = torch.get_num_threads(), _of_new_threads()
    _set_own(count, others)
    try:
        yield
    finally:
        _set_own(before, others)


def _set_own(count: int, others: int) -> None:
    """Set the calling thread's number.

    PyTorch (OpenMP) keeps one for each thread, but hands the last one that was set anywhere to threads born
    later, for good: that one is set back.
    """
    torch.get_num_threads()  # a thread takes that one at its first question, whatever was set in it before
    torch.set_num_threads(count)
    with ThreadPoolExecutor(1) as new:
        new.submit(torch.set_num_threads, others).result()


def _of_new_threads() -> int:
    """Ask a thread born now for the number of threads that it would compute on."""
    with ThreadPoolExecutor(1) as new:
        return new.submit(torch.get_num_threads).result()
