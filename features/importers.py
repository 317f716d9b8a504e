"""Features made elsewhere (IDT, another program's network) to a feature file."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.backbones import BACKBONES
from p3d_eval.errors import UserError, shorten
from p3d_eval.features.class_names import read_classes
from p3d_eval.features.csv_rows import read_csv_rows
from p3d_eval.features.ids import read_ids
from p3d_eval.features.layout import require_plan, require_stored_type, stored_type
from p3d_eval.features.memory import AXES_BY_RANK, default_provenance, save_rows
from p3d_eval.features.schema import LayerPlan, StorePlan, VideoRecord
from p3d_eval.provenance import sha256_file, sha256_json

Row = Mapping[str, NDArray[Any]]
_ARRAYS = (".npy", ".npz")


@dataclass(frozen=True)
class Source:
    """Features found in files: ids, layers with the shape of one video, a hash, and a way to read the rows.

    ``places`` says for messages where each video was found: a file, or a file and a line.
    """

    ids: tuple[str, ...]
    places: Sequence[str]
    shapes: Mapping[str, tuple[int, ...]]
    sha256: str
    rows: Callable[[], Iterator[Row]]


def import_features(
    source: Path,
    out: Path,
    *,
    name: str,
    layer: str = "features",
    ids: Path | None = None,
    classes: Path | None = None,
    dtype: str = "float32",
    annotations: Mapping[str, Mapping[str, bytes]] | None = None,
    overwrite: bool = False,
) -> Path:
    """Make a feature file from a folder of .npy/.npz files, one .npy with a list of ids, or a .csv.

    Parameters
    ----------
    source : Path
        Folder (one .npy or .npz a video, at any depth; the id is the path without extension), one .npy of
        shape (videos, …), or a .csv with an id and its numbers in each line.
    out : Path
        The feature file to make.
    name : str
        What made the features; tables call the row so. The name of a network of this package is marked as
        stated: nothing here proves it.
    layer : str
        Name to store them under; the keys of .npz files are layers of their own.
    ids : Path, optional
        Text file with one id a line, in the order of the .npy's rows.
    classes : Path, optional
        Text file with one class name a line, in the order of the values of ``prob``.
    dtype : {"float32", "float16", "float64"}
        Stored type.
    annotations : mapping, optional
        Dataset → file name → raw content, to embed.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        ``out``.

    Raises
    ------
    UserError
        When a file cannot be read, shapes differ, an id repeats, or a value is not finite (file, line and id
        are named).
    """
    require_stored_type(dtype)
    found = read_source(source, layer, ids)
    layers = {
        key: LayerPlan(shape, AXES_BY_RANK.get(len(shape), "X" * len(shape)), stored_type(key, dtype))
        for key, shape in found.shapes.items()
    }
    plan = StorePlan(
        videos=tuple(VideoRecord(video) for video in found.ids),
        layers=layers,
        identity={"backbone": name, "source_sha256": found.sha256, "dtype": dtype, "layers": sorted(layers)},
        provenance=default_provenance()
        | {"backbone": name, "weights": {"source": str(source), "sha256": found.sha256, "random": False}}
        | ({"stated": True} if name in BACKBONES else {}),
        classes=() if classes is None else read_classes(classes, found.shapes),
        annotations=annotations or {},
    )
    _require_ids(found)
    try:
        require_plan(plan)
    except UserError as error:
        raise UserError(f"{source}: {error.message}", error.hint) from None
    return save_rows(out, plan, found.rows(), overwrite=overwrite, places=found.places)


def _require_ids(found: Source) -> None:
    """Refuse an empty id, and one that is there twice, by the place where it is."""
    first: dict[str, str] = {}
    for video, place in zip(found.ids, found.places, strict=True):
        if not video:
            raise UserError(f"{place}: unusable video id ''", "Every video needs an id")
        if video in first:
            raise UserError(f"{place}: duplicate video id {video!r}, first at {first[video]}")
        first[video] = place


def read_source(source: Path, layer: str, ids: Path | None) -> Source:
    """Look through ``source`` without keeping its values in memory.

    Raises
    ------
    UserError
        As `import_features` says.
    """
    if ids is not None and source.suffix.lower() != ".npy":
        raise UserError(f"--ids goes with one .npy file, not with {source}")
    if source.is_dir():
        return _read_folder(source, layer)
    if not source.is_file():
        raise UserError(f"{source}: no such file or folder")
    if source.suffix.lower() == ".csv":
        return _read_csv(source, layer)
    if source.suffix.lower() == ".npy":
        return _read_array(source, layer, ids)
    raise UserError(f"{source}: not a folder, .npy or .csv", "A single .npz belongs in a folder, as one video")


def _load(path: Path, layer: str) -> dict[str, NDArray[Any]]:
    """Read one .npy or .npz; pickled objects are refused."""
    try:
        loaded = np.load(path, allow_pickle=False, mmap_mode="r" if path.suffix.lower() == ".npy" else None)
        if isinstance(loaded, np.ndarray):
            found = {layer: loaded}
        else:
            with loaded:
                found = {key: loaded[key] for key in loaded.files}
    except Exception as error:  # damage shows as errors of NumPy, zipfile, zlib, tokenize and more
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path}: cannot be read as a NumPy file ({reason})", "Pickled objects are not read"
        ) from error
    for key, values in found.items():
        if values.dtype.kind not in "fiub":
            raise UserError(f"{path}: {key!r} holds {values.dtype}, not numbers")
    if not found:
        raise UserError(f"{path}: holds no array")
    return found


def _read_folder(folder: Path, layer: str) -> Source:
    files: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in _ARRAYS and path.is_file()):
        video = path.relative_to(folder).with_suffix("").as_posix()
        if video in files:
            raise UserError(f"{folder}: two files have the id {video!r}: {files[video].name} and {path.name}")
        files[video] = path
    if not files:
        raise UserError(f"{folder}: no .npy or .npz files in this folder")
    first, shapes = "", {}
    for video, path in files.items():
        found = {key: values.shape for key, values in _load(path, layer).items()}
        if not first:
            first, shapes = video, found
        elif found != shapes:
            raise UserError(f"{path}: {video!r} has {_describe(found)}, {first!r} has {_describe(shapes)}")
    digest = sha256_json([[video, sha256_file(path)] for video, path in files.items()])
    places = tuple(map(str, files.values()))
    return Source(tuple(files), places, shapes, digest, lambda: (_load(path, layer) for path in files.values()))


def _describe(shapes: Mapping[str, tuple[int, ...]]) -> str:
    return shorten(f"{key} {'×'.join(map(str, shape)) or 'a number'}" for key, shape in sorted(shapes.items()))


def _read_array(path: Path, layer: str, ids: Path | None) -> Source:
    if ids is None:
        raise UserError(f"{path}: one .npy needs the videos' ids", "Give --ids FILE, one id a line")
    values = _load(path, layer)[layer]
    names = read_ids(ids)
    if values.ndim < 1 or len(values) != len(names):
        raise UserError(f"{path} has shape {values.shape}, ids in {ids}: {len(names)}")
    places = tuple(f"{path}: row {row}" for row in range(len(names)))
    digest = sha256_json([sha256_file(path), list(names)])
    return Source(names, places, {layer: values.shape[1:]}, digest, lambda: ({layer: row} for row in values))


def _read_csv(path: Path, layer: str) -> Source:
    """Check every line."""
    names: list[str] = []
    places: list[str] = []
    width = 0
    for line, video, numbers in read_csv_rows(path):
        if not names:
            width = len(numbers)
        elif len(numbers) != width:
            raise UserError(f"{path}: line {line}, id {video!r}: {len(numbers)} numbers, {width} before")
        names.append(video)
        places.append(f"{path}: line {line}")
    if not names or not width:
        raise UserError(f"{path}: no line with an id and numbers")
    return Source(
        tuple(names),
        tuple(places),
        {layer: (width,)},
        sha256_file(path),
        lambda: ({layer: numbers} for _, _, numbers in read_csv_rows(path)),
    )
