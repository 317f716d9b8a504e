"""``torchhub:OWNER/REPOSITORY:NAME``: what a repository's ``hubconf.py`` offers; a local folder will do.

The code of the repository is run: it is what the user named. Its networks come without a word about
their input, except those of PyTorchVideo whose hub pages state it; for others the user gives it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from p3d_eval.backbones.network import Network
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.backbones.zoos.adapting import (
    CLIP_LENGTH,
    Wanted,
    add_probabilities,
    blamed,
    has_class_token,
    read_bytes_as,
    see_frames,
)
from p3d_eval.errors import UserError

_FORM = "Write torchhub:owner/repository:function, or torchhub:folder:function"
_UNSTATED = ("clip_length", "resize", "crop", "mean", "std", "value_range")
_GUESSED_SIDE = 224
_PYTORCHVIDEO = "pytorchvideo"
_MEAN, _STD = (0.45,) * 3, (0.225,) * 3


@dataclass(frozen=True)
class _Page:
    """What a hub page of PyTorchVideo states (pytorch.org/hub, facebookresearch_pytorchvideo_*)."""

    frames: int
    stride: int  # "sampling_rate"
    side: int  # of resize and crop, pixels
    alpha: int = 0  # of SlowFast: the slow pathway sees one frame of so many
    logits: bool = True  # X3D's head ends in its own softmax


_PAGES = {
    "slow_r50": _Page(8, 8, 256),
    "slowfast_r50": _Page(32, 2, 256, alpha=4),
    "slowfast_r101": _Page(32, 2, 256, alpha=4),
    "x3d_xs": _Page(4, 12, 182, logits=False),
    "x3d_s": _Page(13, 6, 182, logits=False),
    "x3d_m": _Page(16, 5, 256, logits=False),
}


def build(wanted: Wanted) -> Network:
    """Build a network of a repository; ``--option images=true`` says that it takes single frames.

    The function is called with ``pretrained=True``, or ``False`` for random weights and files, where it
    takes that word and the options do not say otherwise. It may return a `Network`.

    Raises
    ------
    UserError
        When the repository or function cannot be loaded, or the function returns no module.
    """
    repository, _, function = wanted.model.rpartition(":")
    if not repository or not function:
        raise UserError(f"backbone {wanted.name!r} names no function of a repository", _FORM)
    options = dict(wanted.options)
    images = bool(options.pop("images", False))
    with blamed(wanted, _FORM):
        made = _call(repository, function, wanted, options)
    if isinstance(made, Network):
        return made
    if not isinstance(made, nn.Module):
        raise UserError(f"backbone {wanted.name!r} is a {type(made).__name__}, no network", _FORM)
    page = _PAGES.get(function) if _PYTORCHVIDEO in repository else None
    if page is not None:
        _arrange(made, page)
    elif images:
        see_frames(made, wanted.frames)
    return Network(
        module=made,
        input_spec=_guess() if page is None else _input_spec(page),
        weights_source=wanted.name,
        random=wanted.random,
        images=images,
        centre=images and wanted.centre,
        class_token=has_class_token(made),
        trained_on="" if page is None or wanted.random else "Kinetics-400",
        unstated=_UNSTATED if page is None else (),
    )


def _call(repository: str, function: str, wanted: Wanted, options: dict[str, Any]) -> Any:
    source = "local" if Path(repository).is_dir() else "github"
    known: dict[str, Any] = {"source": source, "trust_repo": True, "verbose": False}
    if "pretrained" in options or "weights" in options:
        return torch.hub.load(repository, function, **known, **options)
    try:
        return torch.hub.load(repository, function, **known, **options, pretrained=not wanted.random)
    except TypeError as error:
        if "'pretrained'" not in str(error):
            raise
        return torch.hub.load(repository, function, **known, **options)


def _input_spec(page: _Page) -> InputSpec:
    return InputSpec(
        clip_length=page.frames,
        resize=page.side,
        crop=(page.side, page.side),
        frame_stride=page.stride,
        **read_bytes_as(_MEAN, _STD),
    )


def _guess() -> InputSpec:
    """Return what stands where the user has to say what is right."""
    side = (_GUESSED_SIDE, _GUESSED_SIDE)
    return InputSpec(CLIP_LENGTH, side, side, (0.0,) * 3, (1.0,) * 3)


def _arrange(module: nn.Module, page: _Page) -> None:
    """Give SlowFast its two pathways and a classifier of logits its probabilities."""

    def divide(_module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        fast = inputs[0]
        frames = fast.shape[2]
        slow = torch.linspace(0, frames - 1, frames // page.alpha, device="cpu").long()
        return ([fast[:, :, slow.to(fast.device)], fast],)

    if page.alpha:
        module.register_forward_pre_hook(divide)
    if page.logits:
        add_probabilities(module)
