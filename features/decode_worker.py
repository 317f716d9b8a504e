"""A decoder: takes videos, writes the frames that clips need into shared memory; loads no torch.

As a process it is started with the numbers of two inherited descriptors, its connection and its shared
memory, and ends when the other end of the connection is closed, whatever it is doing.
"""

import os
import queue
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from p3d_eval.errors import P3DEvalError
from p3d_eval.features.arena import Arena, slab_size
from p3d_eval.features.blocks import Block, Bug, End, Form, Job, Message, Ready, Refusal, form_of
from p3d_eval.features.decode_error import DecodeError
from p3d_eval.features.images import converting
from p3d_eval.features.requests import Frame, VideoHeader


class DecodeWorker:
    """Serve one connection until it is closed.

    Parameters
    ----------
    connection : Connection
        Jobs and numbers of free slabs come in, messages go out.
    arena : Arena
        Where frames go.
    exits : bool
        Whether the process ends at once when the connection is closed: a decoder may hang for ever.
    """

    def __init__(self, connection: Connection, arena: Arena, exits: bool) -> None:
        self.arena = arena
        self.send = connection.send
        self.seconds: dict[str, float] = {}
        self._connection = connection
        self._exits = exits
        self._jobs: queue.Queue[Job | None] = queue.Queue()
        self._free: queue.Queue[int | None] = queue.Queue()
        self._stopped = False

    def serve(self) -> None:
        """Decode what comes; return when the connection is closed."""
        threading.Thread(target=self._listen, name="decoder-listens", daemon=True).start()
        with suppress(OSError):  # nobody listens any more
            self.send(Ready())
            while (job := self._jobs.get()) is not None:
                self.send(self._run(job))

    def _listen(self) -> None:
        try:
            while True:
                item = self._connection.recv()
                (self._jobs if isinstance(item, Job) else self._free).put(item)
        except (EOFError, OSError):
            if self._exits:
                os._exit(0)
            self._stopped = True
            self._jobs.put(None)
            self._free.put(None)

    def is_set(self) -> bool:
        """Take the place of the event that stops a reader, and note that the reader is alive."""
        self.arena.beat()
        return self._stopped

    def _run(self, job: Job) -> Message:
        self.seconds = {}
        reason = None
        try:
            self._decode(job)
        except DecodeError as error:
            reason = str(error)
        except P3DEvalError as error:
            return Refusal(error)
        except MemoryError as error:
            reason = f"needs more memory than there is{f': {error}' if str(error) else ''}"
        except Exception as error:  # noqa: BLE001  (raised again where the results are used)
            return Bug(f"{type(error).__name__}: {error}", traceback.format_exc())
        return End(reason, self.seconds)

    def _decode(self, job: Job) -> None:
        items = _reader(job.reader)(
            Path(job.path), job.id, job.sampling, decoder=job.decoder, planes=job.planes, stopped=self
        )
        with _BlockWriter(self) as block:
            for item in self._timed(items):
                if isinstance(item, VideoHeader):
                    self.send(item)
                    if job.count_only:
                        return
                elif item.number > job.after:
                    block.add(item)
            block.flush()

    def _timed(self, items: Iterator[VideoHeader | Frame]) -> Iterator[VideoHeader | Frame]:
        while True:
            began, converted = time.perf_counter(), converting.seconds
            item = next(items, None)
            converted = converting.seconds - converted
            self.seconds["convert"] = self.seconds.get("convert", 0.0) + converted
            self.count("decode", began + converted)
            if item is None:
                return
            yield item

    def count(self, stage: str, began: float) -> None:
        """Add the time since ``began`` (``perf_counter``) to a stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began

    def take_slab(self) -> int:
        """Wait for a free slab.

        Raises
        ------
        DecodeError
            When the connection was closed.
        """
        began = time.perf_counter()
        slab = self._free.get()
        self.count("decoder waits", began)
        if slab is None:
            raise DecodeError("stopped")
        return slab

    def give_back(self, slab: int) -> None:
        """Free a slab that was taken and not sent."""
        self._free.put(slab)

    def make_room(self, frame_bytes: int) -> None:
        """Size the slabs for a video's frames; where that changes them, once all are free."""
        if self.arena.slab_bytes == slab_size(frame_bytes):
            return
        for _ in range(self.arena.slabs):
            self.take_slab()
        self.arena.lay_out(slab_size(frame_bytes))
        for slab in range(self.arena.slabs):
            self._free.put(slab)


class _BlockWriter:
    """Gather a video's frames in slabs; send a slab when it is full or the form of frames changes."""

    def __init__(self, worker: DecodeWorker) -> None:
        self._worker = worker
        self._slab: int | None = None
        self._form: Form | None = None
        self._numbers: list[int] = []

    def __enter__(self) -> "_BlockWriter":
        return self

    def add(self, frame: Frame) -> None:
        """Copy a frame into shared memory."""
        form = form_of(frame.image)
        if form != self._form:
            self.flush()
            self._worker.make_room(form.nbytes)
            self._form = form
        if self._slab is None:
            self._slab = self._worker.take_slab()
        began = time.perf_counter()
        at = len(self._numbers) * form.nbytes
        form.write(frame.image, self._worker.arena.slab(self._slab)[at : at + form.nbytes])
        self._numbers.append(frame.number)
        self._worker.count("hand over", began)
        if at + 2 * form.nbytes > self._worker.arena.slab_bytes:
            self.flush()

    def flush(self) -> None:
        """Send the frames gathered so far."""
        if self._slab is not None and self._form is not None:
            slab_bytes = self._worker.arena.slab_bytes
            self._worker.send(Block(self._slab, slab_bytes, tuple(self._numbers), self._form))
            self._slab = None
            self._numbers = []

    def __exit__(self, *_: object) -> None:
        if self._slab is not None:
            self._worker.give_back(self._slab)


@cache
def _reader(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(import_module(module), function)


def main(connection: int, memory: int) -> None:
    """Run a decoder on inherited descriptors."""
    DecodeWorker(Connection(connection), Arena(memory), exits=True).serve()
