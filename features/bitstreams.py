"""What compressed packets say of themselves: the common part of the readers for H.264, H.265, VP8 and VP9.

Only headers are read. A reader answers how many pictures a packet shows, and whether decoding may begin with
it, for streams whose decoder gives exactly the shown pictures, none more and none less, as long as the data
are sound; for every other stream it raises `UnprovenError`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass


class UnprovenError(Exception):
    """The number of decoded frames does not follow from this stream's headers; the message says why."""


@dataclass(frozen=True)
class Pictures:
    """What a packet holds: pictures that it shows, and whether a decoder may start with it."""

    shown: int
    anchor: bool


Reader = Callable[[bytes], Pictures]


class Bits:
    """Reads a NAL unit's bits, from after ``skip`` bytes of header."""

    def __init__(self, unit: bytes, skip: int) -> None:
        payload = unit[skip:].replace(b"\0\0\3", b"\0\0")  # emulation prevention
        self._value = int.from_bytes(payload)
        self._left = 8 * len(payload)

    def fixed(self, count: int) -> int:
        """Read an unsigned number of ``count`` bits, u(n)."""
        self._left -= count
        if self._left < 0:
            raise UnprovenError("a header ends early")
        return (self._value >> self._left) & ((1 << count) - 1)

    def golomb(self) -> int:
        """Read an unsigned Exp-Golomb number, ue(v); of a signed one, se(v), only the length is right."""
        zeros = 0
        while not self.fixed(1):
            zeros += 1
        return (1 << zeros) - 1 + self.fixed(zeros)


def units(packet: bytes, length_size: int) -> Iterator[bytes]:
    """Split a packet into NAL units, each written behind its length."""
    position = 0
    while position < len(packet):
        start = position + length_size
        position = start + int.from_bytes(packet[position:start])
        if position > len(packet) or position == start:
            raise UnprovenError("a packet does not divide into units")
        yield packet[start:position]


def take_sets(extradata: bytes, position: int, count: int) -> tuple[int, list[bytes]]:
    """Read parameter sets, each behind its length; return where they end, too."""
    sets = []
    for _ in range(count):
        start = position + 2
        position = start + int.from_bytes(extradata[start - 2 : start])
        if position > len(extradata) or position == start:
            raise UnprovenError("a broken configuration record")
        sets.append(extradata[start:position])
    return position, sets
