"""Results from files and folders, each once; what a folder holds besides is named and left out."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

from p3d_eval.errors import UserError, counted, shorten
from p3d_eval.protocols.result import Result
from p3d_eval.reports.suffixes import FIGURE_SUFFIX

Source = Result | str | PathLike[str]


@dataclass(frozen=True)
class Loaded:
    """A result and where it came from.

    Parameters
    ----------
    result : Result
    path : Path or None
        Its JSON file; None for a result that was given as an object.
    """

    result: Result
    path: Path | None = None

    @property
    def name(self) -> str:
        """What errors call it: its file, or its label."""
        return f"result {self.result.label!r}" if self.path is None else str(self.path)

    def scored(self) -> Result:
        """Return the result with its scores, where the file beside it has them.

        Raises
        ------
        UserError
            When the file of the scores is absent or was changed.
        """
        if self.path is None or self.result.scores_file is None:
            return self.result
        return replace(self.result, scores=self.result.load_scores(self.path))


@dataclass(frozen=True)
class Collection:
    """Results in the order given, and one line for everything that was left out.

    Parameters
    ----------
    loaded : tuple of Loaded
    warnings : tuple of str
    """

    loaded: tuple[Loaded, ...]
    warnings: tuple[str, ...] = ()

    @property
    def results(self) -> list[Result]:
        """The results alone."""
        return [one.result for one in self.loaded]


def with_scores(loaded: Iterable[Loaded]) -> tuple[list[Result], list[str]]:
    """Read the scores beside results; return these, and a line for each reason why scores are missing."""
    loaded = list(loaded)
    results, lost = [], []
    for one in loaded:
        try:
            results.append(one.scored())
        except UserError as error:
            results.append(one.result)
            lost.append(error.message)
    lines = []
    for first, *others in alike(lost, loaded):
        more = f", and so with {counted(len(others), 'other result')}" if others else ""
        lines.append(lost[first] + more)
    return results, lines


def alike(messages: Sequence[str], loaded: Iterable[Loaded]) -> list[list[int]]:
    """Group the places of messages that differ in nothing but the names of results' files."""
    paths = [one.path for one in loaded if one.path is not None]
    names = {text for path in paths for text in (str(path.with_suffix("")), path.name)}
    files = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))) or "(?!)")
    groups: dict[str, list[int]] = {}
    for place, message in enumerate(messages):
        groups.setdefault(files.sub("", message), []).append(place)
    return list(groups.values())


def load_results(sources: Source | Iterable[Source]) -> Collection:
    """Read results from files and folders (with the folders in them), or take them as they are.

    Parameters
    ----------
    sources : Result or path, or an iterable of these
        In a folder, JSON files that are no results, and results that were read before, are left out and
        named in ``warnings``.

    Raises
    ------
    UserError
        When a file that was named is no result of this package, two that were named are the same result
        (same ``result_id``), or a folder holds none.
    """
    given = [sources] if isinstance(sources, Result | str | PathLike) else list(sources)
    loaded: dict[str, tuple[Loaded, bool]] = {}
    warnings: list[str] = []
    for source in given:
        if not isinstance(source, Result) and Path(source).is_dir():
            found, left_out = _folder(Path(source))
            warnings += left_out
            named = False
        else:
            found, named = [_named(source)], True
        for one in found:
            first, first_named = loaded.setdefault(one.result.result_id, (one, named))
            if first is one:
                continue
            if named and first_named:
                raise UserError(_twice(one, first), "Give every result once")
            warnings.append(f"{_twice(one, first)}; it is shown once{_other_numbers(one, first)}")
    return Collection(tuple(one for one, _ in loaded.values()), tuple(warnings))


def _named(source: Source) -> Loaded:
    if isinstance(source, Result):
        return Loaded(source)
    path = Path(source)
    if path.suffix == ".npz":
        raise UserError(f"{path}: the scores of a result, not a result", "Give JSON files: results/*.json")
    return Loaded(Result.load(path), path)


def _folder(folder: Path) -> tuple[list[Loaded], list[str]]:
    """Read every result in a folder, in order of path, and say what else lies there.

    Raises
    ------
    UserError
        When it holds no result.
    """
    found, others = [], []
    for path in sorted(folder.rglob("*.json")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.name.endswith(FIGURE_SUFFIX):
            continue
        try:
            found.append(Loaded(Result.load(path), path))
        except UserError as error:
            if _ours(path):
                continue
            others.append(error.message.replace(str(path), str(path.relative_to(folder)), 1))
    if not found:
        there = f" ({shorten(others, 3)})" if others else ""
        raise UserError(
            f"{folder}: no results in this folder{there}", "Run a protocol first, e.g. p3d-eval ucf101"
        )
    told = f"{folder}: {counted(len(others), 'other JSON file')} left out: {shorten(others, 3)}"
    return found, [told] if others else []


def _ours(path: Path) -> bool:
    """Whether a JSON file is a report of this package, which a folder may hold beside its results."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and str(document.get("format", "")).startswith("p3d-eval ")


def _twice(one: Loaded, first: Loaded) -> str:
    return f"{one.name} is the same result as {first.name} (id {first.result.result_id})"


def _other_numbers(one: Loaded, first: Loaded) -> str:
    """Say that two results of one id do not agree, and which of them is shown."""
    same = dict(one.result.metrics) == dict(first.result.metrics)
    return "" if same else f", with the numbers of {first.name}, which are others"
