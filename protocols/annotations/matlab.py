"""One numeric array out of a MATLAB 5–7 file, with every length checked.

Format: MathWorks, "MAT-File Format", level 5. A file is 128 bytes of header and a row of elements; an
element is a tag (type, bytes) and data, padded to 8 bytes; an array is an element of elements: flags,
dimensions, name, values. SciPy's reader crashes the interpreter on some damaged files, which a list from
the internet may be.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MAGIC = b"MATLAB 5.0 MAT-file"

_HEADER = 128
_TAG = 8
_MATRIX, _COMPRESSED = 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES = range(
    6, 16
)  # double, single, and the integers; the others are texts, cells, structs, sparse
_COMPLEX = 0x0800
_LARGEST = 1 << 28  # bytes of one decompressed array: a thousand times View 2


class MatlabError(ValueError):
    """The bytes are not a MATLAB 5–7 file, or not the kind of array that is wanted."""


def read_array(data: bytes, wanted: str) -> NDArray[np.generic] | None:
    """Read a real numeric array by name.

    Parameters
    ----------
    data : bytes
        The file.
    wanted : str
        Name of the variable.

    Returns
    -------
    ndarray or None
        The array in its stored type and shape; None where the file has no such variable.

    Raises
    ------
    MatlabError
        When the file is damaged, or the variable is no real numeric array.
    """
    for content, order in _matrices(data):
        name, values = _matrix(content, order, wanted)
        if name == wanted:
            return values
    return None


def read_first_array(data: bytes) -> tuple[str, NDArray[np.generic]] | None:
    """Read the first array of a file, whose name is not known, with its name; None where there is none.

    Raises
    ------
    MatlabError
        When the file is damaged, or the array is not real and numeric.
    """
    for content, order in _matrices(data):
        name, values = _matrix(content, order)
        if values is not None:
            return name, values
    return None


def _matrices(data: bytes) -> Iterator[tuple[bytes, str]]:
    """Yield the content of each array, decompressed, and the byte order."""
    if not data.startswith(MAGIC) or len(data) < _HEADER:
        raise MatlabError("it does not begin as a MATLAB 5 to 7 file does")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise MatlabError("its byte order is not marked")
    for kind, content in _elements(data[_HEADER:], order):
        if kind == _COMPRESSED:
            kind, content = next(_elements(_inflate(content), order), (0, b""))
        if kind == _MATRIX:
            yield content, order


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield (type, content) of each element."""
    position = 0
    while position < len(data):
        if position + _TAG > len(data):
            raise MatlabError("it ends within a tag")
        kind, size = struct.unpack_from(f"{order}II", data, position)
        start = position + _TAG
        if kind >> 16:  # a small element: size and type share a word, the content is in the tag
            kind, size, start = kind & 0xFFFF, kind >> 16, position + _TAG // 2
            if size > _TAG // 2:
                raise MatlabError(f"a small element claims {size} bytes")
            position += _TAG
        else:
            position = start + (size if kind == _COMPRESSED else -(-size // _TAG) * _TAG)
        if start + size > len(data):
            raise MatlabError("it is truncated")
        yield kind, data[start : start + size]


def _inflate(content: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(content, _LARGEST)
    except zlib.error as error:
        raise MatlabError(f"a compressed array is damaged ({error})") from None
    if not stream.eof:
        raise MatlabError("a compressed array is truncated or too large")
    return plain


def _matrix(content: bytes, order: str, wanted: str | None = None) -> tuple[str, NDArray[np.generic] | None]:
    """Read an array's flags, dimensions, name and values; no values for another name than the wanted one."""
    parts = _elements(content, order)
    header = [part for _, part in (next(parts, (0, b"")) for _ in range(3))]
    flags, dimensions, raw = header
    name = raw.decode("ascii", "replace")
    if wanted is not None and name != wanted:
        return name, None
    if len(flags) < 4 or len(dimensions) % 4 or len(dimensions) < 8:
        raise MatlabError(f"the header of {name} is damaged")
    word = struct.unpack_from(f"{order}I", flags)[0]
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions)
    kind, values = next(parts, (0, b""))
    if word & 0xFF not in _NUMERIC_CLASSES or word & _COMPLEX or kind not in _TYPES:
        raise MatlabError(f"{name} is not a real numeric array")
    dtype = np.dtype(order + _TYPES[kind])
    count = 1
    for size in shape:
        count *= size
    if min(shape) < 0 or count * dtype.itemsize != len(values):
        raise MatlabError(f"{name} has {len(values)} bytes for {' × '.join(map(str, shape))} values")
    return name, np.frombuffer(values, dtype).reshape(shape, order="F")
