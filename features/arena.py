"""Shared memory between a decoder and the process that uses its frames: nameless, so that none is left over."""

import mmap
import os
import struct
import tempfile

import numpy as np
from numpy.typing import NDArray

ARENA_BYTES = 64 << 20  # of one decoder; two frames where these are larger
SLAB_BYTES = 8 << 20  # frames go over in blocks of so many bytes; one frame where it is larger
_HEADER_BYTES = mmap.ALLOCATIONGRANULARITY
_COUNTER = struct.Struct("=Q")


def make_shared_memory() -> int:
    """Open a file without a name in memory; it is gone with the last process that has it open.

    The limit of /dev/shm does not hold for it. Where the system has no memfd, it is a deleted temporary
    file.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create("p3d-eval-frames", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def slab_size(frame_bytes: int) -> int:
    """Bytes of a slab for frames of this size."""
    return max(SLAB_BYTES, -(-frame_bytes // mmap.PAGESIZE) * mmap.PAGESIZE)


class Arena:
    """One end of a decoder's shared memory: a pulse, and slabs of equal size that hold frames.

    The decoder lays the slabs out for the frames of a video (`lay_out`), only while all of them are
    free; the reader follows with the size that each block names (`follow`).

    Parameters
    ----------
    descriptor : int
        From `make_shared_memory`; the arena owns it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        if os.fstat(descriptor).st_size < _HEADER_BYTES:
            os.ftruncate(descriptor, _HEADER_BYTES)
        self._header = mmap.mmap(descriptor, _HEADER_BYTES)
        self._beats = 0
        self.slab_bytes = 0
        self.data: NDArray[np.uint8] = np.empty(0, np.uint8)

    @property
    def slabs(self) -> int:
        """Number of slabs at the present size."""
        return max(2, ARENA_BYTES // self.slab_bytes) if self.slab_bytes else 0

    def beat(self) -> None:
        """Say that decoding goes on."""
        self._beats += 1
        _COUNTER.pack_into(self._header, 0, self._beats)

    @property
    def pulse(self) -> int:
        """How often the decoder called `beat`."""
        return int(_COUNTER.unpack_from(self._header, 0)[0])

    def lay_out(self, slab_bytes: int) -> None:
        """Set memory aside for slabs of this size; all slabs must be free.

        Raises
        ------
        MemoryError
            When there is not enough.
        """
        self.data = np.empty(0, np.uint8)
        self.slab_bytes = slab_bytes
        size = _HEADER_BYTES + self.slabs * slab_bytes
        try:
            os.ftruncate(self._descriptor, size)
            if hasattr(os, "posix_fallocate"):  # an error here, where writing would end the process
                os.posix_fallocate(self._descriptor, 0, size)
        except OSError as error:
            self.slab_bytes = 0
            raise MemoryError(f"no shared memory of {size} bytes") from error
        self._map()

    def follow(self, slab_bytes: int) -> bool:
        """See what the decoder laid out; return whether it is new."""
        if slab_bytes == self.slab_bytes:
            return False
        self.slab_bytes = slab_bytes
        self._map()
        return True

    def _map(self) -> None:
        # The mapping lives as long as an array that views it.
        mapped = mmap.mmap(self._descriptor, self.slabs * self.slab_bytes, offset=_HEADER_BYTES)
        self.data = np.frombuffer(mapped, np.uint8)

    def slab(self, index: int) -> NDArray[np.uint8]:
        """Bytes of a slab."""
        return self.data[index * self.slab_bytes : (index + 1) * self.slab_bytes]

    def close(self) -> None:
        """Let go of the memory; arrays that view it stay valid."""
        self.data = np.empty(0, np.uint8)
        self._header.close()
        os.close(self._descriptor)
