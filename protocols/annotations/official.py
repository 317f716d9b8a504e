"""Reading a data set's official annotation files with their contents checked."""

from collections.abc import Iterator
from pathlib import Path

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.protocols.protocol import AnnotationReader


def get_reader(dataset: str) -> AnnotationReader:
    """Look up a data set by name: among the protocols, a plug-in's too.

    Raises
    ------
    UnknownNameError
        When no protocol reads annotations of that data set.
    """
    # Most data sets are called like a protocol: its plug-in alone is imported then.
    names = sorted(PROTOCOLS.names(), key=lambda name: name != dataset)
    known = []
    for name in names:
        protocol = PROTOCOLS.load(name)
        for reader in (protocol.reader, *protocol.other_readers):
            if reader is not None:
                if reader.dataset == dataset:
                    return reader
                known.append(reader.dataset)
    raise UnknownNameError("dataset", dataset, set(known))


def has_official(reader: AnnotationReader, folder: Path) -> bool:
    """Whether a folder has files of all the official names."""
    return all(next(_matching(folder, pattern), None) for pattern in reader.files)


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    if not folder.is_dir():
        return iter(())
    return (path for path in sorted(folder.glob(pattern)) if path.is_file())


def _official_paths(reader: AnnotationReader, source: Path) -> list[Path]:
    """Files to read: those of the official names in a folder, or the one that is given."""
    if not source.exists():
        raise UserError(f"{source}: no such file or folder", f"Official: {reader.where}")
    if not source.is_dir():
        if len(reader.files) > 1:
            raise UserError(f"{source}: not a folder", f"Give the folder with {', '.join(reader.files)}")
        return [source]
    paths: dict[Path, None] = {}
    for pattern in reader.files:
        found = list(_matching(source, pattern))
        if not found:
            raise UserError(f"{source / pattern}: no such file", f"Official: {reader.where}")
        paths |= dict.fromkeys(found)
    for pattern in reader.optional:
        paths |= dict.fromkeys(_matching(source, pattern))
    return list(paths)


def read_official(dataset: str | AnnotationReader, path: str | Path) -> dict[str, bytes]:
    """Read a data set's annotation files as they are, after checking that they can be parsed.

    Parameters
    ----------
    dataset : str or AnnotationReader
        E.g. ``"aslan"`` or ``"ucf101"``.
    path : path
        A folder that holds the official files; for a data set of a single file, that file.

    Returns
    -------
    dict of str to bytes
        File name → contents.

    Raises
    ------
    UserError
        When the data set is unknown, or a file is missing, unreadable or not in the official format.
    """
    reader = get_reader(dataset) if isinstance(dataset, str) else dataset
    files = {}
    for file in _official_paths(reader, Path(path)):
        try:
            files[file.name] = file.read_bytes()
        except OSError as error:
            raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    reader.parse(files)
    return files
