"""Decoders as this process sees them: a process each, or a thread where processes are not wanted."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.features.arena import Arena, make_shared_memory
from p3d_eval.features.blocks import Block, Job, Message, Ready

_START = "import sys; sys.path[:] = {path!r}; from p3d_eval.features.decode_worker import main; main({ends})"
_LAST_WORDS = 300  # characters of a dead decoder's standard error that are shown


class Decoder:
    """A decoder at the other end of a connection.

    Parameters
    ----------
    process : bool
        A process, which can be ended when it hangs and whose crash is not ours, or a thread.
    """

    def __init__(self, process: bool) -> None:
        ours, theirs = socket.socketpair()
        memory = make_shared_memory()
        self.arena = Arena(os.dup(memory))
        self.connection = Connection(ours.detach())
        self.inbox: deque[Message] = deque()
        self.ready = False
        self.ended = False
        self.on_loan = 0  # slabs that the decoder waits to get back
        self._errors: Any = None
        self._process: subprocess.Popen[bytes] | None = None
        if process:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (read when the process ended)
            self._process = self._start(theirs, memory)
            theirs.close()
            os.close(memory)
        else:
            _start_thread(theirs, memory)

    def _start(self, theirs: socket.socket, memory: int) -> "subprocess.Popen[bytes]":
        # Not multiprocessing: it would run the user's script again in every process.
        code = _START.format(
            path=[path or str(Path.cwd()) for path in sys.path], ends=f"{theirs.fileno()}, {memory}"
        )
        return subprocess.Popen(  # noqa: S603  (our own words)
            [sys.executable, "-c", code],
            pass_fds=(theirs.fileno(), memory),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},  # numpy's pool of threads
            process_group=0,  # Ctrl-C is for us: we end our decoders
        )

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
        """How a process ended: its signal or exit status, and the end of what it wrote."""
        if self._process is None:
            return "its thread ended"
        status = self._process.wait()
        how = f"exit status {status}"
        if status < 0:
            how = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        self._errors.seek(0)
        words = self._errors.read().decode("utf-8", "replace").strip()
        return f"{how}: {words[-_LAST_WORDS:]}" if words else how

    def close(self) -> None:
        """End the decoder, whatever it is doing; a thread ends when it next looks."""
        self.ended = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._errors.close()
        self.connection.close()
        self.arena.close()


def _start_thread(theirs: socket.socket, memory: int) -> None:
    from p3d_eval.features.decode_worker import DecodeWorker

    connection = Connection(theirs.detach())

    def serve() -> None:
        with connection:
            DecodeWorker(connection, Arena(memory), exits=False).serve()

    threading.Thread(target=serve, name="decoder", daemon=True).start()


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
