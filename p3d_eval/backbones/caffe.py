"""Binary ``.caffemodel`` files: layers and their blobs.

Field numbers are those of Caffe's ``caffe.proto``, and of C3D-v1.0's, which was cut from a Caffe of early
2014 and numbered anew.
"""

import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p3d_eval.backbones.protobuf import WireError, WireValue, fields, varints
from p3d_eval.errors import UserError, counted

_SHAPE_DIM = 1
_MOST_LAYERS, _MOST_BLOBS, _MOST_AXES, _MOST_PARTS = 10_000, 16, 16, 1000
_LONGEST_SHAPE = 10 * (_MOST_AXES + 1)  # bytes: enough to see that there are too many axes


@dataclass(frozen=True)
class Dialect:
    """Field numbers of one ``caffe.proto``.

    Parameters
    ----------
    layer, name, type, blob : int
        A layer in NetParameter; its name, type and blobs.
    sizes : tuple of int
        Axes of a blob, outermost first, one field each.
    data, shape : int
        A blob's numbers; its axes as one message, 0 where there is none.
    """

    layer: int
    name: int
    type: int
    blob: int
    sizes: tuple[int, ...]
    data: int
    shape: int = 0


# caffe.proto of BVLC's Caffe since 2015 (LayerParameter): num, channels, height, width before "shape".
CAFFE = Dialect(layer=100, name=1, type=2, blob=7, sizes=(1, 2, 3, 4), data=5, shape=7)
# The same caffe.proto's format of 2013 and 2014 (V1LayerParameter), whose types are numbers.
CAFFE_V1 = Dialect(layer=2, name=4, type=5, blob=6, sizes=(1, 2, 3, 4), data=5, shape=7)
# facebookarchive/C3D, C3D-v1.0/src/caffe/proto/caffe.proto: num, channels, length, height, width.
C3D_CAFFE = Dialect(layer=2, name=4, type=5, blob=6, sizes=(1, 2, 3, 4, 5), data=6)


@dataclass(frozen=True)
class CaffeLayer:
    """One layer that has parameters.

    Parameters
    ----------
    name, type : str
        As in the network's definition; the type may be a number.
    blobs : tuple of ndarray
        float32 parameters.
    """

    name: str
    type: str
    blobs: tuple[NDArray[np.float32], ...]


def _bytes(value: WireValue, what: str) -> memoryview:
    if isinstance(value, int):
        raise WireError(f"{what} is a number")
    return value


def _number(value: WireValue, what: str) -> int:
    if not isinstance(value, int):
        raise WireError(f"{what} is not a number")
    return value


def _text(value: WireValue, what: str) -> str:
    try:
        return bytes(_bytes(value, what)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError(f"{what} is not text") from error


def _shape(data: memoryview) -> list[int]:
    dims: list[int] = []
    for number, value in fields(data):
        if number == _SHAPE_DIM:
            dims.extend([value] if isinstance(value, int) else varints(value[:_LONGEST_SHAPE]))
        if len(dims) > _MOST_AXES:
            raise WireError(f"a blob has more than {_MOST_AXES} axes")
    return dims


def _blob(data: memoryview, dialect: Dialect) -> NDArray[np.float32]:
    shape: list[int] | None = None
    legacy = dict.fromkeys(dialect.sizes, 1)
    parts: list[memoryview] = []
    for number, value in fields(data):
        if number == dialect.shape:
            shape = _shape(_bytes(value, "a blob's shape"))
        elif number == dialect.data:
            parts.append(_bytes(value, "a blob's data"))
            if len(parts) > _MOST_PARTS:
                raise WireError("a blob's data are not packed")
        elif number in legacy:
            legacy[number] = _number(value, "a blob's size") or 1  # C3D: no length is a length of 1
    raw = parts[0] if len(parts) == 1 else b"".join(parts)
    dims = list(legacy.values()) if shape is None else shape
    if math.prod(dims) * 4 != len(raw):
        raise WireError(f"a blob of shape {'×'.join(map(str, dims))} has {len(raw)} bytes of data")
    # A copy: in the file the numbers need not be aligned.
    return np.array(np.frombuffer(raw, "<f4").reshape(dims), dtype=np.float32)


def _layer(data: memoryview, dialect: Dialect) -> CaffeLayer:
    name = kind = ""
    blobs: list[memoryview] = []
    for number, value in fields(data):
        if number == dialect.name:
            name = _text(value, "a layer's name")
        elif number == dialect.type:
            kind = str(value) if isinstance(value, int) else _text(value, "a layer's type")
        elif number == dialect.blob:
            blobs.append(_bytes(value, "a blob"))
        if len(blobs) > _MOST_BLOBS:
            raise WireError(f"layer {name!r} has more than {_MOST_BLOBS} blobs")
    try:
        return CaffeLayer(name, kind, tuple(_blob(blob, dialect) for blob in blobs))
    except WireError as error:
        raise WireError(f"layer {name!r}: {error}") from error


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise WireError("it is empty")
        yield memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _layers(data: memoryview, dialects: tuple[Dialect, ...]) -> dict[str, CaffeLayer]:
    found: dict[str, CaffeLayer] = {}
    known = {dialect.layer: dialect for dialect in dialects}
    count = 0
    for number, value in fields(data):
        if number not in known:
            if number == C3D_CAFFE.layer:
                raise WireError("its layers are in the V1 format; run Caffe's upgrade_net_proto_binary first")
            continue
        count += 1
        if count > _MOST_LAYERS:
            raise WireError(f"it has more than {_MOST_LAYERS} layers")
        layer = _layer(_bytes(value, "a layer"), known[number])
        if layer.blobs and layer.name in found:
            raise WireError(f"the layer {layer.name!r} is there twice")
        if layer.blobs:
            found[layer.name] = layer
    return found


def read_layers(path: Path, dialects: tuple[Dialect, ...] = (CAFFE,)) -> list[CaffeLayer]:
    """Read the layers with parameters of a binary NetParameter.

    Parameters
    ----------
    path : Path
        A ``.caffemodel``.
    dialects : tuple of Dialect
        Those that the file may be in; the field number of its layers says which one it is.

    Returns
    -------
    list of CaffeLayer
        In file order.

    Raises
    ------
    UserError
        When the file is truncated, is not a NetParameter, or has the format of before 2014.
    """
    try:
        with _mapped(path) as data:
            found = _layers(data, dialects)
    except (ValueError, OSError) as error:  # WireError, or a shape that no array can have
        raise UserError(
            f"{path} is not a readable .caffemodel: {error}", "Copy or download it again"
        ) from error
    if not found:
        raise UserError(
            f"{path} holds no layer with parameters", "Give the trained network, not its definition"
        )
    return list(found.values())


def weight_and_bias(path: Path, layer: CaffeLayer) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the two blobs of a convolution or a fully connected layer.

    Raises
    ------
    UserError
        When it has another number of them.
    """
    if len(layer.blobs) != 2:
        raise UserError(
            f"{path}: layer {layer.name!r} has {counted(len(layer.blobs), 'blob')}, expected weights and bias",
            "Is this another network's file?",
        )
    return layer.blobs[0], layer.blobs[1]


def read_layers_of_any(path: Path) -> list[CaffeLayer]:
    """Read the layers with parameters of a network in any dialect; raises as `read_layers`."""
    try:
        return read_layers(path, (CAFFE, CAFFE_V1))
    except UserError:  # where C3D has a size of a blob, Caffe has its numbers
        return read_layers(path, (CAFFE, C3D_CAFFE))


def read_blob(path: Path) -> NDArray[np.float32]:
    """Read a binary BlobProto, such as a mean image (``.binaryproto``), in either dialect.

    Raises
    ------
    UserError
        When the file is not one.
    """
    try:
        with _mapped(path) as data:
            # Field 5 is the width in C3D's dialect, the numbers themselves in Caffe's.
            width = C3D_CAFFE.sizes[-1]
            old = any(number == width and isinstance(value, int) for number, value in fields(data))
            return _blob(data, C3D_CAFFE if old else CAFFE)
    except (ValueError, OSError) as error:
        raise UserError(f"{path} is not a readable .binaryproto: {error}", "Download it again") from error
