"""State dicts of PyTorch as other projects publish them: ``.pth``, ``.pt``, ``.pth.tar``, ``.safetensors``.

A file of ``torch.save`` is a pickle, and a pickle is a program. It is read by torch's restricted
unpickler (``weights_only``), which builds tensors and plain containers and refuses every other name; and
no tensor may be larger than the file that it comes from.
"""

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from p3d_eval.backbones.checkpoint import SUFFIX, Checkpoint, Reader, printable, read_tensors
from p3d_eval.errors import UserError

# Files that torch.save writes; ``.pth.tar`` is no tar archive.
TORCH_SUFFIXES = (".pth", ".pt", ".tar", ".bin")
_HOLDERS = ("state_dict", "model_state_dict", "model_state", "model")  # where training scripts put the network
_PARALLEL = "module."  # what DataParallel sets before every name
_NOT_PARAMETERS = "num_batches_tracked"
_MOST_TENSORS = 100_000
_LONGEST_REASON = 120  # characters of torch's own message
_PICKLE = b"\x80"  # how pickles begin, since their protocol 2
_FORBIDDEN = re.compile(r"GLOBAL (\S+)")


def torch_readers(reader: Reader) -> dict[str, Reader]:
    """Return ``reader`` under every suffix that state dicts are published with."""
    return dict.fromkeys(TORCH_SUFFIXES, reader)


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a network's state dict under the names that they have in the file.

    A dictionary around it (``{"state_dict": …, "epoch": …}``) is opened, the ``module.`` of parallel
    training is taken off, and batch norms' counters of training steps are left out.

    Parameters
    ----------
    path : Path
        What ``torch.save`` or safetensors wrote.

    Returns
    -------
    dict of str to Tensor
        In the file's order, on the CPU.

    Raises
    ------
    UserError
        When the file is broken, names anything but tensors and plain containers, or holds no tensors.
    """
    found = read_tensors(path) if path.suffix.lower() == SUFFIX else _load(path)
    tensors = _network_of(path, found)
    size = path.stat().st_size
    for name, tensor in tensors.items():
        strange = tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex()
        if strange or tensor.numel() > size:
            raise _refusal(path, f"{printable(name)} is not a plain tensor of numbers that are all in the file")
    if all(name.startswith(_PARALLEL) for name in tensors):
        tensors = {name.removeprefix(_PARALLEL): tensor for name, tensor in tensors.items()}
    return {name: tensor.detach() for name, tensor in tensors.items() if not name.endswith(_NOT_PARAMETERS)}


def rename_modules(tensors: Mapping[str, Tensor], modules: Mapping[str, str]) -> dict[str, Tensor]:
    """Put tensors under other modules' names: ``conv1.weight`` becomes ``stem.weight`` by ``conv1`` → ``stem``.

    Names that are not known stay, and no tensor is lost to another of the same new name: it is then left
    over and reported.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        module, _, leaf = name.rpartition(".")
        new = f"{modules[module]}.{leaf}" if module in modules else name
        while new in found:
            new += " again"
        found[new] = tensor
    return found


def read_foreign_names(path: Path) -> Checkpoint:
    """Read a state dict as it is, for a look at what it holds."""
    return Checkpoint(read_state_dict(path))


def _refusal(path: Path, reason: str) -> UserError:
    return UserError(
        f"{path} is not a readable state dict: {reason}",
        "Nothing in the file was run; download it again, or save the network's state_dict() alone",
    )


def _load(path: Path) -> Any:
    try:
        if zipfile.is_zipfile(path):
            _refuse_bombs(path)
        else:
            _refuse_other_kinds(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that torch then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except Exception as error:  # a broken file can fail anywhere in torch
        raise _refusal(path, _reason(error)) from error


def _refuse_bombs(path: Path) -> None:
    """Refuse archives larger unpacked than packed: torch stores without compression."""
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
            raise _refusal(path, "it unpacks to more than its own size")


def _refuse_other_kinds(path: Path) -> None:
    """Refuse what is no pickle, such as a page that was downloaded in the file's place."""
    with path.open("rb") as file:
        start = file.read(len(_PICKLE))
    if start != _PICKLE:
        raise _refusal(path, "torch.save did not write it" if start else "it is empty")


def _reason(error: Exception) -> str:
    text = str(error)
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        return f"it names {printable(forbidden[1].rstrip('.'))}, which is no tensor"
    line = " ".join(next(iter(text.splitlines()), "").split())
    short = line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"
    return short or type(error).__name__


def _network_of(path: Path, found: Any) -> dict[str, Tensor]:
    """Pick the network's tensors out of what a training script saved."""
    if isinstance(found, Mapping):
        holder = next((key for key in _HOLDERS if isinstance(found.get(key), Mapping)), None)
        found = found if holder is None else found[holder]
    if isinstance(found, Mapping) and not found:
        raise _refusal(path, "it is an empty dictionary")
    if not isinstance(found, Mapping) or len(found) > _MOST_TENSORS:
        raise _refusal(path, f"it holds a {type(found).__name__}, not a dictionary of tensors")
    for name, value in found.items():
        if not isinstance(name, str):
            raise _refusal(path, f"its key {printable(repr(name))} is no name")
        if not isinstance(value, Tensor):
            raise _refusal(path, f"{printable(str(name))} is a {type(value).__name__}, not a tensor")
    return dict(found)
