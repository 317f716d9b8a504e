"""``model.onnx``: a network that ONNX Runtime runs."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from p3d_eval.backbones.exported.network import ExportedNetwork, name_outputs
from p3d_eval.backbones.exported.statement import KEY, Statement, read_statement
from p3d_eval.errors import MissingExtraError, UserError, one_line
from p3d_eval.provenance import sha256_file, sha256_json

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


def read_onnx(
    path: Path, layout: str | None, frames: str, device: torch.device
) -> tuple[ExportedNetwork, Statement]:
    """Read an ONNX model.

    On a GPU it runs there where ONNX Runtime was built for CUDA, else on the CPU.

    Parameters
    ----------
    path : Path
        The file; tensors beside it are found by ONNX Runtime.
    layout : str or None
        Axes of its input, where they cannot be told.
    frames : {"centre", "all"}
        Frames of a clip that a network of images sees.
    device : torch.device
        Where clips come from.

    Raises
    ------
    UserError
        When the file is broken, or does not take one tensor of numbers.
    """
    session = _session(path, device)
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _TYPES:
        kinds = ", ".join(node.type for node in inputs)
        raise UserError(f"{path} takes {kinds}, not one tensor of floats", "Export a network of one tensor")
    shape = [size if isinstance(size, int) else None for size in inputs[0].shape]
    names = [node.name for node in session.get_outputs()]
    text = session.get_modelmeta().custom_metadata_map.get(KEY, "")
    statement = read_statement(str(path), shape, text, layout)
    kind, source = _TYPES[inputs[0].type], inputs[0].name

    def run(batch: Tensor) -> Mapping[str, Tensor]:
        given = np.ascontiguousarray(batch.detach().cpu().numpy(), dtype=kind)
        found = session.run(names, {source: given})
        tensors = [torch.from_numpy(np.asarray(values)).to(batch.device) for values in found]
        return name_outputs(str(path), dict(zip(names, tensors, strict=True)))

    outputs = list(name_outputs(str(path), dict.fromkeys(names)))
    return ExportedNetwork(run, outputs, statement.layout, frames, shape[0]), statement


def weigh_onnx(path: Path) -> tuple[str, int]:
    """Look at the weights of a model, which ONNX Runtime holds.

    Returns
    -------
    tuple
        SHA-256 of the file; with tensors in files beside it, of all their hashes. Bytes of the tensors.

    Raises
    ------
    UserError
        When the file cannot be read, or names a file that is not in its folder.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError(f"the ONNX model {path}", "onnx") from error
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:
        raise UserError(f"{path} is no ONNX model: {one_line(error)}", "Export it again") from error
    size_of = onnx.helper.tensor_dtype_to_np_dtype
    held = sum(math.prod(one.dims) * size_of(one.data_type).itemsize for one in model.graph.initializer)
    return _hash(path, model.graph.initializer, onnx.TensorProto.EXTERNAL), held


def _hash(path: Path, tensors: Iterable[Any], external: int) -> str:
    files = {
        entry.value
        for tensor in tensors
        if tensor.data_location == external
        for entry in tensor.external_data
        if entry.key == "location"
    }
    if not files:
        return sha256_file(path)
    beside = {name: path.parent / name for name in sorted(files)}
    for name, file in beside.items():
        if path.parent.resolve() not in file.resolve().parents or not file.is_file():
            raise UserError(
                f"{path}: its tensors should be in {name!r}, no file of its folder", "Export it again"
            )
    return sha256_json(
        {path.name: sha256_file(path), **{name: sha256_file(file) for name, file in beside.items()}}
    )


def _session(path: Path, device: torch.device) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(f"the ONNX model {path}", "onnx") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors only: warnings are for who exports
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": device.index or 0, "use_tf32": 0}))
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        raise UserError(f"{path} cannot be loaded: {one_line(error)}", "Export it again") from error
