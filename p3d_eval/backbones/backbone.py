"""A loaded network: clips in, named layers out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from p3d_eval.backbones.capture import Captured, capture
from p3d_eval.backbones.colour import to_device
from p3d_eval.backbones.frames import Batch
from p3d_eval.backbones.imagining import CLIPS, imagine
from p3d_eval.backbones.input_changes import change_input
from p3d_eval.backbones.layers import LayerRequest, parse_layers
from p3d_eval.backbones.listing import survey_modules
from p3d_eval.backbones.network import Network, WeightsInfo
from p3d_eval.backbones.planes import Planes
from p3d_eval.backbones.precision import REFERENCE, arithmetic, autocast, resolve_precision
from p3d_eval.backbones.preprocessing import finish_clips, prepare_frames, preprocess
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.backbones.views import CENTRE, View
from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.markup import shown_by

LayerTexts = str | Sequence[str]


class Backbone:
    """A network in evaluation mode on a device, made by `load_backbone`.

    Parameters
    ----------
    name : str
        What the user typed.
    network : Network
        Module, input specification, layers, classes.
    weights : WeightsInfo
        Where the weights come from.
    device : torch.device
        Where it runs.
    options : mapping
        Options that it was built with.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        weights: WeightsInfo,
        device: torch.device,
        options: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        _, frames, height, width = network.input_spec.input_shape
        network.check_input((network.input_spec.channels, frames, height, width))
        self.name = name
        self.network = network
        self.module: nn.Module = network.module.to(device).eval().requires_grad_(False)
        self.weights = weights
        self.device = device
        self.options = MappingProxyType(dict(options))
        # What the network itself says, whatever input it is given.
        self.own_input = network.input_spec
        # What `load_backbone` was asked for, so that other processes can load the same network.
        self.recipe: Mapping[str, Any] | None = None
        self.precision = REFERENCE
        self.notices: tuple[str, ...] = ()  # what the user should know of its weights
        self._calls: dict[Any, dict[str, int]] = {}

    @property
    def input_spec(self) -> InputSpec:
        """What the network wants to see."""
        return self.network.input_spec

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the entries of ``prob``; empty when unknown."""
        return self.network.classes

    @property
    def trained_on(self) -> str:
        """Data that the weights were trained on; empty when unknown."""
        return self.network.trained_on

    @property
    def aslan_layers(self) -> tuple[str, ...]:
        """Layers that the ASLAN protocol uses by default."""
        return self.network.aslan_layers

    @cached_property
    def _described(self) -> dict[str, tuple[tuple[int, ...], str]]:
        names = self.network.layers
        if not names:
            return survey_modules(self, dict(self.module.named_children()))
        return self._shapes([LayerRequest(name, name) for name in names])

    @property
    def layers(self) -> Mapping[str, tuple[int, ...]]:
        """Layer → shape without the batch axis, at the input specification's clip."""
        return {name: shape for name, (shape, _) in self._described.items()}

    @property
    def axes(self) -> Mapping[str, str]:
        """Layer → its axes, such as ``CTHW``."""
        return {name: axes for name, (_, axes) in self._described.items()}

    _repr_html_ = shown_by("p3d_eval.backbones.notebook:backbone_html")

    def with_input(self, **changes: Any) -> "Backbone":
        """Return the same network for another input: other values of what `InputSpec` says.

        Parameters
        ----------
        **changes
            ``clip_length``, ``frame_stride``, ``resize``, ``crop``, ``mean``, ``std``, ``value_range``,
            ``channel_order``; None for no change. See `p3d_eval.backbones.input_changes.change_input`.

        Raises
        ------
        UserError
            When a value does not fit or the network cannot take it.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        network = replace(self.network, input_spec=change_input(self.input_spec, given))
        changed = Backbone(self.name, network, self.weights, self.device, self.options)
        changed.own_input = self.own_input
        changed.recipe = None if self.recipe is None else MappingProxyType({**self.recipe, **given})
        changed.precision, changed.notices = self.precision, self.notices
        return changed

    def with_precision(self, precision: str) -> "Backbone":
        """Return the same network in other arithmetic: fp32 (TF32 off), tf32, bf16, fp16 or auto.

        Parameters stay in float32, and so do the features: convolutions and matrix products alone are
        computed in the other type. ``precision`` then says what ``auto`` is on this device.

        Raises
        ------
        UserError
            When the device cannot do it.
        """
        changed = self.with_input()
        changed.precision = resolve_precision(precision, self.device)
        if changed.recipe is not None:
            changed.recipe = MappingProxyType({**changed.recipe, "precision": precision})
        return changed

    def request_shapes(self, layers: LayerTexts) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the stored shape and axes of every requested layer without running the network on numbers.

        Parameters
        ----------
        layers : str or sequence of str
            ``[alias=]layer[:reduction]``.

        Returns
        -------
        dict
            Stored name → (shape without the batch axis, axes).

        Raises
        ------
        UserError
            When a layer is unknown or a reduction does not apply to it.
        """
        return self._shapes(parse_layers(layers))

    def prepare_frames(self, frames: Tensor | Planes, view: View = CENTRE) -> Tensor:
        """Resize, crop and mirror uint8 frames N × H × W × 3 (RGB), or planes: float32, N × 3 × h × w.

        What comes out depends on one frame alone, so that clips can share it.
        """
        return prepare_frames(to_device(frames, self.device), self.input_spec, view)

    def finish_clips(self, frames: Tensor) -> Tensor:
        """Turn prepared frames N × T × 3 × h × w into the network's float32 input N × C × T × h × w."""
        return finish_clips(frames.to(self.device), self.input_spec)

    def preprocess(self, clips: Tensor, view: View = CENTRE) -> Tensor:
        """Turn uint8 clips N × T × H × W × 3 (RGB) into the network's float32 input N × C × T × h × w."""
        return preprocess(clips.to(self.device), self.input_spec, view)

    @torch.inference_mode()
    def features(self, x: Tensor, layers: LayerTexts) -> dict[str, Tensor]:
        """Run the network on prepared input, as far as the last layer asked for.

        Parameters
        ----------
        x : Tensor
            float, N × C × T × H × W as `preprocess` returns it.
        layers : str or sequence of str
            ``[alias=]layer[:reduction]``.

        Returns
        -------
        dict of str to Tensor
            Stored name → N × shape, in the order asked for.

        Raises
        ------
        UserError
            When a layer is unknown, or the network cannot take this input.
        """
        self._check(x)
        requests = parse_layers(layers)
        modules = self.modules_of(requests)
        calls = self.count_calls(requests, tuple(x.shape[1:]))
        batch = self.batch(len(x), x.shape[2])
        with arithmetic(self.precision, self.device), autocast(self.precision, self.device):
            found, _ = capture(
                modules, requests, lambda: self.module(x.to(self.device, torch.float32)), calls, batch
            )
        return {name: tensor for name, (tensor, _) in found.items()}

    def __call__(self, clips: Tensor, layers: LayerTexts) -> dict[str, Tensor]:
        """`preprocess`, then `features`."""
        return self.features(self.preprocess(clips), layers)

    def batch(self, clips: int, clip_length: int) -> Batch:
        """Say what so many clips of so many frames are to the module."""
        return Batch(clips, clip_length if self.network.images else 1, self.network.labelled)

    def _check(self, x: Tensor) -> None:
        channels = self.input_spec.channels
        if x.ndim != 5 or x.shape[1] != channels or not x.is_floating_point():
            raise UserError(
                f"{self.name}: input is {x.dtype} of shape {tuple(x.shape)}, "
                f"not float of shape N × {channels} × T × H × W",
                "Call the backbone itself on uint8 clips, or preprocess them first",
            )
        self.network.check_input((channels, x.shape[2], x.shape[3], x.shape[4]))

    def _module_at(self, path: str) -> nn.Module:
        modules = dict(self.module.named_modules())
        if not path or path not in modules:
            # Module paths are offered only to who wrote one: there are hundreds of them.
            inner = modules if "." in path else (name for name, _ in self.module.named_children())
            known = {*self.network.layers, *(name for name in inner if name and name[0] != "_")} & set(modules)
            raise UnknownNameError(f"layer of {self.name}", path, known)
        return modules[path]

    def modules_of(self, requests: Iterable[LayerRequest]) -> dict[str, nn.Module]:
        """Path → module of every requested layer.

        Raises
        ------
        UserError
            When there is no such module, or the network has no class token to take.
        """
        modules: dict[str, nn.Module] = {}
        for request in requests:
            if request.reduction == "cls" and not self.network.class_token:
                raise UserError(
                    f"{self.name} has no class token: {request.path}:cls would be a corner of the first frame",
                    f"Average the tokens: {request.path}:mean",
                )
            modules[request.path] = self._module_at(request.path)
        return modules

    def count_calls(self, requests: tuple[LayerRequest, ...], shape: tuple[int, ...]) -> dict[str, int]:
        """Count how often each layer runs for a clip of this shape (C, T, H, W)."""
        key = (shape, frozenset(request.path for request in requests))
        if key not in self._calls:
            native = tuple(LayerRequest(path, path) for path in key[1])
            self._calls[key] = dict(self._dry_run(native, shape)[1])
        return self._calls[key]

    def _shapes(self, requests: Iterable[LayerRequest]) -> dict[str, tuple[tuple[int, ...], str]]:
        found, _ = self._dry_run(tuple(requests), self.input_spec.input_shape)
        return {name: (tuple(tensor.shape[1:]), axes) for name, (tensor, axes) in found.items()}

    def _dry_run(
        self, requests: tuple[LayerRequest, ...], shape: tuple[int, ...]
    ) -> tuple[Captured, Mapping[str, int]]:
        modules = self.modules_of(requests)
        batch = self.batch(CLIPS, shape[1])
        return imagine(self, shape, lambda run: capture(modules, requests, run, batch=batch))


def require_backbone(given: object) -> None:
    """Refuse a name where a loaded network is needed: only who loads it says which weights it gets.

    Raises
    ------
    UserError
        When it is no `Backbone`.
    """
    if not isinstance(given, Backbone):
        named = f"{given!r}, weights=…" if isinstance(given, str) else "name, weights=…"
        what = "a name" if isinstance(given, str) else f"a {type(given).__name__}"
        raise UserError(
            f"{given!r} is {what}, not a loaded network", f"Load it first: backbone = pe.load_backbone({named})"
        )
