"""Results on the same trials: are they comparable, and which rows of their scores belong together?"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError, counted, shorten
from p3d_eval.features.matching import match_ids
from p3d_eval.protocols.result import Result, Scores

Index = NDArray[np.intp]
Source = Result | str | PathLike[str]


@dataclass(frozen=True, eq=False)
class Scored:
    """A result with its scores.

    Parameters
    ----------
    name : str
        Its file, or its label: what errors call it.
    label : str
        What a reader calls it.
    result : Result
    scores : Scores
    """

    name: str
    label: str
    result: Result
    scores: Scores


def load_scored(sources: Source | Iterable[Source]) -> list[Scored]:
    """Read results and the scores beside them; labels that occur twice get the file's name.

    Raises
    ------
    UserError
        When a file is no result, its scores are gone or were changed, or fewer than two different results
        are given.
    """
    loaded: list[Scored] = []
    for source in [sources] if isinstance(sources, Result | str | PathLike) else sources:
        one = load_one(source)
        twin = next((other for other in loaded if other.result.result_id == one.result.result_id), None)
        if twin is not None:
            raise UserError(
                f"{one.name} is the same result as {twin.name} (id {one.result.result_id})",
                "Compare results of different features or options",
            )
        loaded.append(one)
    if len(loaded) < 2:
        raise UserError("compare needs two results or more", "Give a list of their files, as results/*.json")
    labels = [one.label for one in loaded]
    return [
        replace(one, label=f"{one.label} ({Path(one.name).stem})") if labels.count(one.label) > 1 else one
        for one in loaded
    ]


def load_one(source: Source) -> Scored:
    """Read one result and the scores beside it.

    Raises
    ------
    UserError
        When the file is no result, or its scores are gone, were changed, or do not fit each other.
    """
    if isinstance(source, Result):
        if source.scores is None:
            raise UserError(f"result {source.label!r} carries no scores", "Give the path of its JSON file")
        scored = Scored(f"{source.label}-{source.result_id}", source.label, source, source.scores)
    else:
        path = Path(source)
        if path.is_dir():
            raise UserError(f"{path} is a folder", f"Name its result files: {path}/*.json")
        result = Result.load(path)
        scored = Scored(str(path), result.label, result, result.load_scores(path))
    _check_shapes(scored)
    return scored


def _check_shapes(scored: Scored) -> None:
    """Refuse scores whose arrays do not fit each other."""
    scores = scored.scores
    n = len(scores.ids)
    lengths = {len(scores.split), len(scores.labels), len(scores.scores)}
    if scores.clusters is not None:
        lengths.add(len(scores.clusters))
    wide = scores.scores.ndim == 2 and scores.scores.shape[1] == len(scores.classes)
    if lengths != {n} or not n or not (wide or scores.scores.ndim == 1) or np.isnan(scores.scores).any():
        raise UserError(f"{scored.name}: its scores are empty, hold NaN or differ in length")


def require_comparable(results: Sequence[Scored]) -> None:
    """Check that all results answer the same question on the same annotations.

    Raises
    ------
    UserError
        Naming the two results and what differs.
    """
    first = results[0]
    for other in results[1:]:
        for what, one, two in zip(
            ("protocol", "version", "splits and labels", "classes"),
            _question(first),
            _question(other),
            strict=True,
        ):
            if one != two:
                shown = f": {one} and {two}" if what in ("protocol", "version") else ""
                raise UserError(
                    f"{first.name} and {other.name} differ in their {what}{shown}",
                    "A paired comparison needs one protocol, one version and the same annotations",
                )


def _question(scored: Scored) -> tuple[str, str, str, Any]:
    annotations = scored.result.annotations
    # The splits' own hashes, where a protocol gives them, see through where the annotations came from.
    trials = annotations.get("split_hashes") or annotations.get("sha256")
    return (
        scored.result.protocol,
        scored.result.version,
        json.dumps(trials, sort_keys=True),
        scored.scores.classes.tolist(),
    )


@dataclass(frozen=True, eq=False)
class Aligned:
    """Rows that all results have, in one order that does not depend on theirs.

    Parameters
    ----------
    scores : tuple of Scores
        Of each result, rows in that order.
    left_out : int
        Trials that some result lacks.
    """

    scores: tuple[Scores, ...]
    left_out: int


def align(results: Sequence[Scored], common: bool) -> Aligned:
    """Bring the scores of all results to the same rows.

    Parameters
    ----------
    results : sequence of Scored
        Comparable ones.
    common : bool
        Whether to go on with the trials that all have, where some lack some.

    Raises
    ------
    UserError
        When trials differ and ``common`` is false, none is common, or labels contradict each other.
    """
    results = [results[0], *(_renamed(other, results[0]) for other in results[1:])]
    keys = [_keys(one) for one in results]
    shared = set(keys[0]).intersection(*keys[1:])
    everything = set(keys[0]).union(*keys[1:])
    if len(shared) < len(everything) and not common:
        lacking = next((n for n, own in enumerate(keys) if len(own) < len(everything)), 0)
        absent = sorted(everything - set(keys[lacking]))
        raise UserError(
            f"{results[lacking].name} lacks {counted(len(absent), 'scored trial')} that others have: "
            f"{shorten(' / '.join(key[1:]) for key in absent)}",
            "Run both on the same videos, or add --common to compare on the trials that all have",
        )
    if not shared:
        raise UserError(f"{results[0].name} and {results[1].name} have no trial in common")
    order = sorted(shared)
    scores = tuple(
        _take(one.scores, np.array([own[key] for key in order])) for one, own in zip(results, keys, strict=True)
    )
    for one, own in zip(results[1:], scores[1:], strict=True):
        wrong = np.flatnonzero((own.labels != scores[0].labels).reshape(len(order), -1).any(axis=1))
        if len(wrong):
            raise UserError(
                f"{one.name} and {results[0].name} disagree on the label of {' / '.join(order[wrong[0]][1:])}"
            )
    return Aligned(scores, len(everything) - len(shared))


def _renamed(other: Scored, first: Scored) -> Scored:
    """Call videos as the first result does: feature files of one data set may differ in the folders of ids."""
    own, wanted = np.unique(other.scores.ids), np.unique(first.scores.ids)
    if np.array_equal(own, wanted):
        return other
    try:
        found = match_ids(wanted.tolist(), own.tolist())
    except UserError:  # as they are, they are reported as trials that one of them lacks
        return other
    name = {video: name for name, video in found.items() if video is not None}
    ids = np.array([name.get(video, video) for video in other.scores.ids.ravel().tolist()])
    return replace(other, scores=replace(other.scores, ids=ids.reshape(other.scores.ids.shape)))


def _keys(scored: Scored) -> dict[tuple[str, ...], int]:
    """Split and id, or ids, of every row → its number."""
    ids = scored.scores.ids.reshape(len(scored.scores.ids), -1).astype(str).tolist()
    keys = {
        (f"{split:06}", *own): row
        for row, (split, own) in enumerate(zip(scored.scores.split.tolist(), ids, strict=True))
    }
    if len(keys) < len(ids):
        raise UserError(f"{scored.name}: a trial is listed twice in one split, so its rows cannot be paired")
    return keys


def _take(scores: Scores, rows: Index) -> Scores:
    clusters = None if scores.clusters is None else scores.clusters[rows]
    return replace(
        scores,
        ids=scores.ids[rows],
        split=scores.split[rows],
        labels=scores.labels[rows],
        scores=scores.scores[rows],
        clusters=clusters,
    )
