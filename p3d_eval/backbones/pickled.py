"""Nested dictionaries of NumPy arrays from a pickle, without running anything that the pickle names.

A pickle is a program. This reader first walks its instructions and refuses all but those that build
dictionaries, tuples, texts, numbers and bytes; the only names a file may refer to are NumPy's
``_reconstruct``, ``ndarray`` and ``dtype``, and these stand for the classes below, not for NumPy's.
"""

import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError

_OPCODES = frozenset(
    [
        *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "EMPTY_DICT", "SETITEM", "SETITEMS"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "BININT", "BININT1", "BININT2", "LONG1"),
        *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "SHORT_BINUNICODE", "BINUNICODE"),
        *("MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"),
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    ]
)
_DTYPES = {"f2": "<f2", "f4": "<f4", "f8": "<f8"}
_MOST_NODES = 10_000  # arrays and dictionaries
_DEEPEST = 8
_MOST_AXES = 8
_BROKEN = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    KeyError,
    OverflowError,
    RecursionError,
    MemoryError,
    OSError,
)


class _Dtype:
    """Stands for ``numpy.dtype``: little-endian floats only."""

    def __init__(self, code: str, *_: object) -> None:
        self.code = _DTYPES[code]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] != "<":
            raise pickle.UnpicklingError(f"arrays of byte order {state[1]!r}")


class _Array:
    """Stands for ``numpy.ndarray``: filled by the pickle's state, checked against its bytes."""

    value: NDArray[Any]

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes) or len(shape) > _MOST_AXES:
            raise pickle.UnpicklingError("an array that is not plain numbers")
        item = np.dtype(dtype.code).itemsize
        if any(not isinstance(n, int) or n < 0 for n in shape) or math.prod(shape) * item != len(data):
            raise pickle.UnpicklingError(f"an array of shape {shape} in {len(data)} bytes")
        self.value = np.frombuffer(data, dtype.code).reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: object) -> _Array:
    return _Array()


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"the name {module}.{name}, which is not a NumPy array") from None


def _screen(data: bytes) -> None:
    """Refuse instructions that can run code or reserve memory that the file does not fill."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name not in _OPCODES:
            raise pickle.UnpicklingError(f"the instruction {opcode.name}")
        if opcode.name in {"FRAME", "LONG_BINPUT"} and (argument or 0) > len(data):
            raise pickle.UnpicklingError(f"{opcode.name} {argument} beyond the end of the file")


def _leaves(tree: Any) -> dict[tuple[str, ...], NDArray[Any]]:
    """Flatten nested dictionaries; shared ones count each time, or a small file could keep us for hours."""
    found: dict[tuple[str, ...], NDArray[Any]] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), tree)]
    visited = 0
    while waiting:
        path, node = waiting.pop()
        visited += 1
        if len(path) > _DEEPEST or visited + len(waiting) > _MOST_NODES:
            raise pickle.UnpicklingError("too many nested dictionaries")
        if isinstance(node, _Array):
            found[path] = node.value
        elif not isinstance(node, dict):
            raise pickle.UnpicklingError(f"a {type(node).__name__} at {'/'.join(path) or 'its top'}")
        elif odd := [key for key in node if not isinstance(key, str)]:
            raise pickle.UnpicklingError(f"the key {odd[0]!r}, which is not a text")
        else:
            waiting += [((*path, key), value) for key, value in reversed(node.items())]
    return found


def read_pickled_arrays(path: Path) -> dict[tuple[str, ...], NDArray[Any]]:
    """Read a pickle of nested dictionaries of float arrays.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        Keys from the outermost to the innermost → read-only array.

    Raises
    ------
    UserError
        When the file is truncated, or holds anything but dictionaries of float arrays.
    """
    try:
        data = path.read_bytes()
        _screen(data)
        found = _leaves(_Unpickler(io.BytesIO(data)).load())
    except _BROKEN as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path} is not a pickle of float arrays: {reason}",
            "Fetch it again; nothing in the file was run",
        ) from error
    return found
