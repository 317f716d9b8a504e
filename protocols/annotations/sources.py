"""Where a protocol's annotations come from: the first place that has them."""

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import platformdirs

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.protocols.annotations.official import has_official, read_official
from p3d_eval.protocols.protocol import AnnotationFiles, AnnotationReader, Protocol

DATA_VARIABLE = "P3D_EVAL_DATA"


def user_data_folder() -> Path:
    """Folder of prepared data sets: ``P3D_EVAL_DATA``, else the operating system's place for user data."""
    return Path(os.environ.get(DATA_VARIABLE) or platformdirs.user_data_dir("p3d-eval"))


def find_annotations(
    protocol: Protocol, store: FeatureStore | Path, given: str | os.PathLike[str] | None
) -> AnnotationFiles | None:
    """Find a protocol's annotation files.

    The order: the option; files embedded in the store; ``<user data folder>/<dataset>/``; files of the
    official names beside the store.

    Parameters
    ----------
    protocol : Protocol
        Whose annotations.
    store : FeatureStore or Path
        May have annotations embedded, or beside it; a file of predictions only beside it.
    given : path or None
        What the user named.

    Returns
    -------
    AnnotationFiles or None
        None only where the protocol can do without.

    Raises
    ------
    UserError
        When the protocol needs annotations and no place has them (all are named), or a file is not valid.
    """
    reader = protocol.reader
    if reader is None or protocol.annotation_option is None:
        return None
    option = f"--{protocol.annotation_option.name}"
    if given is not None:
        return _found(reader, read_official(reader, Path(given)), f"{option} {given}")
    embedded = None if isinstance(store, Path) else store.annotations(reader.dataset)
    path = store if isinstance(store, Path) else store.path
    if embedded:
        return _found(reader, embedded, f"embedded in {path}")
    folders = (user_data_folder() / reader.dataset, path.resolve().parent)
    for folder in folders:
        if has_official(reader, folder):
            files = read_official(reader, folder)
            return _found(reader, files, str(folder / next(iter(files)) if len(files) == 1 else folder))
    if not protocol.needs_annotations:
        return None
    of_features = not isinstance(store, Path)
    inside = f"none embedded in {path}, " if of_features else ""
    embed = f", or p3d-eval annotate {path} {reader.dataset} FILE embeds it" if of_features else ""
    raise UserError(
        f"{protocol.name}: no annotations: {option} not given, {inside}"
        f"no {', '.join(reader.files)} in {' or '.join(map(str, folders))}",
        f"Give {option}{embed}; official file: {reader.where}",
    )


def _found(reader: AnnotationReader, files: Mapping[str, bytes], source: str) -> AnnotationFiles:
    named = all(any(fnmatchcase(name, pattern) for name in files) for pattern in reader.files)
    return AnnotationFiles(files, source, named)
