"""How fast a network runs here, and how much memory it needs: measured as extraction runs it."""

import gc
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from p3d_eval.allocator import release_freed_memory
from p3d_eval.backbones.backbone import Backbone, LayerTexts
from p3d_eval.backbones.runner import Runner, example_batch
from p3d_eval.errors import UserError, counted

_KIB = 1024
_RESET_PEAK = "5"  # proc_pid_clear_refs(5): the peak of resident memory becomes what is resident now


@dataclass(frozen=True)
class Speed:
    """One way to run a network, timed.

    Parameters
    ----------
    precision : str
        ``fp32``, ``tf32``, ``bf16`` or ``fp16``.
    batch_size : int
        Clips in a batch.
    seconds : tuple of float
        Wall-clock seconds of each timed batch; empty where it could not run.
    peak_bytes : int or None
        Largest memory while the batches ran: allocated on the GPU, or resident of this whole process on a CPU;
        None where the system does not tell.
    how : str
        How it ran: as a rewritten graph, compiled, as written.
    failure : str
        Why it could not run.
    """

    precision: str
    batch_size: int
    seconds: tuple[float, ...]
    peak_bytes: int | None
    how: str
    failure: str = ""

    @property
    def clips_per_second(self) -> tuple[float, ...]:
        """Of each timed batch."""
        return tuple(self.batch_size / seconds for seconds in self.seconds)


def measure_speed(
    backbone: Backbone, layers: LayerTexts, batch_size: int, repeats: int = 5, compiling: str = "auto"
) -> Speed:
    """Time batches of prepared clips that are already on the device, after one that warms up.

    Decoding, resizing and the way back to the host are not in it: this is the network alone.

    Parameters
    ----------
    backbone : Backbone
        The network; its precision is used.
    layers : str or sequence of str
        As far as which layers it runs.
    batch_size, repeats : int
        Clips in a batch; batches that are timed.
    compiling : {"auto", "on", "off"}
        As `Runner` takes it.

    Returns
    -------
    Speed
        With ``failure`` where the memory of the device does not hold the batch.

    Raises
    ------
    UserError
        When a layer or the way to compile is unknown, or a number is not positive.
    """
    if min(batch_size, repeats) < 1:
        raise UserError(f"batch size {batch_size}, repeats {repeats}", "Both must be 1 at least")
    try:
        return _timed(backbone, layers, batch_size, repeats, compiling)
    except (torch.OutOfMemoryError, MemoryError) as error:
        failure = f"out of memory with {counted(batch_size, 'clip')} in a batch ({type(error).__name__})"
    _free(backbone.device)
    return Speed(backbone.precision, batch_size, (), None, "not at all", failure)


def _timed(backbone: Backbone, layers: LayerTexts, batch_size: int, repeats: int, compiling: str) -> Speed:
    runner = Runner(backbone, layers, batch_size, compiling)
    x = example_batch(backbone, batch_size)
    now = _clock(backbone.device)
    _free(backbone.device)
    peak = _start_peak(backbone.device)
    runner(x)  # warms up
    seconds = []
    for _ in range(repeats):
        began = now()
        runner(x)
        seconds.append(now() - began)
    return Speed(backbone.precision, batch_size, tuple(seconds), peak(), runner.how)


def _clock(device: torch.device) -> Callable[[], float]:
    """Wall-clock seconds, once a GPU has done all that it was given."""
    if device.type != "cuda":
        return time.perf_counter

    def now() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return now


def _free(device: torch.device) -> None:
    """Give back what earlier measurements left, which would count as this one's."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    release_freed_memory()


def _start_peak(device: torch.device) -> Callable[[], int | None]:
    """Forget the peak of memory so far; return how to read the new one, in bytes."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return lambda: torch.cuda.max_memory_allocated(device)
    try:
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    except OSError:  # not Linux, or not allowed
        return lambda: None
    return _resident_peak


def _resident_peak() -> int | None:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return None if found is None else _KIB * int(found[1])
