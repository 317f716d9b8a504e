"""Which files are a data set's official annotations, and reading them with their contents checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.annotations import aslan, ucf101


@dataclass(frozen=True)
class Dataset:
    """A data set whose annotation files this package reads.

    Parameters
    ----------
    files : tuple of str
        Official file names; several are read from a folder, a single one may have any name.
    parse : callable
        Contents → what the protocol uses; raises UserError.
    where : str
        Where the official files are to be had.
    """

    files: tuple[str, ...]
    parse: Callable[[Mapping[str, bytes]], Any]
    where: str


DATASETS: Mapping[str, Dataset] = {
    "aslan": Dataset(
        (aslan.OFFICIAL_FILE,),
        aslan.parse,
        "View2.mat of the ASLAN data set (talhassner.github.io/home/projects/ASLAN)",
    ),
    "ucf101": Dataset(
        (ucf101.CLASS_FILE, *ucf101.LIST_FILES),
        ucf101.parse,
        "UCF101TrainTestSplits-RecognitionTask.zip (www.crcv.ucf.edu/data/UCF101.php)",
    ),
}


def get_dataset(name: str) -> Dataset:
    """Look up a data set by name."""
    if name not in DATASETS:
        raise UnknownNameError("dataset", name, DATASETS)
    return DATASETS[name]


def read_official(dataset: str, path: str | Path) -> dict[str, bytes]:
    """Read a data set's annotation files as they are, after checking that they can be parsed.

    Parameters
    ----------
    dataset : str
        ``"aslan"`` or ``"ucf101"``.
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
    found = get_dataset(dataset)
    source = Path(path)
    paths = [source / name for name in found.files] if source.is_dir() else [source]
    if not source.exists():
        raise UserError(f"{source}: no such file or folder", f"Official: {found.where}")
    if source.is_file() and len(found.files) > 1:
        raise UserError(f"{source}: not a folder", f"Give the folder with {', '.join(found.files)}")
    files = {}
    for file in paths:
        try:
            files[file.name] = file.read_bytes()
        except FileNotFoundError:
            raise UserError(f"{file}: no such file", f"Official: {found.where}") from None
        except OSError as error:
            raise UserError(f"{file}: cannot be read ({error.strerror})") from error
    found.parse(files)
    return files
