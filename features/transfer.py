"""Frames to the device and results back; on a GPU beside the computation, from and to pinned memory."""

import time
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from p3d_eval.features.decoding import Loan
from p3d_eval.features.meter import Meter


class Upload:
    """Bring decoded frames to the device, on a stream of its own where it is a GPU.

    Parameters
    ----------
    device : torch.device
        Where to.
    meter : Meter
        Notes the stage ``copy``.
    """

    def __init__(self, device: torch.device, meter: Meter) -> None:
        self.device = device
        self._meter = meter
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._network = torch.cuda.current_stream(device) if device.type == "cuda" else None
        self._flying: deque[tuple[Any, Loan]] = deque()
        self._pinned: set[int] = set()

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Run what is inside on this stream."""
        if self._stream is None:
            yield
        else:
            with torch.cuda.stream(self._stream):
                yield

    def bytes_of(self, loan: Loan) -> Tensor:
        """Return the frames' bytes on the device, a row each; on a CPU a view of the loan."""
        flat = torch.from_numpy(loan.frames)
        if self._stream is None:
            return flat
        _pin(loan.frames, self._pinned)
        with self._meter.stage("copy"):
            return flat.to(self.device, non_blocking=True)

    def give_back(self, loan: Loan) -> None:
        """Return a loan once what this stream does with it is done."""
        if self._stream is None:
            loan.release()
        else:
            self._flying.append((self.fence(), loan))

    def sweep(self) -> None:
        """Return the loans whose copies are done."""
        while self._flying and self._flying[0][0].query():
            self._flying.popleft()[1].release()

    def drain(self) -> None:
        """Wait for all copies and return their loans: the decoder may have nothing left to write to."""
        while self._flying:
            fence, loan = self._flying.popleft()
            fence.synchronize()
            loan.release()

    def share(self, tensors: list[Tensor]) -> None:
        """Tell the allocator that the network's stream uses these tensors of this stream."""
        if self._network is not None:
            for tensor in tensors:
                tensor.record_stream(self._network)

    def fence(self) -> Any:
        """Mark this moment of the stream; the network's stream waits for it (`wait_for`)."""
        return None if self._stream is None else self._stream.record_event()


def wait_for(fence: Any, device: torch.device) -> None:
    """Let the current stream wait for a mark of another one."""
    if fence is not None:
        torch.cuda.current_stream(device).wait_event(fence)


def _pin(frames: NDArray[np.uint8], pinned: set[int]) -> None:
    """Register the mapping behind ``frames`` with CUDA, so that copies from it run beside the CPU.

    Where the system refuses, copies are merely slower.
    """
    owner: Any = frames
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    address = owner.ctypes.data
    if address in pinned:
        return
    runtime = torch.cuda.cudart()
    pinned.add(address)
    if int(runtime.cudaHostRegister(address, owner.nbytes, 0)) == 0:
        weakref.finalize(owner, _unpin, address, pinned).atexit = False  # CUDA is gone by then


def _unpin(address: int, pinned: set[int]) -> None:
    pinned.discard(address)
    torch.cuda.cudart().cudaHostUnregister(address)


class Download:
    """Tensors on their way to the host.

    Parameters
    ----------
    tensors : mapping
        Anything → tensor on one device.
    """

    def __init__(self, tensors: Mapping[Any, Tensor]) -> None:
        self._host = {}
        self._event = None
        for name, tensor in tensors.items():
            if tensor.device.type != "cuda":
                self._host[name] = tensor
                continue
            self._host[name] = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host[name].copy_(tensor, non_blocking=True)
            self._event = torch.cuda.current_stream(tensor.device).record_event()

    def arrays(self) -> dict[Any, NDArray[Any]]:
        """Wait for the tensors and return them as arrays."""
        if self._event is not None:
            self._event.synchronize()
        return {name: tensor.numpy() for name, tensor in self._host.items()}


class Stopwatch:
    """Time that the device needs for one thing after the other, measured on the device itself.

    Parameters
    ----------
    device : torch.device
        On a GPU its events are used: this thread is ahead of it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._marks = [("", self._now())]

    def _now(self) -> Any:
        if self._device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    def lap(self, name: str) -> None:
        """Note that the work since the last lap was ``name``."""
        self._marks.append((name, self._now()))

    def seconds(self) -> dict[str, float]:
        """Wait for the last lap; return the seconds of each."""
        if self._device.type == "cuda":
            self._marks[-1][1].synchronize()
        spans = zip(self._marks, self._marks[1:], strict=False)
        return {name: self._between(before, after) for (_, before), (name, after) in spans}

    def _between(self, before: Any, after: Any) -> float:
        if self._device.type == "cuda":
            return float(before.elapsed_time(after)) / 1000
        return float(after - before)
