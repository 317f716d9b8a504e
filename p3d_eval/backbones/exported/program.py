"""``model.pt2``: a program that ``torch.export.save`` wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from p3d_eval.backbones.exported.archive import require_harmless
from p3d_eval.backbones.exported.network import ExportedNetwork, name_outputs
from p3d_eval.backbones.exported.statement import KEY, Statement, read_statement
from p3d_eval.errors import UserError, counted, one_line


def read_program(
    path: Path, layout: str | None, frames: str, device: torch.device
) -> tuple[ExportedNetwork, Statement]:
    """Read an exported program.

    Parameters
    ----------
    path : Path
        The file.
    layout : str or None
        Axes of its input, where they cannot be told.
    frames : {"centre", "all"}
        Frames of a clip that a network of images sees.
    device : torch.device
        Where it is to run: the device is written into a program.

    Raises
    ------
    UserError
        When the file is broken, could run more than arithmetic, or does not take one tensor.
    """
    require_harmless(path)
    extra = {KEY: ""}
    try:
        program = torch.export.load(path, extra_files=extra)
        if device.type != "cpu":
            from torch.export.passes import move_to_device_pass

            program = move_to_device_pass(program, device)
    except Exception as error:
        raise UserError(
            f"{path} cannot be loaded: {one_line(error)}", f"Export it again with torch {torch.__version__}"
        ) from error
    shape = _input_shape(path, program)
    statement = read_statement(str(path), shape, _text(extra[KEY]), layout)
    module = program.module()
    named = name_outputs(
        str(path),
        pytree.tree_unflatten(list(program.graph_signature.user_outputs), program.call_spec.out_spec),
    )

    def run(batch: Tensor) -> Mapping[str, Tensor]:
        return name_outputs(str(path), module(batch))

    network = ExportedNetwork(run, list(named), statement.layout, frames, shape[0])
    # A child, so that its tensors are counted, hashed and moved with the network.
    network.add_module("_program", module)
    return network, statement


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _input_shape(path: Path, program: Any) -> list[int | None]:
    names = program.graph_signature.user_inputs
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    values = [nodes[name].meta.get("val") for name in names if name in nodes]
    if len(names) != 1 or not isinstance(values[0], Tensor):
        raise UserError(
            f"{path} takes {counted(len(names), 'input')}, not one tensor", "Export a network of one tensor"
        )
    return [size if isinstance(size, int) else None for size in values[0].shape]
