"""What a weights file holds, and any readable weights file in this package's own format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from p3d_eval.backbones.caffe import read_layers_of_any
from p3d_eval.backbones.checkpoint import (
    SPREADS,
    SUFFIX,
    Checkpoint,
    Reader,
    count_classes,
    fill,
    find_reader,
    read_checkpoint,
    write_safetensors,
)
from p3d_eval.backbones.i3d_checkpoint import read_i3d_checkpoint
from p3d_eval.backbones.loading import load_architecture, merge_options
from p3d_eval.backbones.network import Architecture
from p3d_eval.backbones.published_weights import identified, recognise
from p3d_eval.backbones.state_dict import read_foreign_names, torch_readers
from p3d_eval.errors import UnknownNameError, UserError, counted
from p3d_eval.files import require_new
from p3d_eval.provenance import sha256_file


def _read_caffe_names(path: Path) -> Checkpoint:
    """Read a network of Caffe as it is: blobs ``conv1.0``, ``conv1.1``, …."""
    blobs = {
        f"{layer.name}.{n}": blob for layer in read_layers_of_any(path) for n, blob in enumerate(layer.blobs)
    }
    return Checkpoint({name: torch.from_numpy(blob) for name, blob in blobs.items()})


# For a look at a file whose network is not known.
_READERS: dict[str, Reader] = {
    "": _read_caffe_names,
    ".caffemodel": _read_caffe_names,
    ".ckpt": read_i3d_checkpoint,
    **torch_readers(read_foreign_names),
}


@dataclass(frozen=True)
class WeightsSummary:
    """What a weights file says of itself.

    Parameters
    ----------
    file, sha256 : str
        Path as given, and hash.
    architecture : str
        Network, empty when the file does not say.
    options : dict
        Options of the network, as far as the file says.
    trained_on : str
        Training data, empty when unknown.
    classes : tuple of str
        Class names, empty when unknown.
    shapes : dict
        Tensor name → shape.
    published : str
        Name among the published weights, empty when the hash is none of theirs.
    """

    file: str
    sha256: str
    architecture: str
    options: dict[str, str]
    trained_on: str
    classes: tuple[str, ...]
    shapes: dict[str, tuple[int, ...]]
    published: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values, tuples as lists."""
        plain = dict(vars(self))
        plain["classes"] = list(self.classes)
        plain["shapes"] = {name: list(shape) for name, shape in self.shapes.items()}
        return plain


def summarise_weights(path: Path) -> WeightsSummary:
    """Read a weights file and say what is in it.

    Raises
    ------
    UserError
        When the file is absent or broken, or has an unknown suffix.
    """
    checkpoint = find_reader(path, _READERS, "weights show")(path)
    digest = sha256_file(path)
    known = recognise(digest)
    checkpoint = identified(checkpoint, digest)
    return WeightsSummary(
        file=str(path),
        sha256=digest,
        architecture=checkpoint.architecture,
        options=dict(checkpoint.options),
        trained_on=checkpoint.trained_on,
        classes=checkpoint.classes,
        shapes={name: tuple(tensor.shape) for name, tensor in checkpoint.tensors.items()},
        published="" if known is None else known.name,
    )


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read class names, one a line, in the order of the network's outputs.

    Raises
    ------
    UserError
        When the file cannot be read, is empty, or has an empty or repeated line.
    """
    try:
        names = tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"cannot read the class names in {path}: {error}", "Give UTF-8 text, one name a line"
        ) from error
    if not names:
        raise UserError(f"{path} is empty", "Write one class name a line")
    seen: set[str] = set()
    for number, name in enumerate(names, start=1):
        if not name or name in seen:
            what = f"the class {name!r} is there twice" if name else "an empty line"
            raise UserError(f"{path}, line {number}: {what}", "Write one class name a line")
        seen.add(name)
    return names


def convert_weights(
    source: Path,
    backbone: str,
    out: Path,
    *,
    classes: Sequence[str] | None = None,
    trained_on: str | None = None,
    options: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Checkpoint:
    """Write weights in this package's format, after checking that every parameter fits.

    Parameters
    ----------
    source : Path
        Weights in any format that the network has a reader for.
    backbone : str
        Registered name of the network.
    out : Path
        File to write, ``.safetensors``.
    classes : sequence of str, optional
        Class names, when the source does not carry them.
    trained_on : str, optional
        Training data, when the source does not say.
    options : mapping, optional
        The network's options, when the source does not say.
    overwrite : bool
        Whether ``out`` may be replaced.

    Returns
    -------
    Checkpoint
        What was written.

    Raises
    ------
    UserError
        When the source does not fit the network or the output cannot be written.
    """
    _require_output(out, overwrite)
    architecture = load_architecture(backbone)
    checkpoint = identified(read_checkpoint(source, architecture), sha256_file(source))
    if trained_on is not None:
        checkpoint = replace(checkpoint, trained_on=trained_on)
    return _write(source, architecture, checkpoint, out, classes, options or {}, overwrite)


def inflate_weights(
    source: Path,
    backbone: str,
    out: Path,
    *,
    classes: Sequence[str] | None = None,
    options: Mapping[str, str] | None = None,
    spread: str = "centre",
    overwrite: bool = False,
) -> Checkpoint:
    """Make weights of a 3-D network from those of a 2-D one: on clips without motion both give the same.

    Parameters
    ----------
    source : Path
        Weights of the 2-D network: for P3D a ResNet of the same depth (torchvision, timm, the authors' Caffe),
        for I3D torchvision's GoogLeNet.
    backbone : str
        Registered name of the 3-D network.
    out : Path
        File to write, ``.safetensors``.
    classes, options, overwrite
        As for `convert_weights`.
    spread : {"centre", "average"}
        How I3D's 2-D kernels get their frames, see `p3d_eval.backbones.googlenet`.

    Returns
    -------
    Checkpoint
        What was written.

    Raises
    ------
    UserError
        When the network cannot be inflated, the source does not fit, or the output cannot be written.
    """
    _require_output(out, overwrite)
    architecture = load_architecture(backbone)
    if architecture.inflate is None:
        raise UserError(
            f"{backbone} is not made from a 2-D network's weights",
            "P3D is (p3d63, p3d131, p3d199), and so are i3d, i2d, top-heavy-i3d and bottom-heavy-i3d",
        )
    if spread not in SPREADS:
        raise UnknownNameError("way to spread kernels over time", spread, SPREADS)
    made = architecture.inflate(source, architecture.check_options(options or {}), spread)
    checkpoint = identified(made, sha256_file(source))
    return _write(source, architecture, checkpoint, out, classes, {}, overwrite)


def _require_output(out: Path, overwrite: bool) -> None:
    if out.suffix != SUFFIX:
        raise UserError(f"{out} does not end in {SUFFIX}", f"Name the output {out.with_suffix(SUFFIX)}")
    require_new(out, overwrite)


def _write(
    source: Path,
    architecture: Architecture,
    checkpoint: Checkpoint,
    out: Path,
    classes: Sequence[str] | None,
    options: Mapping[str, str],
    overwrite: bool,
) -> Checkpoint:
    """Check that every parameter fits, and write."""
    chosen = merge_options(source, architecture, checkpoint, options)
    count = count_classes(source, checkpoint, architecture)
    names = checkpoint.classes if classes is None else tuple(classes)
    if names and len(names) != count:
        raise UserError(
            f"{source} has {counted(count, 'class', 'classes')} for the {counted(len(names), 'name')} given",
            "Give the names of these weights",
        )
    with torch.device("meta"):
        module = architecture.build(chosen, count)
    fill(module, checkpoint.tensors, str(source))
    complete = replace(
        checkpoint,
        architecture=architecture.name,
        options=chosen,
        classes=names,
        input_spec=architecture.input_spec(chosen).to_json(),
    )
    write_safetensors(out, complete, overwrite)
    return complete
