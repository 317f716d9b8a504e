"""Outputs of modules while a network runs, and an early end when the last one asked for is there."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import torch
from torch import Tensor, nn

from p3d_eval.backbones.frames import Batch, average_frames
from p3d_eval.backbones.layers import LayerRequest, axes_of, reduce_output
from p3d_eval.errors import UserError

Captured = dict[str, tuple[Tensor, str]]  # stored name → tensor, axes


class _Finished(BaseException):
    """Everything is there; not an Exception, which a network's own code might catch."""


def capture(
    modules: Mapping[str, nn.Module],
    requests: Sequence[LayerRequest],
    forward: Callable[[], Any],
    calls: Mapping[str, int] | None = None,
    batch: Batch | None = None,
) -> tuple[Captured, Mapping[str, int]]:
    """Run ``forward`` and catch what the layers give.

    Parameters
    ----------
    modules : mapping of str to Module
        Path → module, of every requested path.
    requests : sequence of LayerRequest
        What to catch; a module that runs several times leaves its last output.
    forward : callable
        Runs the network.
    calls : mapping of str to int, optional
        How often each requested module runs: the network is stopped after the last.
    batch : Batch, optional
        What the network runs on: where it sees frames one by one, outputs are averaged over each clip's.

    Returns
    -------
    tuple
        Stored name → (reduced output, axes), in the order asked for; path → how often it ran.

    Raises
    ------
    UserError
        When a layer did not run, gives no tensor, or one whose first axis is not the batch.
    """
    caught: Captured = {}
    ran: Counter[str] = Counter()
    by_path: dict[str, list[LayerRequest]] = {}
    for request in requests:
        by_path.setdefault(request.path, []).append(request)

    def hook_for(path: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            ran[path] += 1
            # Reduced or copied at once: a later in-place ReLU would write into this tensor.
            tensor = _tensor_of(output, path)
            if batch is not None:
                tensor = average_frames(tensor, batch, path)
            for request in by_path[path]:
                labelled = batch is None or batch.labelled
                caught[request.name] = reduce_output(tensor, request, axes_of(tensor, labelled))
            if calls is not None and all(ran[name] >= calls[name] for name in by_path):
                raise _Finished

        return hook

    with ExitStack() as stack:
        for path in by_path:
            stack.callback(modules[path].register_forward_hook(hook_for(path)).remove)
        with suppress(_Finished):
            forward()
    silent = [request.path for request in requests if request.name not in caught]
    if silent:
        raise UserError(f"layer {silent[0]!r} did not run in the forward pass", "Choose another layer")
    return {request.name: caught[request.name] for request in requests}, ran


def survey(
    modules: Mapping[str, nn.Module], forward: Callable[[], Any], batch: Batch
) -> dict[str, tuple[tuple[int, ...], str]]:
    """Run ``forward`` and note what modules give: path → (shape of an item, axes), in the order they end.

    Modules that do not run, or give nothing that could be a layer, are left out.
    """
    found: dict[str, tuple[tuple[int, ...], str]] = {}

    def hook_for(path: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            with suppress(UserError):
                tensor = average_frames(_tensor_of(output, path), batch, path)
                found.pop(path, None)
                found[path] = tuple(tensor.shape[1:]), axes_of(tensor, batch.labelled)

        return hook

    with ExitStack() as stack:
        for path, module in modules.items():
            stack.callback(module.register_forward_hook(hook_for(path)).remove)
        forward()
    return found


def _tensor_of(output: Any, path: str) -> Tensor:
    """Return a layer's output as one tensor; of several, and of named ones, the first."""
    if isinstance(output, Mapping):
        output = tuple(output.values())
    if isinstance(output, tuple | list) and output:
        output = output[0]
    if not isinstance(output, Tensor):
        raise UserError(
            f"layer {path!r} gives a {type(output).__name__}, not a tensor", "Choose a module inside it"
        )
    return output.float() if output.dtype in (torch.bfloat16, torch.float16) else output
