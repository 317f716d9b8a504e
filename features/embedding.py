"""Annotation files put into existing feature files, byte for byte."""

import shutil
from collections.abc import Mapping
from os import PathLike
from pathlib import Path

from p3d_eval.errors import UserError
from p3d_eval.features.direct import change_structure, unwritable
from p3d_eval.features.layout import write_annotations
from p3d_eval.features.lock import WriterLock
from p3d_eval.features.store import FeatureStore, open_features
from p3d_eval.files import atomic_output, followed


def embed_annotations(
    path: str | PathLike[str], dataset: str, files: Mapping[str, bytes], overwrite: bool = False
) -> None:
    """Put raw annotation files into an existing feature file.

    Nothing is done where the same files are there already. Otherwise the file is copied, the copy changed and
    renamed over the original, so that a run that is killed leaves the features as they were; it needs free
    space for the copy.

    Parameters
    ----------
    path : path
        A feature file.
    dataset : str
        What the annotations are of, e.g. ``"aslan"``.
    files : mapping of str to bytes
        File name → raw content.
    overwrite : bool
        Whether other annotations of this dataset that are there may be replaced.

    Raises
    ------
    UserError
        When the file is no feature file, is being written, has other annotations already, or there is no space.
    """
    target = followed(Path(path))
    for name in (dataset, *files):
        if not name or name == "." or "/" in name:
            raise UserError(f"unusable name {name!r} for embedded annotations")
    with WriterLock(target):
        store = open_features(target, allow_incomplete=True)
        missing = {dataset: files} if overwrite else not_embedded(store, {dataset: files})
        if missing and store.annotations(dataset) != dict(files):
            add_annotations(target, missing)


def not_embedded(
    store: FeatureStore, annotations: Mapping[str, Mapping[str, bytes]]
) -> dict[str, Mapping[str, bytes]]:
    """Return the datasets of ``annotations`` that a store lacks.

    Raises
    ------
    UserError
        When it holds other annotations of one of them.
    """
    missing = {}
    for dataset, files in annotations.items():
        there = store.annotations(dataset)
        if there is None:
            missing[dataset] = files
        elif there != dict(files):
            raise UserError(
                f"{store.path} holds other annotations of {dataset!r} already",
                f"p3d-eval annotate {store.path} {dataset} FILE --overwrite replaces them",
            )
    return missing


def add_annotations(path: Path, annotations: Mapping[str, Mapping[str, bytes]]) -> None:
    """Write annotations into a copy of a feature file and rename it over the original; hold its lock.

    Raises
    ------
    UserError
        When there is no space.
    """
    if not annotations:
        return
    embedded = sum(len(content) for files in annotations.values() for content in files.values())
    needed = path.stat().st_size + embedded
    if shutil.disk_usage(path.resolve().parent).free < needed:
        raise UserError(f"embedding needs {needed} bytes of free space beside {path} for a while")
    with atomic_output(path, overwrite=True) as temporary:
        try:
            shutil.copyfile(path, temporary)
        except OSError as error:
            raise unwritable(path, error) from error
        with change_structure(temporary, "r+", shown=path) as file:
            write_annotations(file, annotations)
        shutil.copymode(path, temporary)
