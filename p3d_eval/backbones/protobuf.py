"""Protocol Buffers' wire format, as far as reading one message at a time needs it.

Every length is checked against the bytes that are there, so that a truncated or hostile file ends in
`WireError` before anything of its claimed size is reserved.
"""

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10  # bytes of a 64-bit number

WireValue = int | memoryview


class WireError(ValueError):
    """The bytes are not a Protocol Buffers message."""


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for count in range(_LONGEST_VARINT):
        if position >= len(data):
            raise WireError("it ends inside a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, position
    raise WireError("a number has more than 64 bits")


def fields(data: memoryview) -> Iterator[tuple[int, WireValue]]:
    """Walk the fields of a message.

    Parameters
    ----------
    data : memoryview
        The message's bytes.

    Yields
    ------
    tuple of int and (int or memoryview)
        Field number, and a number for varints or the bytes of everything else.

    Raises
    ------
    WireError
        When the bytes end early or have an impossible form.
    """
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError("a field has the number 0")
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if kind == _BYTES:
            size, position = _varint(data, position)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise WireError(f"field {number} has the wire type {kind}")
        if size > len(data) - position:
            raise WireError(f"field {number} claims {size} bytes, {len(data) - position} are left")
        yield number, data[position : position + size]
        position += size


def varints(data: memoryview) -> list[int]:
    """Read a packed list of numbers."""
    values = []
    position = 0
    while position < len(data):
        value, position = _varint(data, position)
        values.append(value)
    return values
