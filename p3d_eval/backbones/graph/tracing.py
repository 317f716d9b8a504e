"""From a module to a graph of the operators between its input and the layers asked for."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from p3d_eval.backbones.capture import capture
from p3d_eval.backbones.frames import Batch
from p3d_eval.backbones.layers import LayerRequest

_ATEN = torch.ops.aten
# Dropout gives its very input in evaluation, which its signature does not say.
_IDENTITIES = (_ATEN.dropout.default, _ATEN.feature_dropout.default, _ATEN.alpha_dropout.default)

# What tracing without values ends with where a value is asked for: a condition, a number, a shape.
_DECIDED_BY_VALUES = (
    GuardOnDataDependentSymNode,
    DataDependentOutputException,
    DynamicOutputShapeException,
)
_LONGEST_REASON = 120  # characters
_DROPOUT = 4  # place of dropout_p among the arguments of scaled_dot_product_attention


class UntraceableError(Exception):
    """A network that cannot be written as a graph that gives the same results; the message says why."""


def trace(
    module: nn.Module,
    modules: Mapping[str, nn.Module],
    requests: Sequence[LayerRequest],
    calls: Mapping[str, int],
    x: Tensor,
    batch: Batch | None = None,
) -> fx.GraphModule:
    """Write a network as a graph without side effects.

    Control flow is followed as it goes for ``x``'s shape; tensors' values are not looked at.

    Parameters
    ----------
    module : Module
        The network, in evaluation mode.
    modules, requests, calls
        See `p3d_eval.backbones.capture.capture`.
    x : Tensor
        Input of the batch shape and device that the graph is for.
    batch : Batch, optional
        What ``x`` is to the network; the same.

    Returns
    -------
    GraphModule
        x → tuple of the layers, in the order of ``requests``. Nodes have example values (``meta["val"]``);
        the network's parameters are its attributes.

    Raises
    ------
    UntraceableError
        When values decide what runs, randomness does, or the network writes into tensors that it goes on using.
    """

    def run(x: Tensor) -> tuple[Tensor, ...]:
        found, _ = capture(modules, requests, lambda: module(x), calls, batch)
        return tuple(tensor for tensor, _ in found.values())

    try:
        with torch.inference_mode(mode=False), torch.no_grad():
            make: Callable[..., fx.GraphModule] = make_fx(
                run, tracing_mode="fake", _allow_non_fake_inputs=True, pre_dispatch=True
            )
            traced = make(x.clone())
    except Exception as error:  # a user's network may do anything that tracing does not know
        raise UntraceableError(_reason(error)) from error
    _forget_identities(traced.graph)
    _forget_writes(traced.graph)
    for node in traced.graph.nodes:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()) and not _drops_nothing(node):
            raise UntraceableError(f"{node.target} is random")
    traced.graph.eliminate_dead_code()
    return traced


def _reason(error: Exception) -> str:
    """Say in one short line why tracing ended; torch's own words are a page for its developers."""
    if isinstance(error, _DECIDED_BY_VALUES):
        return "the values of tensors decide what it computes"
    line = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"


def constant(graph: fx.GraphModule, node: Any) -> Tensor | None:
    """Tensor of the network that a node stands for, if it does."""
    if not isinstance(node, fx.Node) or node.op != "get_attr":
        return None
    found = attrgetter(str(node.target))(graph)
    return found if isinstance(found, Tensor) else None


def arguments(node: fx.Node) -> tuple[Any, ...]:
    """Arguments of a node, among them nodes, numbers and lists."""
    return node.args


def gives_alias(node: fx.Node) -> bool:
    """Whether a node's output may share memory with its input."""
    if node.op != "call_function":
        return node.op in ("placeholder", "get_attr")
    schema = getattr(node.target, "_schema", None)
    return schema is None or any(returned.alias_info is not None for returned in schema.returns)


def _drops_nothing(node: fx.Node) -> bool:
    """Whether an attention, whose operator counts as random, is one without dropout."""
    if node.target is not _ATEN.scaled_dot_product_attention.default:
        return False
    given = arguments(node)
    return not (given[_DROPOUT] if len(given) > _DROPOUT else node.kwargs.get("dropout_p", 0.0))


def _forget_identities(graph: fx.Graph) -> None:
    for node in list(graph.nodes):
        if node.target in _IDENTITIES and not arguments(node)[2]:
            node.replace_all_uses_with(arguments(node)[0])
            graph.erase_node(node)


def _comes_after(position: Mapping[fx.Node, int], node: fx.Node, user: fx.Node) -> bool:
    return position[user] > position[node]


def _forget_writes(graph: fx.Graph) -> None:
    """Put operators that return new tensors in the place of those that write into their first argument."""
    position = {node: index for index, node in enumerate(graph.nodes)}
    for node in list(graph.nodes):
        schema = getattr(node.target, "_schema", None)
        if schema is None or not schema.is_mutable:
            continue
        name = schema.name.removeprefix("aten::")
        written = [arg.alias_info is not None and arg.alias_info.is_write for arg in schema.arguments]
        functional = getattr(_ATEN, name[:-1], None) if name.endswith("_") else None
        if functional is None or not written[0] or any(written[1:]):
            raise UntraceableError(f"{node.target} writes into a tensor")
        source = arguments(node)[0]
        if gives_alias(source) or any(gives_alias(user) for user in source.users if user is not node):
            raise UntraceableError(f"{node.target} writes into a tensor that has other names")
        source.replace_all_uses_with(node, partial(_comes_after, position, node))
        node.target = getattr(functional, schema.overload_name or "default")
