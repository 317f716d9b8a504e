"""Convolutions of a graph with what stands around them in one operator: padding, batch norm, sum, ReLU."""

from typing import Any

import torch
from torch import Tensor, fx

from p3d_eval.backbones.graph.convolution import Convolution
from p3d_eval.backbones.graph.tracing import arguments, constant, gives_alias

_ATEN = torch.ops.aten
_CONVOLUTIONS: dict[Any, int] = {_ATEN.conv2d.default: 2, _ATEN.conv3d.default: 3}
_PADS = (_ATEN.pad.default, _ATEN.constant_pad_nd.default)


def fuse(graph: fx.GraphModule, kind: type[Convolution] = Convolution) -> int:
    """Replace convolutions with constant weights by modules of ``kind``; return how many.

    What a layer request asks for has a second user and is never fused away.
    """
    made = 0
    for node in list(graph.graph.nodes):
        if node.target in _CONVOLUTIONS and _replace(graph, node, f"convolution_{made}", kind):
            made += 1
    _absorb_sums_and_relus(graph)
    for node in graph.graph.nodes:
        if node.target is _ATEN.view.default:  # after a layout with channels last a view may need a copy
            node.target = _ATEN.reshape.default
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return made


def _listed(value: Any, count: int) -> list[int]:
    values = [value] if isinstance(value, int) else list(value)
    return values * count if len(values) == 1 else values


def _replace(graph: fx.GraphModule, node: fx.Node, name: str, kind: type[Convolution]) -> bool:
    """Put a module in the place of a convolution and of the batch norm behind it."""
    axes = _CONVOLUTIONS[node.target]
    given = arguments(node)
    given += (None, None, None, 1, 0, 1, 1)[len(given) :]
    x, weight, bias = given[0], constant(graph, given[1]), constant(graph, given[2])
    example = node.meta["val"]
    if node.kwargs or weight is None or (given[2] is not None and bias is None) or example.ndim != axes + 2:
        return False
    stride, padding, dilation = (_listed(value, axes) for value in given[3:6])
    extra = _zeros_around(x, axes)
    if extra is not None:
        x, padding = x.args[0], [a + b for a, b in zip(padding, extra, strict=True)]
    last, weight, bias = _fold(graph, node, weight, bias)
    module = kind(weight, bias, stride, padding, dilation, given[6])
    graph.add_submodule(name, module)
    with graph.graph.inserting_before(node):
        new = graph.graph.call_module(name, (x,))
    new.meta["val"] = example
    last.replace_all_uses_with(new)
    return True


def _zeros_around(node: Any, axes: int) -> list[int] | None:
    """Zeros that a padding puts on both sides of the spatial axes, when it does just that."""
    if node.target not in _PADS or len(node.users) != 1:
        return None
    pads = list(node.args[1])
    pads += [0] * (2 * (axes + 2) - len(pads))
    rest = [value for value in node.args[2:] if value not in ("constant", None)]
    before, after = pads[::2], pads[1::2]
    if before != after or any(before[axes:]) or any(rest) or node.kwargs or min(before) < 0:
        return None
    return before[:axes][::-1]


def _fold(
    graph: fx.GraphModule, node: fx.Node, weight: Tensor, bias: Tensor | None
) -> tuple[fx.Node, Tensor, Tensor | None]:
    """Weights of a convolution and of the batch norm that alone uses it, in float64 until the end."""
    user = next(iter(node.users)) if len(node.users) == 1 else None
    if user is None or user.target is not _ATEN.batch_norm.default or arguments(user)[0] is not node:
        return node, weight, bias
    scale, shift, mean, variance = (constant(graph, argument) for argument in arguments(user)[1:5])
    training, epsilon = arguments(user)[5], arguments(user)[7]
    lost = any(
        a is not None and b is None
        for a, b in zip(arguments(user)[1:5], (scale, shift, mean, variance), strict=True)
    )
    if training or mean is None or variance is None or lost:
        return node, weight, bias
    factor = (variance.double() + epsilon).rsqrt()
    factor = factor if scale is None else factor * scale.double()
    offset = -mean.double() if bias is None else bias.double() - mean.double()
    offset = offset * factor if shift is None else offset * factor + shift.double()
    folded = weight.double() * factor.view(-1, *[1] * (weight.ndim - 1))
    return user, folded.to(weight.dtype), offset.to(weight.dtype)


def _absorb_sums_and_relus(graph: fx.GraphModule) -> None:
    position = {node: index for index, node in enumerate(graph.graph.nodes)}
    for node in list(graph.graph.nodes):
        if node.target is _ATEN.relu.default:
            before = arguments(node)[0]
            convolution = _only_used_here(graph, before)
            if convolution is not None and not convolution.relu:
                convolution.relu = True
                node.replace_all_uses_with(before)
                graph.graph.erase_node(node)
        elif node.target is _ATEN.add.Tensor and len(node.args) == 2 and not node.kwargs:
            _absorb_sum(graph, node, position)


def _only_used_here(graph: fx.GraphModule, node: Any) -> Convolution | None:
    if not isinstance(node, fx.Node) or node.op != "call_module" or len(node.users) != 1:
        return None
    module = graph.get_submodule(str(node.target))
    return module if isinstance(module, Convolution) else None


def _absorb_sum(graph: fx.GraphModule, node: fx.Node, position: dict[fx.Node, int]) -> None:
    for target, other in (arguments(node), arguments(node)[::-1]):
        module = _only_used_here(graph, target)
        if module is None or module.relu or len(target.args) != 1 or not isinstance(other, fx.Node):
            continue
        value = other.meta.get("val")
        if not isinstance(value, Tensor) or value.shape != target.meta["val"].shape:
            continue
        if value.dtype != target.meta["val"].dtype or position[other] >= position[target]:
            continue
        module.other_is_free = _dies(other, node, target, position)
        target.args = (*target.args, other)
        node.replace_all_uses_with(target)
        graph.graph.erase_node(node)
        return


def _dies(other: fx.Node, total: fx.Node, target: fx.Node, position: dict[fx.Node, int]) -> bool:
    """Whether nothing reads ``other``'s memory at ``target`` or after it, but the sum itself."""
    others = [user for user in other.users if user is not total]
    if any(
        position[user] >= position[target] or (user.op != "call_module" and gives_alias(user))
        for user in others
    ):
        return False
    return other.op == "call_module" or not gives_alias(other)
