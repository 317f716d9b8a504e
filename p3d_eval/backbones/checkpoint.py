"""Weights files: this package's safetensors format, foreign readers, and the account of every parameter."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from p3d_eval.errors import UserError, shorten
from p3d_eval.files import atomic_output

if TYPE_CHECKING:
    from p3d_eval.backbones.network import Architecture

FORMAT = "p3d-eval-weights"
FORMAT_VERSION = "1"
SUFFIX = ".safetensors"
_NAMES_LISTED = 10
_LONGEST_NAME = 80  # characters of a foreign name in a message


@dataclass(frozen=True)
class Checkpoint:
    """Parameters of one network with what is known about them.

    Parameters
    ----------
    tensors : mapping
        Parameter or buffer name → tensor, in this package's naming.
    architecture : str
        Name of the network, empty when the file does not say.
    options : mapping
        Options that the network was built with, as far as the file says.
    classes : tuple of str
        Class names, empty when unknown.
    trained_on : str
        Training data.
    input_spec : mapping
        The input specification in JSON form, empty when the file does not say.
    native : mapping
        Options of the arithmetic in the code that the weights were made for, where that is not the default.
    notice : str
        What the user should know when they run in other arithmetic than ``native``.
    beside : tuple of Path
        Other files that tensors were read from.
    """

    tensors: Mapping[str, Tensor]
    architecture: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    trained_on: str = ""
    input_spec: Mapping[str, Any] = field(default_factory=dict)
    native: Mapping[str, str] = field(default_factory=dict)
    notice: str = ""
    beside: tuple[Path, ...] = ()

    def notices(self, options: Mapping[str, str]) -> tuple[str, ...]:
        """Return what the user should know of these weights when they run with ``options``."""
        same = all(options.get(key) == value for key, value in self.native.items())
        return () if same else (self.notice,)


Reader = Callable[[Path], Checkpoint]
# Ways to give a 2-D kernel frames: the kernel in the middle and zeros around it, or its share in each.
SPREADS = ("centre", "average")
# Weights file of a 2-D network, given options of the 3-D one, one of SPREADS.
Inflater = Callable[[Path, Mapping[str, str], str], Checkpoint]


def require_file(path: Path) -> None:
    """Refuse a weights path that is not a readable file."""
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise UserError(
            f"weights file {path} {what}",
            "Give a file, or the word random; `p3d-eval weights list` says where files are to be had",
        )


def _json_field(path: Path, metadata: Mapping[str, str], key: str, kind: type) -> Any:
    try:
        value = json.loads(metadata.get(key, "null"))
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{path}: metadata {key!r} is not JSON", "Convert the weights again") from error
    value = kind() if value is None else value
    if not isinstance(value, kind):
        raise UserError(
            f"{path}: metadata {key!r} is a {type(value).__name__}, not a {kind.__name__}",
            "Convert the weights again",
        )
    return value


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(
            f"{path} is not a readable safetensors file: {str(error).splitlines()[0]}",
            "Copy or convert the weights again",
        ) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, whoever wrote it.

    Raises
    ------
    UserError
        When the file is truncated or foreign.
    """
    with _opened(path) as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def _metadata(path: Path) -> dict[str, str]:
    with _opened(path) as file:
        return file.metadata() or {}


def read_safetensors(path: Path) -> Checkpoint:
    """Read this package's weights format.

    Raises
    ------
    UserError
        When the file is truncated, foreign, or was not written by ``p3d-eval weights convert``.
    """
    metadata = _metadata(path)
    if metadata.get("format") != FORMAT:
        raise UserError(
            f"{path} holds tensors but not this package's metadata",
            "Make it with `p3d-eval weights convert`",
        )
    return Checkpoint(
        tensors=read_tensors(path),
        architecture=metadata.get("architecture", ""),
        options=_json_field(path, metadata, "options", dict),
        classes=tuple(map(str, _json_field(path, metadata, "classes", list))),
        trained_on=metadata.get("trained_on", ""),
        input_spec=_json_field(path, metadata, "input_spec", dict),
    )


def write_safetensors(path: Path, checkpoint: Checkpoint, overwrite: bool = False) -> None:
    """Write a checkpoint in this package's format, atomically."""
    from safetensors.torch import save

    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "architecture": checkpoint.architecture,
        "options": json.dumps(dict(checkpoint.options)),
        "classes": json.dumps(list(checkpoint.classes)),
        "trained_on": checkpoint.trained_on,
        "input_spec": json.dumps(dict(checkpoint.input_spec)),
    }
    tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
    with atomic_output(path, overwrite) as temporary:
        temporary.write_bytes(save(tensors, metadata=metadata))


def find_reader(path: Path, readers: Mapping[str, Reader], whose: str) -> Reader:
    """Pick the reader of a file by its suffix.

    Parameters
    ----------
    path : Path
        The file.
    readers : mapping
        Suffix → reader of foreign checkpoints. One for ``.pth`` also reads the safetensors files of
        others.
    whose : str
        Network, for the error.

    Raises
    ------
    UserError
        When the file is absent or has an unknown suffix.
    """
    require_file(path)
    suffix = path.suffix.lower()
    if suffix == SUFFIX:
        foreign = readers.get(".pth")
        return read_safetensors if foreign is None or _metadata(path).get("format") == FORMAT else foreign
    if suffix not in readers:
        raise UserError(
            f"{path}: {whose} has no reader for {path.suffix or 'a file without suffix'}",
            f"Known formats: {', '.join(filter(None, sorted({SUFFIX, *readers})))}",
        )
    return readers[suffix]


def read_checkpoint(path: Path, architecture: "Architecture") -> Checkpoint:
    """Read weights for ``architecture`` by the file's suffix.

    Raises
    ------
    UserError
        When the file is absent or broken, belongs to another network, or has an unknown suffix.
    """
    checkpoint = find_reader(path, architecture.readers, architecture.name)(path)
    if checkpoint.architecture not in ("", architecture.name):
        raise UserError(
            f"{path} holds weights of {checkpoint.architecture}, not of {architecture.name}",
            f"Use --backbone {checkpoint.architecture}, or other weights",
        )
    return checkpoint


def count_classes(path: Path, checkpoint: Checkpoint, architecture: "Architecture") -> int:
    """Read the number of classes off the file's classifier."""
    head = checkpoint.tensors.get(architecture.head)
    if head is None or head.ndim == 0 or head.shape[0] == 0:
        raise UserError(
            f"{path} has no classifier {architecture.head!r} of {architecture.name} "
            f"(its tensors: {shorten(map(printable, sorted(checkpoint.tensors))) or 'none'})",
            f"`p3d-eval weights show {path}` tells what it holds; `weights convert` reads other formats",
        )
    return head.shape[0]


def printable(name: str) -> str:
    """Return a name from a foreign file on one line of sensible length."""
    plain = name.encode("unicode_escape").decode("ascii")
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[:_LONGEST_NAME]}…"


def _size(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"


def fill(module: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Give ``module`` the tensors of a file; each parameter and buffer must be there, and nothing else.

    Parameters
    ----------
    module : torch.nn.Module
        May be on the meta device: its tensors are replaced, not copied into.
    tensors : mapping
        Name → tensor.
    source : str
        Name of the file for the error.

    Raises
    ------
    UserError
        Listing missing, unexpected, mis-shaped and not finite tensors.
    """
    wanted = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    missing = [name for name in wanted if name not in tensors]
    unexpected = [printable(name) for name in tensors if name not in wanted]
    misshaped = [
        f"{name} is {_size(tensors[name])}, expected {_size(wanted[name])}"
        for name in wanted
        if name in tensors and tensors[name].shape != wanted[name].shape
    ]
    infinite = [name for name in wanted if name in tensors and not _finite(tensors[name])]
    found = {"missing": missing, "unexpected": unexpected, "mis-shaped": misshaped, "with NaN or Inf": infinite}
    problems = [
        f"{len(names)} {what} ({shorten(names, _NAMES_LISTED)})" for what, names in found.items() if names
    ]
    if problems:
        raise UserError(
            f"{source} does not fit: {'; '.join(problems)}",
            "Is this the file of another network, or of one with other options?",
        )
    state = {name: tensors[name].to(wanted[name].dtype) for name in wanted}
    for name in module.state_dict():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
    module.load_state_dict(state, strict=True, assign=True)


def _finite(tensor: Tensor) -> bool:
    if tensor.numel() == 0 or not tensor.is_floating_point():
        return True
    # The extremes carry any NaN or Inf along, in one pass and without a temporary of the tensor's size.
    low, high = torch.aminmax(tensor)
    return bool(torch.isfinite(low)) and bool(torch.isfinite(high))


def hash_state(module: nn.Module) -> str:
    """SHA-256 of all parameters and buffers with their names."""
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(memoryview(flat.view(torch.uint8).numpy()) if flat.numel() else b"")
    return digest.hexdigest()
