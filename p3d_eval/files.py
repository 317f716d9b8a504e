"""Outputs that are whole or absent: written under a temporary name, synced, then renamed."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from p3d_eval.errors import UserError

_RESULT_SUFFIX = ".json"
# What a disk that is full, or holds no more for this user, answers.
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LONGEST_NAME = 160  # bytes of the 255 that file systems take: suffixes and temporary names need some


def followed(path: Path) -> Path:
    """Return the file that a symbolic link leads to, there or not; other paths as they are."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def file_name(*words: str) -> str:
    """Make words a file name: what is neither letter, digit, dot nor underscore becomes one dash.

    A name that is too long for a file is cut, and ends in a hash of the whole.
    """
    text = " ".join(words)
    name = "-".join("".join(letter if letter.isalnum() or letter in "._" else " " for letter in text).split())
    whole = name.encode()
    if len(whole) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(whole).hexdigest()[:8]
    return f"{whole[: _LONGEST_NAME - len(digest) - 1].decode(errors='ignore')}-{digest}"


def require_new(path: Path, overwrite: bool, option: str = "") -> None:
    """Refuse to replace an existing output unless the user asked for it.

    Parameters
    ----------
    path : Path
    overwrite : bool
    option : str
        What names the output on the command line, for the hint.

    Raises
    ------
    UserError
        When ``path`` exists and ``overwrite`` is false, or is a folder.
    """
    _refuse_folder(path)
    if path.exists() and not overwrite:
        how = f" with {option}" if option else ""
        raise UserError(f"{path} exists", f"Choose another name{how} or add --overwrite")


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file to write", "Give the name of a file")


def require_json(path: Path) -> None:
    """Refuse a result's name that does not end in ``.json``.

    Folders of results are read by it, and the scores beside a result take its place: ``z.txt`` and ``z.json``
    would share one file of scores.

    Raises
    ------
    UserError
        When ``path`` ends otherwise, or is a folder.
    """
    _refuse_folder(path)
    if path.suffix != _RESULT_SUFFIX:
        raise UserError(
            f"{path}: the name of a result ends in {_RESULT_SUFFIX}",
            f"Write {path.with_suffix(_RESULT_SUFFIX)}",
        )


def require_writable(path: Path) -> None:
    """Check that a file can be made at ``path``, before hours of work are spent on its contents.

    Nothing is left behind: folders that are missing are made when the file is written.

    Raises
    ------
    UserError
        When its folder, or the nearest one above that is there, cannot be written to.
    """
    try:
        folder = followed(path).absolute().parent
        while not folder.exists():
            folder = folder.parent
        probe = folder / f".{path.name}.probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}", "Choose a folder that you may write to"
        ) from error


@contextmanager
def atomic_output(path: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path that becomes ``path`` when the block ends without an error.

    Parameters
    ----------
    path : Path
        The final name; its folder is made when absent, and a symbolic link is followed.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    UserError
        When ``path`` exists and may not be replaced, or cannot be written.
    """
    path = followed(path)
    require_new(path, overwrite)
    require_writable(path)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        raise UserError(
            f"cannot write {path}: {error.strerror}", "Free space, then run the same command again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, overwrite: bool = False) -> None:
    """Write UTF-8 ``text`` to ``path`` atomically."""
    with atomic_output(path, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
