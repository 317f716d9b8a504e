"""The grammar of layers, ``[alias=]layer.or.module.path[:flat|avg|spatial|cls|mean]``, and its reductions.

Requests are separated by commas. A layer is a module path inside the network, and what is taken is that
module's own output. It is stored under the alias, else under the request's text with its reduction.
Axes are C (channels), T, H, W, L (tokens), and X where the network does not tell; without a reduction a
layer keeps its native shape.

=========  =========================================================  ======================
reduction  what it computes                                           axes that are left
=========  =========================================================  ======================
flat       all numbers of the layer in C order                        D
avg        mean over all of T, H, W and L                             C
spatial    mean over H and W; time is kept                            C T, or C of a 2-D map
cls        the first token                                            C
mean       mean over all tokens, a class token included where it is   C
=========  =========================================================  ======================
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from p3d_eval.errors import UnknownNameError, UserError

# Axes of a layer's output by its rank without the batch axis; L counts tokens.
_AXES_BY_RANK = {0: "", 1: "C", 2: "LC", 3: "CHW", 4: "CTHW"}


@dataclass(frozen=True)
class LayerRequest:
    """One layer to extract.

    Parameters
    ----------
    name : str
        Name that it is stored under: the alias, else the text of the request.
    path : str
        Layer or module path inside the network.
    reduction : str
        ``flat``, ``avg``, ``spatial``, ``cls``, ``mean``, or empty for the native shape.
    """

    name: str
    path: str
    reduction: str = ""


def axes_of(output: Tensor, labelled: bool = True) -> str:
    """Axes of an output besides the batch, such as ``CTHW``; X where their number does not tell.

    Parameters
    ----------
    output : Tensor
        N × the layer's native shape.
    labelled : bool
        Whether maps of the network have their channels first.
    """
    rank = output.ndim - 1
    return _AXES_BY_RANK.get(rank, "X" * rank) if labelled or rank <= len("LC") else "X" * rank


def _flat(x: Tensor, axes: str) -> tuple[Tensor, str]:  # noqa: ARG001
    return x.flatten(1), "D"


def _mean_over(x: Tensor, axes: str, gone: str) -> tuple[Tensor, str]:
    dims = [1 + index for index, axis in enumerate(axes) if axis in gone]
    kept = "".join(axis for axis in axes if axis not in gone)
    return (x.mean(dims) if dims else x), kept


def _average(x: Tensor, axes: str) -> tuple[Tensor, str]:
    return _mean_over(x, axes, "THWL")


def _spatial(x: Tensor, axes: str) -> tuple[Tensor, str]:
    return _mean_over(x, axes, "HW")


def _class_token(x: Tensor, axes: str) -> tuple[Tensor, str]:  # noqa: ARG001
    return x[:, 0], "C"


def _token_mean(x: Tensor, axes: str) -> tuple[Tensor, str]:
    return _mean_over(x, axes, "L")


@dataclass(frozen=True)
class _Reduction:
    apply: Callable[[Tensor, str], tuple[Tensor, str]]
    needs: str  # axes that the output must have, any of them where empty
    selects: bool = False  # whether the result is a part of the output, not computed from it


_REDUCTIONS = {
    "flat": _Reduction(_flat, "", selects=True),
    "avg": _Reduction(_average, "C"),
    "spatial": _Reduction(_spatial, "HW"),
    "cls": _Reduction(_class_token, "LC", selects=True),
    "mean": _Reduction(_token_mean, "LC"),
}


def _parse_one(text: str) -> LayerRequest:
    alias, equals, rest = text.rpartition("=")
    alias = alias.strip()
    path, colon, reduction = rest.strip().partition(":")
    name = alias if equals else rest.strip()
    if not path or not name or (colon and not reduction) or "=" in alias:
        raise UserError(
            f"layer request {text!r} cannot be read",
            "Write [alias=]layer[:flat|avg|spatial|cls|mean], for example res5c:avg",
        )
    if "/" in name:
        raise UserError(
            f"layer name {name!r} has a '/', which separates groups in a feature file",
            f"Give it an alias: {name.replace('/', '_')}={rest.strip()}",
        )
    if reduction and reduction not in _REDUCTIONS:
        raise UnknownNameError("reduction", reduction, _REDUCTIONS)
    return LayerRequest(name, path, reduction)


def parse_layers(layers: str | Sequence[str]) -> tuple[LayerRequest, ...]:
    """Read a list of layer requests, or one text with commas.

    Raises
    ------
    UserError
        When a request cannot be read, the list is empty, or two requests share a name.

    Examples
    --------
    >>> [request.name for request in parse_layers("prob, pooled=res5c:avg")]
    ['prob', 'pooled']
    """
    texts = [layers] if isinstance(layers, str) else list(layers)
    parts = [part.strip() for text in texts for part in text.split(",")]
    requests = tuple(_parse_one(part) for part in parts if part)
    if not requests:
        raise UserError("the list of layers is empty", "Name one layer at least, for example pool5")
    seen: set[str] = set()
    for request in requests:
        if request.name in seen:
            raise UserError(f"two layers would be stored as {request.name!r}", "Give one an alias: alias=layer")
        seen.add(request.name)
    return requests


def reduce_output(output: Tensor, request: LayerRequest, axes: str | None = None) -> tuple[Tensor, str]:
    """Apply a request's reduction to a layer's output.

    Parameters
    ----------
    output : Tensor
        N × the layer's native shape.
    request : LayerRequest
        Which reduction.
    axes : str, optional
        The output's axes, as `axes_of` tells them by default.

    Returns
    -------
    tuple of Tensor and str
        N × reduced shape, and its axes. Without a reduction, a copy: the network may still write
        into ``output`` in place.

    Raises
    ------
    UserError
        When the layer has not the axes that the reduction works on.
    """
    axes = axes_of(output) if axes is None else axes
    if not request.reduction:
        return output.clone(), axes
    reduction = _REDUCTIONS[request.reduction]
    if not set(reduction.needs) <= set(axes):
        shape = " × ".join(map(str, output.shape[1:])) or "a number"
        raise UserError(
            f"{request.reduction!r} does not apply to layer {request.path!r} ({shape}, axes {axes or 'none'})",
            "spatial needs height and width; cls and mean need tokens",
        )
    reduced, kept = reduction.apply(output, axes)
    return (reduced.clone() if reduction.selects or reduced is output else reduced), kept
