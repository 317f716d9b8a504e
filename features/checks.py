"""Reading a file that nobody vouches for: what is wrong becomes one line that names the file and the place."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.features.schema import FORMAT, SCHEMA_VERSION

# gzip shrinks by at most about 1032: a small dataset that claims more than that of its file is not real.
_LARGEST_EXPANSION = 1032
_HDF5_ERRORS = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
)


def damaged(path: Path, what: str) -> UserError:
    """Return the error for a feature file that is not as the schema says."""
    return UserError(f"{path}: {what}", "The file is damaged or not from this program: extract again")


@contextmanager
def open_hdf5(path: Path) -> Iterator[tuple[h5py.File, int]]:
    """Open ``path`` for reading; yield the HDF5 file and the size of the file in bytes.

    Raises
    ------
    UserError
        When the file is missing or unreadable, is not HDF5, is truncated, or anything inside cannot be read.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a feature file", "Give the name of an .h5 file")
    if not path.is_file():
        raise UserError(f"{path}: no such feature file", "p3d-eval extract … --out makes one")
    if not h5py.is_hdf5(path):
        raise UserError(f"{path}: not an HDF5 file", "Give the .h5 file that p3d-eval extract wrote")
    try:
        size = path.stat().st_size
        with h5py.File(path, "r", locking=False) as file:
            yield file, size
    except UserError:
        raise
    except _HDF5_ERRORS as error:
        reason = " ".join(str(error).split())
        raise damaged(path, f"cannot be read as HDF5 ({reason})") from error


def require_replaceable(path: Path) -> None:
    """Refuse to overwrite what is no HDF5 file: another program's output, or a run's own input.

    Raises
    ------
    UserError
        When ``path`` exists and holds something else.
    """
    if path.is_file() and path.stat().st_size and not h5py.is_hdf5(path):
        raise UserError(
            f"{path} is not a feature file, and is not overwritten", "Choose another name for --out"
        )


def require_schema(path: Path, file: h5py.File) -> None:
    """Check that the file is a feature file of this schema version."""
    kind = file.attrs.get("format")
    if not isinstance(kind, bytes) or kind != FORMAT.encode():
        raise UserError(
            f"{path}: an HDF5 file, but not a feature file of p3d-eval (no attribute format={FORMAT!r})",
            "p3d-eval import turns features made elsewhere into one",
        )
    version = file.attrs.get("schema_version")
    if not isinstance(version, int | np.integer) or int(version) != SCHEMA_VERSION:
        raise UserError(
            f"{path}: schema version {version}, this release reads {SCHEMA_VERSION}",
            "Use the release that wrote it, or extract again",
        )


def _get(path: Path, parent: h5py.Group, name: str) -> Any:
    """Return what is there under a name, or None; a link that leads to another file is refused."""
    foreign = isinstance(parent.get(name, getlink=True), h5py.ExternalLink)
    found = None if foreign else parent.get(name)
    # A soft link may lead through an external one.
    if foreign or (found is not None and _file_number(found) != _file_number(parent)):
        raise damaged(path, f"{parent.name.rstrip('/')}/{name} is a link to another file")
    return found


def _file_number(item: h5py.Group | h5py.Dataset) -> int:
    return int(h5py.h5o.get_info(item.id).fileno)


def get_group(path: Path, parent: h5py.Group, name: str) -> h5py.Group:
    """Return a group that must be there."""
    found = _get(path, parent, name)
    if not isinstance(found, h5py.Group):
        raise damaged(path, f"the group {name!r} is missing")
    return found


def get_dataset(path: Path, parent: h5py.Group, name: str, ndim: int, kinds: str) -> h5py.Dataset:
    """Return a dataset that must be there, with ``ndim`` axes and a type of one of NumPy's ``kinds``."""
    found = _get(path, parent, name)
    where = f"{parent.name.rstrip('/')}/{name}"
    if not isinstance(found, h5py.Dataset):
        raise damaged(path, f"the dataset {where} is missing")
    if found.ndim != ndim or found.dtype.kind not in kinds:
        raise damaged(path, f"{where} has {found.ndim} axes of {found.dtype}")
    if found.external is not None or found.is_virtual:
        raise damaged(path, f"{where} keeps its data in another file")
    return found


def read_values(
    path: Path, parent: h5py.Group, name: str, kinds: str, length: int | None, file_size: int
) -> NDArray[Any]:
    """Read a whole one-dimensional dataset, after checking that its claimed size is possible."""
    dataset = get_dataset(path, parent, name, 1, kinds)
    if length is not None and len(dataset) != length:
        raise damaged(path, f"{dataset.name} has {len(dataset)} rows where {length} are due")
    if dataset.nbytes > _LARGEST_EXPANSION * file_size:
        raise damaged(path, f"{dataset.name} claims {dataset.nbytes} bytes in a file of {file_size}")
    return np.asarray(dataset[()])


def decode_texts(path: Path, where: str, raw: NDArray[Any]) -> tuple[str, ...]:
    """Decode fixed-length UTF-8 strings."""
    try:
        return tuple(bytes(value).decode("utf-8") for value in raw.tolist())
    except UnicodeDecodeError as error:
        raise damaged(path, f"{where} holds text that is not UTF-8") from error


def read_json(path: Path, parent: h5py.Group, group: str) -> dict[str, Any]:
    """Read every attribute of ``group`` as JSON."""
    found: dict[str, Any] = {}
    for name, raw in get_group(path, parent, group).attrs.items():
        try:
            found[name] = json.loads(bytes(raw).decode("utf-8"))
        except (ValueError, TypeError, RecursionError) as error:
            raise damaged(path, f"the attribute {name!r} of /{group} is not JSON") from error
    return found


def require_layer(path: Path, layer: object, known: Sequence[str]) -> None:
    """Check that a layer is named, and that the file has it.

    Raises
    ------
    UserError
        When ``layer`` is no text, or names none of ``known``.
    """
    if not isinstance(layer, str):
        raise UserError(
            f"{path}: {layer!r} is no name of a layer",
            f"Name one of {', '.join(known)}: store[{known[0]!r}] has a row for each video",
        )
    if layer not in known:
        raise UnknownNameError(f"layer in {path}", layer, known)
