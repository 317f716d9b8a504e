"""Official P3D weights: a binary ``.caffemodel`` into this package's parameter names.

Field numbers are those of Caffe's ``caffe.proto``. A batch-norm layer of the authors' Caffe holds
slope, bias, mean and variance in that order.
"""

import math
import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from p3d_eval.backbones.checkpoint import Checkpoint
from p3d_eval.backbones.protobuf import WireError, WireValue, fields, varints
from p3d_eval.errors import UserError, shorten

_NET_LAYER, _NET_OLD_LAYER = 100, 2
_LAYER_NAME, _LAYER_TYPE, _LAYER_BLOB = 1, 2, 7
_BLOB_LEGACY_SHAPE = (1, 2, 3, 4)  # num, channels, height, width
_BLOB_DATA, _BLOB_SHAPE = 5, 7
_SHAPE_DIM = 1
_MOST_LAYERS, _MOST_BLOBS, _MOST_AXES, _MOST_PARTS = 10_000, 16, 16, 1000
_LONGEST_SHAPE = 10 * (_MOST_AXES + 1)  # bytes: enough to see that there are too many axes

_BN_TENSORS = ("weight", "bias", "running_mean", "running_var")
_BLOCK_LAYER = re.compile(r"(?P<kind>res|bn)(?P<block>[2-5][a-z]\d*)_(?P<branch>branch\w+)")


@dataclass(frozen=True)
class CaffeLayer:
    """One layer that has parameters.

    Parameters
    ----------
    name, type : str
        As in the network's definition.
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


def _blob(data: memoryview) -> NDArray[np.float32]:
    shape: list[int] | None = None
    legacy = dict.fromkeys(_BLOB_LEGACY_SHAPE, 1)
    parts: list[memoryview] = []
    for number, value in fields(data):
        if number == _BLOB_SHAPE:
            shape = _shape(_bytes(value, "a blob's shape"))
        elif number == _BLOB_DATA:
            parts.append(_bytes(value, "a blob's data"))
            if len(parts) > _MOST_PARTS:
                raise WireError("a blob's data are not packed")
        elif number in legacy:
            legacy[number] = _number(value, "a blob's size")
    raw = parts[0] if len(parts) == 1 else b"".join(parts)
    dims = list(legacy.values()) if shape is None else shape
    if math.prod(dims) * 4 != len(raw):
        raise WireError(f"a blob of shape {'×'.join(map(str, dims))} has {len(raw)} bytes of data")
    # A copy: in the file the numbers need not be aligned.
    return np.array(np.frombuffer(raw, "<f4").reshape(dims), dtype=np.float32)


def _layer(data: memoryview) -> CaffeLayer:
    name = kind = ""
    blobs: list[memoryview] = []
    for number, value in fields(data):
        if number == _LAYER_NAME:
            name = _text(value, "a layer's name")
        elif number == _LAYER_TYPE:
            kind = _text(value, "a layer's type")
        elif number == _LAYER_BLOB:
            blobs.append(_bytes(value, "a blob"))
        if len(blobs) > _MOST_BLOBS:
            raise WireError(f"layer {name!r} has more than {_MOST_BLOBS} blobs")
    try:
        return CaffeLayer(name, kind, tuple(_blob(blob) for blob in blobs))
    except WireError as error:
        raise WireError(f"layer {name!r}: {error}") from error


@contextmanager
def _mapped(path: Path) -> Iterator[memoryview]:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            raise WireError("it is empty")
        yield memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _layers(data: memoryview) -> dict[str, CaffeLayer]:
    found: dict[str, CaffeLayer] = {}
    count = 0
    for number, value in fields(data):
        if number == _NET_OLD_LAYER:
            raise WireError("its layers are in the V1 format; run Caffe's upgrade_net_proto_binary first")
        if number != _NET_LAYER:
            continue
        count += 1
        if count > _MOST_LAYERS:
            raise WireError(f"it has more than {_MOST_LAYERS} layers")
        layer = _layer(_bytes(value, "a layer"))
        if layer.blobs and layer.name in found:
            raise WireError(f"the layer {layer.name!r} is there twice")
        if layer.blobs:
            found[layer.name] = layer
    return found


def read_layers(path: Path) -> list[CaffeLayer]:
    """Read the layers with parameters of a binary NetParameter.

    Parameters
    ----------
    path : Path
        A ``.caffemodel``.

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
            found = _layers(data)
    except (ValueError, OSError) as error:  # WireError, or a shape that no array can have
        raise UserError(
            f"{path} is not a readable .caffemodel: {error}", "Copy or download it again"
        ) from error
    if not found:
        raise UserError(
            f"{path} holds no layer with parameters", "Give the trained network, not its definition"
        )
    return list(found.values())


def _parameter_prefix(layer: str) -> str:
    """Return our module path of a Caffe layer; unknown names stay, and are then reported as unexpected."""
    match = _BLOCK_LAYER.fullmatch(layer)
    if match is None:
        return "fc" if layer.startswith("fc") else layer
    branch = match["branch"] if match["kind"] == "res" else f"bn_{match['branch']}"
    return f"res{match['block']}.{branch}"


def _tensor_names(layer: CaffeLayer) -> tuple[str, ...]:
    if layer.type == "BN" or layer.name.startswith("bn"):
        return _BN_TENSORS
    return ("weight", "bias")


def _squeeze_vector(blob: NDArray[np.float32]) -> NDArray[np.float32]:
    return blob.reshape(-1) if blob.size == max(blob.shape, default=1) else blob


def read_p3d_caffemodel(path: Path) -> Checkpoint:
    """Read the authors' P3D weights.

    The classifier's layer is named after the data (``fc_sports1m``, ``fc_kinetics``); its number of
    outputs is the number of classes.

    Raises
    ------
    UserError
        When the file cannot be read, or a layer has another number of blobs than its type.
    """
    tensors: dict[str, torch.Tensor] = {}
    heads: list[str] = []
    for layer in read_layers(path):
        prefix, names = _parameter_prefix(layer.name), _tensor_names(layer)
        if prefix == "fc":
            heads.append(layer.name)
        if len(layer.blobs) > len(names) or (names is _BN_TENSORS and len(layer.blobs) != len(names)):
            raise UserError(
                f"{path}: layer {layer.name!r} has {len(layer.blobs)} blobs, expected {len(names)}",
                "Is this another network's file?",
            )
        for name, blob in zip(names, layer.blobs, strict=False):
            vector = name != "weight" or names is _BN_TENSORS
            tensors[f"{prefix}.{name}"] = torch.from_numpy(_squeeze_vector(blob) if vector else blob)
    if len(heads) > 1:
        raise UserError(f"{path} has {len(heads)} classifiers: {shorten(heads)}", "Keep the one to use")
    return Checkpoint(tensors)
