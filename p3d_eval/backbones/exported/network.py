"""A module around an exported network: clips in, its outputs as layers."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from p3d_eval.backbones.exported.statement import Layout, lay_out
from p3d_eval.errors import UserError

_TAKEN = {*dir(nn.Module()), "outputs"}
Run = Callable[[Tensor], Mapping[str, Tensor]]


class ExportedNetwork(nn.Module):
    """Outputs of an exported network, each passed through a child of its name.

    Parameters
    ----------
    run : callable
        A batch in the network's own axes → output name → tensor. A module's tensors are this one's.
    outputs : sequence of str
        Names of the outputs.
    layout : str
        Axes that the network takes.
    frames : {"centre", "all"}
        Frames of a clip that a network of images sees.
    batch : int or None
        Items that every run must have; None where any number goes.
    """

    def __init__(self, run: Run, outputs: list[str], layout: Layout, frames: str, batch: int | None) -> None:
        super().__init__()
        self._run = run
        self.outputs = outputs
        self._layout, self._frames, self._batch = layout, frames, batch
        for name in outputs:
            self.add_module(name, nn.Identity())

    def train(self, mode: bool = True) -> "ExportedNetwork":
        """Stay as exported: what training would change was written down when the network was exported."""
        self.training = mode
        for name in self.outputs:
            self.get_submodule(name).train(mode)
        return self

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Run on clips N × C × T × H × W."""
        items = lay_out(x, self._layout, self._frames)
        found = self._run(items) if self._batch is None else self._in_batches(items, self._batch)
        return {name: self.get_submodule(name)(found[name]) for name in self.outputs}

    def _in_batches(self, items: Tensor, size: int) -> dict[str, Tensor]:
        """Run so many items at a time, the last ones filled up with copies whose results are dropped."""
        parts = []
        for part in items.split(size):
            missing = size - len(part)
            whole = torch.cat([part, part[-1:].expand(missing, *part.shape[1:])]) if missing else part
            parts.append(self._run(whole))
        return {name: torch.cat([found[name] for found in parts])[: len(items)] for name in self.outputs}


def name_outputs(where: str, value: Any, prefix: str = "") -> dict[str, Any]:
    """Flatten nested outputs into names of layers: ``output``, ``output0``, ``key``, ``key0``, …

    Raises
    ------
    UserError
        When two outputs have one name.
    """
    if isinstance(value, Mapping):
        named = [(_plain(f"{prefix}_{key}" if prefix else str(key)), inner) for key, inner in value.items()]
    elif isinstance(value, tuple | list):
        named = [(f"{prefix or 'output'}{index}", inner) for index, inner in enumerate(value)]
    else:
        return {prefix or "output": value}
    found: dict[str, Any] = {}
    for name, inner in named:
        for full, leaf in name_outputs(where, inner, name).items():
            if full in found:
                raise UserError(f"{where} has two outputs {full!r}", "Export it with other names of outputs")
            found[full] = leaf
    return found


def _plain(name: str) -> str:
    """Return a name that a child can have: without what separates paths, and not one of a module's own."""
    plain = name.replace("/", "_").replace(".", "_").replace(":", "_").strip("_") or "output"
    return f"{plain}_" if plain in _TAKEN else plain
