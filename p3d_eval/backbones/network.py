"""The two ways to describe a network: a built module (`Network`), and a named family (`Architecture`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import nn

from p3d_eval.backbones.spec import InputSpec
from p3d_eval.errors import UnknownNameError, UserError

if TYPE_CHECKING:
    from p3d_eval.backbones.checkpoint import Inflater, Reader

CODE = "code_sha256"  # beside the options that a user gives: which code they were given to
CheckInput = Callable[[tuple[int, int, int, int]], None]


def accept_any_input(shape: tuple[int, int, int, int]) -> None:
    """Take clips of every shape: the default for networks that state no limits."""


def told_options(options: Mapping[str, Any]) -> str:
    """Name what a user chose of a network, for messages: `` with width='5'``; empty where nothing was."""
    chosen = [f"{key}={value!r}" for key, value in options.items() if key != CODE]
    return f" with {', '.join(chosen)}" if chosen else ""


@dataclass(frozen=True)
class WeightsInfo:
    """Where a network's weights come from.

    Parameters
    ----------
    source : str
        Path as given, or ``random (seed 0)``.
    sha256 : str
        Hash of the file; of the parameters themselves when there is none.
    random : bool
        Whether nobody trained them.
    """

    source: str
    sha256: str
    random: bool


@dataclass(frozen=True)
class Network:
    """A module with everything that feature extraction has to know about it.

    A factory (``package.module:factory``, ``path/to/file.py:factory`` or an entry point in the group
    ``p3d_eval.backbones``) returns one of these, or a `Backbone`. The module takes a float32 tensor
    N × C × T × H × W, prepared as ``input_spec`` says.

    Parameters
    ----------
    module : torch.nn.Module
        The network. Every module path inside it is a layer that can be asked for.
    input_spec : InputSpec
        How raw frames become its input.
    layers : tuple of str
        Module paths to list; empty lists the module's direct children.
    classes : tuple of str
        Names of the entries of ``prob``.
    trained_on : str
        Data that the weights were trained on.
    aslan_layers : tuple of str
        Layers that the ASLAN protocol uses by default.
    check_input : callable
        Takes (C, T, H, W) and raises `UserError` when the network cannot.
    weights_source : str
        Where the weights come from, when the factory loaded them itself.
    random : bool
        Whether the weights are random.
    images : bool
        Whether the module runs on the frames of clips one by one, folded into the batch axis as
        `p3d_eval.backbones.frames.fold_frames` does: every layer is averaged over a clip's frames.
    centre : bool
        Whether it looks at a clip's middle frame alone, number T // 2: extraction then decodes no other.
    class_token : bool
        Whether the first token of its token layers is a class token; where not, ``:cls`` is refused.
    labelled : bool
        Whether the axes of a layer are those that its rank says (`p3d_eval.backbones.layers`). Where not,
        as in networks with channels last, they are marked X, and only ``flat`` applies.
    unstated : tuple of str
        Fields of ``input_spec`` that are only a guess: whoever loads the network must give them.
    held_bytes : int, optional
        Bytes of the weights where another library than PyTorch holds them, and the module has none.
    """

    module: nn.Module
    input_spec: InputSpec
    layers: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    trained_on: str = ""
    aslan_layers: tuple[str, ...] = ()
    check_input: CheckInput = accept_any_input
    weights_source: str = ""
    random: bool = False
    images: bool = False
    centre: bool = False
    class_token: bool = True
    labelled: bool = True
    unstated: tuple[str, ...] = ()
    held_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("layers", "classes", "aslan_layers"):
            value = getattr(self, name)
            if isinstance(value, str):  # ("prob") is one
                raise UserError(
                    f"{name} of a Network are names, not the text {value!r}", f"Write {name}=({value!r},)"
                )

    @property
    def parameters(self) -> int | None:
        """Trainable numbers; None where the module does not hold the weights."""
        if self.held_bytes is not None:
            return None
        return sum(parameter.numel() for parameter in self.module.parameters())

    @property
    def seen_shape(self) -> tuple[int, int, int, int]:
        """Shape of what it looks at of a clip, C × T × H × W: one frame where it is the middle one alone."""
        channels, frames, height, width = self.input_spec.input_shape
        return (channels, 1 if self.centre else frames, height, width)


@dataclass(frozen=True)
class Architecture:
    """A family of networks that this package builds itself and fills from weights files.

    Parameters
    ----------
    name, summary : str
        What users type, and one line about it.
    options : mapping
        Option → values it takes, the default first.
    build : callable
        (options, number of classes) → module with freshly drawn weights.
    input_spec : callable
        options → `InputSpec`.
    layers, aslan_layers : tuple of str
        Module paths to list, and those of the ASLAN protocol.
    check_input : callable
        Takes (C, T, H, W) and raises `UserError` when the network cannot.
    check_of : callable, optional
        Options → such a check, where the limits depend on them.
    head : str
        Parameter whose first axis is the number of classes.
    default_classes : int
        Number of classes of a network without weights.
    readers : mapping
        File suffix → reader of foreign checkpoints.
    images : bool
        Whether the module runs on the frames of clips one by one, see `Network`.
    inflate : callable, optional
        (weights file of a 2-D network, given options, way to spread kernels over time) → the network's
        weights, made of those.
    """

    name: str
    summary: str
    build: Callable[[Mapping[str, str], int], nn.Module]
    input_spec: Callable[[Mapping[str, str]], InputSpec]
    layers: tuple[str, ...]
    aslan_layers: tuple[str, ...]
    head: str
    default_classes: int
    check_input: CheckInput = accept_any_input
    check_of: Callable[[Mapping[str, str]], CheckInput] | None = None
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    readers: Mapping[str, "Reader"] = field(default_factory=dict)
    images: bool = False
    inflate: "Inflater | None" = None

    def limits(self, options: Mapping[str, str]) -> CheckInput:
        """Return the check of clips for a network with these options."""
        return self.check_input if self.check_of is None else self.check_of(options)

    def resolve_options(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Fill in the defaults and check every value.

        Raises
        ------
        UserError
            For an unknown option or value.
        """
        chosen = self.check_options(given)
        return {key: chosen.get(key, values[0]) for key, values in self.options.items()}

    def check_options(self, given: Mapping[str, Any]) -> dict[str, str]:
        """Check the values that are given, and add none.

        Raises
        ------
        UserError
            For an unknown option or value.
        """
        for key, value in given.items():
            if key not in self.options:
                raise UnknownNameError(f"option of {self.name}", key, self.options)
            if value not in self.options[key]:
                raise UnknownNameError(f"value of {self.name}'s option {key}", str(value), self.options[key])
        return {key: str(value) for key, value in given.items()}
