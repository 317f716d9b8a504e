"""Outputs that are whole or absent: written under a temporary name, synced, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from p3d_eval.errors import UserError


def require_new(path: Path, overwrite: bool) -> None:
    """Refuse to replace an existing output unless the user asked for it.

    Raises
    ------
    UserError
        When ``path`` exists and ``overwrite`` is false, or is a folder.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder, not a file to write", "Give the name of a file")
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists", "Choose another name or add --overwrite")


def require_writable(path: Path) -> None:
    """Check that a file can be made at ``path``, before hours of work are spent on its contents.

    Raises
    ------
    UserError
        When the folder cannot be made or written to.
    """
    folder = path.resolve().parent
    probe = folder / f".{path.name}.probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
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
        The final name; its folder is made when absent.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    UserError
        When ``path`` exists and may not be replaced, or cannot be written.
    """
    require_new(path, overwrite)
    require_writable(path)
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str, overwrite: bool = False) -> None:
    """Write UTF-8 ``text`` to ``path`` atomically."""
    with atomic_output(path, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
