"""Where to compute: a device by the name that users type, and what to do when its memory is full."""

from collections.abc import Callable
from typing import TypeVar

import torch

from p3d_eval.errors import UserError, did_you_mean

Found = TypeVar("Found")


def find_device(device: str | torch.device | None) -> torch.device:
    """Return the device called ``cpu`` (or None), ``cuda``, ``cuda:1``, or ``auto``: CUDA where there is one.

    A CUDA device always has its number, as the tensors on it have: the two can be compared.

    Raises
    ------
    UserError
        When PyTorch does not know the device, or this machine does not have it.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device or "cpu")
    except RuntimeError as error:
        guess = did_you_mean(str(device), ("auto", "cpu", "cuda"))
        raise UserError(f"device: {device!r} is unknown", f"{guess}Choose auto, cpu or cuda") from error
    if found.type not in ("cpu", "cuda"):
        raise UserError(f"device: {device!r} is not supported", "Choose auto, cpu or cuda")
    if found.type == "cpu" and found.index is not None:
        raise UserError(
            f"device: {device!r}: a CPU has no number", "Choose cpu; extract --processes N runs several"
        )
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device: {device!r} is not available ({torch.cuda.device_count()} CUDA devices were found)",
            "Choose cpu or auto",
        )
    return torch.device("cuda", found.index or 0) if found.type == "cuda" else found


def in_halves(work: Callable[[int, int], Found], start: int, stop: int) -> list[Found]:
    """Call ``work(start, stop)``; where the device's memory does not suffice, for each half of the range.

    Parameters
    ----------
    work : callable
        Leaves nothing behind when it raises.
    start, stop : int
        What to divide, for example columns; at least one.

    Returns
    -------
    list
        What the calls returned, in the order of the range.

    Raises
    ------
    UserError
        When the device's memory does not suffice for one.
    """
    try:
        return [work(start, stop)]
    except torch.OutOfMemoryError:
        if stop - start <= 1:
            raise UserError(
                "out of memory on the device even with the smallest blocks", "Use --device cpu"
            ) from None
    torch.cuda.empty_cache()  # outside of the handler, whose traceback holds what is to be freed
    middle = (start + stop) // 2
    return in_halves(work, start, middle) + in_halves(work, middle, stop)
