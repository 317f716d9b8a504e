"""A graph in 16 bits: convolutions and matrix products, and what merely passes their numbers on."""

import torch
from torch import Tensor, fx

from p3d_eval.backbones.graph.convolution import Convolution
from p3d_eval.backbones.graph.tracing import constant

_ATEN = torch.ops.aten
_PRODUCTS = {
    _ATEN.conv1d.default, _ATEN.conv2d.default, _ATEN.conv3d.default, _ATEN.linear.default,
    _ATEN.matmul.default, _ATEN.mm.default, _ATEN.bmm.default, _ATEN.addmm.default, _ATEN.baddbmm.default,
    _ATEN.scaled_dot_product_attention.default,
}  # fmt: skip
# These keep the type that comes in. All others, such as means, norms and softmax, get float32.
_FOLLOWERS = {
    _ATEN.relu.default, _ATEN.gelu.default, _ATEN.silu.default, _ATEN.add.Tensor, _ATEN.mul.Tensor,
    _ATEN.max_pool2d.default, _ATEN.max_pool3d.default, _ATEN.cat.default, _ATEN.stack.default,
    _ATEN.pad.default, _ATEN.constant_pad_nd.default, _ATEN.clone.default, _ATEN.contiguous.default,
    _ATEN.reshape.default, _ATEN.view.default, _ATEN.permute.default, _ATEN.transpose.int,
    _ATEN.flatten.using_ints,
    _ATEN.unflatten.int, _ATEN.squeeze.dim, _ATEN.squeeze.default, _ATEN.unsqueeze.default, _ATEN.slice.Tensor,
    _ATEN.select.int, _ATEN.expand.default,
}  # fmt: skip


def lower(graph: fx.GraphModule, low: torch.dtype) -> None:
    """Make convolutions and matrix products take ``low``; the graph's outputs stay float32."""
    types: dict[fx.Node, torch.dtype] = {}
    casts: dict[tuple[fx.Node, torch.dtype], fx.Node] = {}
    for node in list(graph.graph.nodes):
        inputs = [source for source in node.all_input_nodes if _is_float(graph, source)]
        follows = node.target in _FOLLOWERS and any(types.get(source) == low for source in inputs)
        wanted = low if follows or _is_product(graph, node) else torch.float32
        if _is_float(graph, node):
            types[node] = wanted if node.op in ("call_function", "call_module") else torch.float32
        for source in inputs:
            if node.op in ("call_function", "call_module", "output") and types[source] != wanted:
                node.replace_input_with(source, _cast(graph, source, wanted, casts))
        if node.op == "call_module":
            graph.get_submodule(str(node.target)).to(low)
    graph.recompile()


def _is_float(graph: fx.GraphModule, node: fx.Node) -> bool:
    value = constant(graph, node) if node.op == "get_attr" else node.meta.get("val")
    return isinstance(value, Tensor) and value.is_floating_point()


def _is_product(graph: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(graph.get_submodule(str(node.target)), Convolution)
    return node.target in _PRODUCTS


def _cast(
    graph: fx.GraphModule,
    source: fx.Node,
    wanted: torch.dtype,
    casts: dict[tuple[fx.Node, torch.dtype], fx.Node],
) -> fx.Node:
    """Node of ``source`` in another type, made once; constants are converted now."""
    if (source, wanted) not in casts:
        value = constant(graph, source)
        with graph.graph.inserting_after(source):
            if value is None:
                casts[source, wanted] = graph.graph.call_method("to", (source, wanted))
            else:
                name = f"{str(source.target).replace('.', '_')}_{str(wanted).rpartition('.')[2]}"
                graph.register_buffer(name, value.to(wanted))
                casts[source, wanted] = graph.graph.get_attr(name)
    return casts[source, wanted]
