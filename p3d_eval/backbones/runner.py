"""Many batches of one shape through a network: as a rewritten graph, compiled where that pays, checked once."""

import math
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from p3d_eval.backbones.backbone import Backbone, LayerTexts
from p3d_eval.backbones.graph.convolution import Convolution, OneDnnConvolution, has_onednn
from p3d_eval.backbones.graph.fusing import fuse
from p3d_eval.backbones.graph.lowering import lower
from p3d_eval.backbones.graph.tracing import UntraceableError, trace
from p3d_eval.backbones.layers import parse_layers
from p3d_eval.backbones.precision import COMPILING, REFERENCE, arithmetic, low_type
from p3d_eval.errors import UnknownNameError, UserError, counted

# Largest difference to the network as written in fp32, of a layer's largest value, that counts as rounding.
# More is a fault of the rewriting, and the network runs as written.
BOUNDS = {"fp32": 1e-4, "tf32": 3e-2, "fp16": 3e-2, "bf16": 1e-1}
# The clip that it is measured on: noise of 0 … 255 in one value for so many frames and pixels, smooth between.
_EXAMPLE_GRID = (4, 16, 16)
_WARM_UP = 3  # runs before a CUDA graph is recorded, as torch.cuda.graph asks for

Run = Callable[[Tensor], tuple[Tensor, ...]]


class Runner:
    """A network prepared for one batch shape and one list of layers.

    A clip that is always the same (`example_batch`) says whether the rewritten network gives what the network
    as written gives: so it does not depend on which batch comes first, and a run that is resumed or
    divided decides as one that is not. Batches of another shape run as written.

    Parameters
    ----------
    backbone : Backbone
        The network; its precision is used.
    layers : str or sequence of str
        ``[alias=]layer[:reduction]``.
    batch_size : int
        Clips in a batch.
    compiling : {"auto", "on", "off"}
        Whether ``torch.compile`` is used: ``auto`` does so on GPUs.

    Attributes
    ----------
    how : str
        How the network runs, for the record of a run.
    notices : list of str
        What the user should know: why something is not used.
    difference : mapping of str to float
        Layer → difference to the network as written in fp32 on that clip, of its largest value; empty
        where the network cannot be rewritten.

    Raises
    ------
    UserError
        When a layer or the way to compile is unknown, or numbers exceed the range of fp16.
    """

    def __init__(
        self, backbone: Backbone, layers: LayerTexts, batch_size: int, compiling: str = "auto"
    ) -> None:
        if compiling not in COMPILING:
            raise UnknownNameError("way to compile", compiling, COMPILING)
        self.backbone = backbone
        self.requests = parse_layers(layers)
        self.layers = layers
        self.shape = (batch_size, *backbone.network.seen_shape)
        self.notices: list[str] = list(backbone.notices)
        self.difference: Mapping[str, float] = {}
        self._compiling = compiling == "on" or (compiling == "auto" and backbone.device.type == "cuda")
        self.how = "as written"
        self._run: Run | None = self._rewrite()
        if self._run is not None:
            self._check(self._run)

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Run prepared clips N × C × T × h × w: stored name → N × shape, float32, on the device.

        Raises
        ------
        UserError
            When the network cannot take this input.
        """
        if self.backbone.network.centre:
            x = x[:, :, x.shape[2] // 2, None]
        if self._run is None or tuple(x.shape) != self.shape:
            return self.backbone.features(x, self.layers)
        return self._named(self._run(x.to(self.backbone.device, torch.float32)))

    def _named(self, found: tuple[Tensor, ...]) -> dict[str, Tensor]:
        return {request.name: values for request, values in zip(self.requests, found, strict=True)}

    def _rewrite(self) -> Run | None:
        """Write the network as a graph and make it fast; None where that cannot be."""
        backbone, device = self.backbone, self.backbone.device
        try:
            modules = backbone.modules_of(self.requests)
            calls = backbone.count_calls(self.requests, self.shape[1:])
            batch = backbone.batch(self.shape[0], self.shape[2])
            zeros = torch.zeros(self.shape, device=device)
            graph = trace(backbone.module, modules, self.requests, calls, zeros, batch)
        except UntraceableError as reason:
            self.notices.append(f"{backbone.name} runs as it is written: {reason}")
            return None
        onednn = device.type == "cpu" and has_onednn() and not self._compiling
        count = fuse(graph, OneDnnConvolution if onednn else Convolution)
        low = low_type(backbone.precision)
        if low is not None:
            lower(graph, low)
        self.how = f"graph, {counted(count, 'convolution')} fused" + (" in oneDNN" if onednn else "")
        return self._within(self._compiled(graph) if self._compiling else graph)

    def _within(self, run: Run) -> Run:
        """Run with the precision's settings."""

        def settled(x: Tensor) -> tuple[Tensor, ...]:
            with arithmetic(self.backbone.precision, self.backbone.device):
                return run(x)

        return settled

    def _compiled(self, graph: Run) -> Run:
        if self.backbone.device.type == "cpu" and not _cpp_compiler():
            self.notices.append("no C++ compiler was found: the network runs without torch.compile")
            return graph
        compiled: Run = torch.compile(graph, dynamic=False, options=_compile_options())
        tried = torch.zeros(self.shape, device=self.backbone.device)
        try:
            with torch.inference_mode(), arithmetic(self.backbone.precision, self.backbone.device):
                compiled(tried)
        except Exception as error:  # noqa: BLE001  (compilers fail in many ways; results do not need them)
            text = next(iter(str(error).splitlines()), "")
            self.notices.append(
                f"torch.compile failed, the network runs without: {type(error).__name__}: {text}"
            )
            return graph
        self.how += ", compiled"
        return compiled

    @torch.inference_mode()
    def _check(self, run: Run) -> None:
        """Run the example as written too, and settle how the network runs."""
        x = example_batch(self.backbone, self.shape[0])
        found = self._named(run(x))
        expected = self.backbone.with_precision(REFERENCE).features(x[:1], self.layers)
        self.difference = {name: _difference(found[name][:1], expected[name]) for name in expected}
        worst = max(self.difference, key=lambda name: self.difference[name])
        if self.difference[worst] <= BOUNDS[self.backbone.precision]:
            self._record(x)
            return
        if self.backbone.precision == "fp16" and not torch.isfinite(found[worst]).all():
            raise UserError(
                f"{self.backbone.name}: numbers in layer {worst!r} or before it exceed the range of fp16",
                "Choose --precision bf16, tf32 or fp32",
            )
        self._run, self.how = None, "as written"
        self.notices.append(
            f"{self.backbone.name} runs as it is written: layer {worst!r} of the rewritten network differs by "
            f"{self.difference[worst]:.1e} of its largest value"
        )

    def _record(self, x: Tensor) -> None:
        """Record a CUDA graph of the run: one launch instead of hundreds."""
        if not self._compiling or self.backbone.device.type != "cuda" or self._run is None:
            return
        try:
            self._run = _cuda_graph(self._run, x)
        except RuntimeError as error:
            self.notices.append(f"the network runs without a CUDA graph: {str(error).splitlines()[0]}")
            return
        self.how += ", CUDA graph"


@torch.inference_mode()
def example_batch(backbone: Backbone, batch_size: int) -> Tensor:
    """Return the network's input for a clip of blurred noise, the same on every call, ``batch_size`` times."""
    channels, *size = backbone.input_spec.input_shape
    generator = torch.Generator().manual_seed(0)
    coarse = [-(-length // step) + 1 for length, step in zip(size, _EXAMPLE_GRID, strict=True)]
    noise = 255 * torch.rand(1, channels, *coarse, generator=generator)
    frames = functional.interpolate(noise, size=size, mode="trilinear", align_corners=True).transpose(1, 2)
    seen = backbone.finish_clips(frames[:, size[0] // 2, None] if backbone.network.centre else frames)
    return seen.repeat(batch_size, 1, 1, 1, 1)


def _difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference as a part of the largest expected value; what is not finite must be so in both."""
    finite = expected.isfinite()
    if not torch.equal(finite, found.isfinite()):
        return math.inf
    found, expected = (values.masked_fill(~finite, 0) for values in (found, expected))
    return (
        0.0 if torch.equal(found, expected) else ((found - expected).abs().max() / expected.abs().max()).item()
    )


def _cpp_compiler() -> str | None:
    """Path of the C++ compiler that torch.compile would use on a CPU."""
    named = os.environ.get("CXX")
    return next(filter(None, map(shutil.which, [named] if named else ["g++", "clang++"])), None)


def _compile_options() -> dict[str, str | int | bool | Callable[..., Any]]:
    """Options of ``torch.compile``: constants folded; no kernel is chosen by timing where that changes bits."""
    wanted = {"freezing": True, "deterministic": True}
    known = torch._inductor.list_options()  # torch before 2.9 has no deterministic
    return {name: value for name, value in wanted.items() if name in known}


def _cuda_graph(run: Run, example: Tensor) -> Run:
    given = example.clone()
    stream: Any = torch.cuda.Stream(example.device)
    stream.wait_stream(torch.cuda.current_stream(example.device))
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):
            run(given)
    torch.cuda.current_stream(example.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Other threads may copy and pin memory meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        results = run(given)

    def replay(x: Tensor) -> tuple[Tensor, ...]:
        given.copy_(x)
        graph.replay()
        return tuple(values.clone() for values in results)

    return replay
