"""What turns a collection's module into a network of this package, its module paths left as they are."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from p3d_eval.backbones.frames import FRAMES, fold_frames
from p3d_eval.backbones.network import told_options
from p3d_eval.errors import FOREIGN_FAILURES, MissingExtraError, UnknownNameError, UserError, one_line

CLIP_LENGTH = 16  # of networks of images: the middle of a clip is where a video network's is
BYTES = 255.0
_CLASS_TOKENS = ("cls_token", "class_token", "class_embedding")
_WEIGHTS_ONLY = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"  # torch.serialization's
_LONGEST_REASON = 300  # characters of another library's message


@dataclass(frozen=True)
class Wanted:
    """What a user asked a collection for.

    Parameters
    ----------
    name : str
        All that was typed, such as ``timm:resnet152``.
    model : str
        What stands after the prefix.
    weights : str
        Which trained weights of the collection; empty for its default.
    random : bool
        Whether trained weights are not wanted from the collection: random ones are, or a file follows.
    filled : bool
        Whether a file with weights follows.
    options : mapping
        Arguments for the collection's own constructor.
    frames : {"centre", "all"}
        Frames of a clip that a network of images sees.
    """

    name: str
    model: str
    weights: str = ""
    random: bool = False
    filled: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    frames: str = "centre"

    @property
    def centre(self) -> bool:
        """Whether a network of images sees the middle frame of a clip alone."""
        return self.frames == "centre"

    def __post_init__(self) -> None:
        if self.frames not in FRAMES:
            raise UnknownNameError("choice of frames", self.frames, FRAMES)


def import_collection(module: str, extra: str) -> Any:
    """Import a library that is an extra.

    Raises
    ------
    UserError
        When it is not installed, or its import fails.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == package:
            raise MissingExtraError(f"a network of {package}", extra) from error
        raise _broken(package, error) from error
    except Exception as error:  # a build for another torch fails in many ways
        raise _broken(package, error) from error


def _broken(package: str, error: Exception) -> UserError:
    return UserError(
        f"{package} cannot be imported: {one_line(error)}",
        "Its build and torch's must fit each other: both for CPUs, or both for the same CUDA",
    )


@contextmanager
def blamed(wanted: Wanted, hint: str) -> Iterator[None]:
    """Turn whatever another library raises into one line with the network's name and a hint."""
    try:
        yield
    except UserError:
        raise
    except FOREIGN_FAILURES as error:
        text = one_line(error)
        short = text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
        raise UserError(f"backbone {wanted.name!r}{told_options(wanted.options)}: {short}", hint) from error


@contextmanager
def weights_only() -> Iterator[None]:
    """Let torch's restricted unpickler read what a library downloaded, whatever the library asks for."""
    before = os.environ.get(_WEIGHTS_ONLY)
    os.environ[_WEIGHTS_ONLY] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_WEIGHTS_ONLY]
        else:
            os.environ[_WEIGHTS_ONLY] = before


def read_bytes_as(mean: Any, std: Any) -> dict[str, Any]:
    """Fields of an input specification for RGB from 0 to 1 minus ``mean``, divided by ``std``."""
    return {"value_range": (0.0, 1.0), "mean": tuple(map(float, mean)), "std": tuple(map(float, std))}


def see_frames(module: nn.Module, frames: str) -> None:
    """Let a network of images take clips N × C × T × H × W."""

    def fold(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (fold_frames(inputs[0], frames), *inputs[1:])

    module.register_forward_pre_hook(fold)


def take_frames_first(module: nn.Module) -> None:
    """Let a network that wants N × T × C × H × W take clips N × C × T × H × W."""

    def turn(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0].transpose(1, 2), *inputs[1:])

    module.register_forward_pre_hook(turn)


def add_probabilities(module: nn.Module, logits: Callable[[Any], Tensor] = lambda output: output) -> None:
    """Give a classifier a layer ``prob``: the softmax of what it returns."""
    if hasattr(module, "prob"):
        return
    module.add_module("prob", nn.Softmax(dim=-1))

    def soften(_module: nn.Module, _inputs: Any, output: Any) -> Tensor:
        return module.get_submodule("prob")(logits(output))

    module.register_forward_hook(soften)


def has_class_token(module: nn.Module) -> bool:
    """Whether a transformer has a class token, by the names of its parameters."""
    return any(token in name for name, _ in module.named_parameters() for token in _CLASS_TOKENS)
