"""A writer of binary NetParameter files, from the Protocol Buffers encoding rules and caffe.proto's numbers."""

import numpy as np


def varint(value: int) -> bytes:
    """Encode a number in groups of seven bits, lowest first."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | (0x80 if value else 0))
        if not value:
            return bytes(out)


def message(number: int, payload: bytes) -> bytes:
    """Encode a field with a length: text, message or packed numbers."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number_field(number: int, value: int) -> bytes:
    """Encode a field with a number."""
    return varint(number << 3) + varint(value)


def blob(array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    """Encode BlobProto{shape=7{dim=1 packed}, data=5 packed}."""
    dims = b"".join(varint(n) for n in (array.shape if shape is None else shape))
    return message(7, message(1, dims)) + message(5, np.ascontiguousarray(array, "<f4").tobytes())


def layer(name: str, kind: str, blobs=(), bottoms=(), top: str = "") -> bytes:
    """Encode NetParameter's field 100: LayerParameter{name=1, type=2, bottom=3, top=4, blobs=7, phase=10}."""
    parts = [message(1, name.encode()), message(2, kind.encode())]
    parts += [message(3, bottom.encode()) for bottom in bottoms]
    parts += [message(4, top.encode())] if top else []
    parts += [message(7, encoded) for encoded in blobs]
    return message(100, b"".join([*parts, number_field(10, 1)]))


def net(name: str, layers) -> bytes:
    """Encode a whole NetParameter."""
    return message(1, name.encode()) + b"".join(layers)


def c3d_blob(array: np.ndarray, data_first: bool = False) -> bytes:
    """Encode C3D-v1.0's BlobProto{num=1, channels=2, length=3, height=4, width=5, data=6 packed}."""
    sizes = (1,) * (5 - array.ndim) + array.shape
    parts = [b"".join(number_field(number, size) for number, size in enumerate(sizes, start=1))]
    parts.append(message(6, np.ascontiguousarray(array, "<f4").tobytes()))
    return b"".join(reversed(parts) if data_first else parts)


def c3d_layer(name: str, kind: int, blobs=()) -> bytes:
    """Encode its layers (field 2): LayerParameter{bottom=2, top=3, name=4, type=5, blobs=6, blobs_lr=7}."""
    parts = [message(2, b"below"), message(3, name.encode()), message(4, name.encode()), number_field(5, kind)]
    parts += [message(6, encoded) for encoded in blobs]
    parts += [varint(7 << 3 | 5) + np.float32(rate).tobytes() for rate, _ in zip((1, 2), blobs, strict=False)]
    return message(2, b"".join(parts))
