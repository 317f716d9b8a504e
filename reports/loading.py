"""Results from files and folders, each once."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from p3d_eval.errors import UserError
from p3d_eval.protocols.result import Result


def result_paths(sources: Iterable[str | PathLike[str]]) -> list[Path]:
    """Replace every folder by the ``*.json`` files in it, in order of name.

    Raises
    ------
    UserError
        When a folder holds none.
    """
    paths: list[Path] = []
    for source in map(Path, sources):
        if not source.is_dir():
            paths.append(source)
            continue
        inside = sorted(source.glob("*.json"))
        if not inside:
            raise UserError(
                f"{source}: no results in this folder", "Run a protocol first, e.g. p3d-eval ucf101"
            )
        paths += inside
    return paths


def load_results(sources: Iterable[Result | str | PathLike[str]]) -> list[Result]:
    """Read results from files, folders of files, or take them as they are.

    Raises
    ------
    UserError
        When a file is no result of this package, or two are the same result (same ``result_id``).
    """
    results: list[Result] = []
    seen: dict[str, str] = {}
    for source in sources:
        loaded: list[tuple[str, Result]]
        if isinstance(source, Result):
            loaded = [(f"result {source.label!r}", source)]
        else:
            loaded = [(str(path), Result.load(path)) for path in result_paths([source])]
        for name, result in loaded:
            if result.result_id in seen:
                raise UserError(
                    f"{name} is the same result as {seen[result.result_id]} (id {result.result_id})",
                    "Give every result once",
                )
            seen[result.result_id] = name
            results.append(result)
    return results
