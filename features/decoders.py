"""Decoders as this process sees them: a process each, or a thread where processes are not wanted."""

import atexit
import os
import socket
import threading
from collections import deque
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.child_process import ChildProcess
from p3d_eval.features.arena import Arena, make_shared_memory
from p3d_eval.features.blocks import Block, Job, Message, Ready

_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # numpy's pool


class Decoder:
    """A decoder at the other end of a connection.

    Parameters
    ----------
    process : bool
        A process, which can be ended when it hangs and whose crash is not ours, or a thread.
    """

    def __init__(self, process: bool) -> None:
        memory = make_shared_memory()
        self.arena = Arena(os.dup(memory))
        self.inbox: deque[Message] = deque()
        self.ready = False
        self.ended = False
        self.on_loan = 0  # slabs that the decoder waits to get back
        self._process: ChildProcess | None = None
        if process:
            self._process = ChildProcess(
                "p3d_eval.features.decode_worker", memory, descriptors=(memory,), environment=_THREADS
            )
            self.connection = self._process.connection
            os.close(memory)
        else:
            self.connection = _start_thread(memory)

    @property
    def pid(self) -> int | None:
        """Process id; None for a thread."""
        return None if self._process is None else self._process.pid

    def receive(self) -> None:
        """Move all messages that have come to the inbox."""
        try:
            while not self.ended and self.connection.poll():
                message = self.connection.recv()
                if isinstance(message, Ready):
                    self.ready = True
                    continue
                self.on_loan += isinstance(message, Block)
                self.inbox.append(message)
        except (EOFError, OSError):
            self.ended = True

    def frames(self, block: Block) -> NDArray[np.uint8]:
        """Bytes of the frames in a block, a row each; they stay readable when the decoder ends."""
        self.arena.follow(block.slab_bytes)
        size = block.form.nbytes
        count = len(block.numbers)
        return self.arena.slab(block.slab)[: count * size].reshape(count, size)

    def release(self, block: Block) -> None:
        """Give a slab back."""
        self.on_loan -= 1
        self.send(block.slab)

    def send(self, item: Job | int) -> None:
        """Send a job, or the number of a free slab; that a decoder has just ended is found by `receive`."""
        try:
            self.connection.send(item)
        except OSError:
            self.ended = True

    def last_words(self) -> str:
        """How it ended: a process's signal or exit status, and the end of what it wrote."""
        return "its thread ended" if self._process is None else self._process.last_words()

    def close(self) -> None:
        """End the decoder, whatever it is doing; a thread ends when it next looks."""
        self.ended = True
        if self._process is None:
            self.connection.close()
        else:
            self._process.close()
        self.arena.close()


def _start_thread(memory: int) -> "Connection[Any, Any]":
    from p3d_eval.features.decode_worker import DecodeWorker

    ours, theirs = (Connection(end.detach()) for end in socket.socketpair())

    def serve() -> None:
        with theirs:
            DecodeWorker(theirs, Arena(memory), exits=False).serve()

    threading.Thread(target=serve, name="decoder", daemon=True).start()
    return ours


_idle: list[Decoder] = []
_idle_lock = threading.Lock()
os.register_at_fork(after_in_child=_idle.clear)  # they belong to the parent


def borrow_decoder() -> Decoder:
    """Take a process that an earlier run left idle, or start one: many small runs share their processes."""
    with _idle_lock:
        while _idle:
            decoder = _idle.pop()
            decoder.receive()
            if not decoder.ended:
                return decoder
            decoder.close()
    return Decoder(process=True)


def return_decoder(decoder: Decoder) -> None:
    """Keep a process that has nothing to do for the next run; it ends with this process."""
    with _idle_lock:
        _idle.append(decoder)


@atexit.register
def end_idle_decoders() -> None:
    """End the processes that are kept for the next run."""
    with _idle_lock:
        while _idle:
            _idle.pop().close()
