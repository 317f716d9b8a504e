"""Several feature files of the same videos, as the classification protocols read them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.features import FeatureStore
from p3d_eval.features.matching import match_ids
from p3d_eval.provenance import sha256_json

Fusion = Literal["early", "late", "late-softmax"]
CV = "cv"  # weights chosen on training videos


class FusedStore:
    """Feature files side by side: a video is there when all of them have it.

    Parameters
    ----------
    parts : sequence of FeatureStore
        Two or more; the first one's ids name the videos, those of the others are matched to them as the names
        of a list are.
    fusion : {"early", "late", "late-softmax"}
        Normalised features one after the other, or one classifier a file and the weighted mean of scores, or
        of their softmax.
    weights : str, optional
        Numbers with commas between, one a file, or ``cv``; equal by default.

    Raises
    ------
    UserError
        When there is one file only, two files are the same, the fusion is unknown, or the weights are no
        numbers, negative, all zero, or too many or few.
    """

    def __init__(
        self, parts: Sequence[FeatureStore], fusion: str = "early", weights: str | None = None
    ) -> None:
        if fusion not in get_args(Fusion):
            raise UnknownNameError("fusion", fusion, get_args(Fusion))
        if len(parts) < 2:
            raise UserError("fusion needs two feature files", "Give --features twice")
        self.parts = tuple(parts)
        self.fusion: str = fusion
        self.weights = parse_weights(weights, len(parts))
        twice = [part.path for place, part in enumerate(parts) if part.identity in _identities(parts[:place])]
        if twice:
            raise UserError(f"{twice[0]} holds the same features as a file before it", "Give each file once")
        first = parts[0]
        self.path: Path = first.path
        self.expected_ids: tuple[str, ...] = first.expected_ids
        self.runs: tuple[dict[str, Any], ...] = tuple(run for part in parts for run in part.runs)
        self._ids = [_matched(first, part) for part in parts]
        self.ids: tuple[str, ...] = tuple(v for v in first.ids if all(v in found for found in self._ids))

    @property
    def identity(self) -> str:
        """SHA-256 over the identities of the files in their order."""
        return sha256_json([part.identity for part in self.parts])

    @property
    def label(self) -> str:
        """What a table calls the row: the files' labels with a plus sign between."""
        return " + ".join(part.label for part in self.parts)

    @property
    def provenance(self) -> dict[str, Any]:
        """Backbones, weights and training data of all files; random where one of them is."""
        all_of = [part.provenance for part in self.parts]
        return {
            "backbone": "+".join(str(one["backbone"]) for one in all_of),
            "weights": {
                "source": " + ".join(str(one["weights"].get("source")) for one in all_of),
                "sha256": sha256_json([one["weights"].get("sha256") for one in all_of]),
                "random": any(bool(one["weights"].get("random")) for one in all_of),
            },
            "stated": any(bool(one.get("stated")) for one in all_of),
            "trained_on": "; ".join(filter(None, (str(one.get("trained_on") or "") for one in all_of))),
        }

    def annotations(self, dataset: str) -> dict[str, bytes] | None:
        """Annotation files embedded in the first file that has some of the data set."""
        return next((found for part in self.parts if (found := part.annotations(dataset))), None)

    def layers_of(self, text: str) -> tuple[str, ...]:
        """Read the option ``layer``: one name for all files, or one a file with commas between.

        Raises
        ------
        UserError
            When there are neither one nor as many names as files, or a file has no such layer.
        """
        names = [name.strip() for name in text.split(",")]
        if len(names) == 1:
            names *= len(self.parts)
        if len(names) != len(self.parts):
            raise UserError(
                f"layer: {len(names)} names in {text!r} for {len(self.parts)} feature files",
                "Give one name for all, or one for each file: --layer pool5,fv",
            )
        for part, name in zip(self.parts, names, strict=True):
            part.shape(name)
        return tuple(names)

    def __getitem__(self, text: str) -> "FusedLayer":
        return FusedLayer(self, self.layers_of(text))

    def ids_in(self, number: int, ids: Sequence[str]) -> list[str]:
        """Ids in file ``number`` of videos by the first file's ids."""
        return [self._ids[number][video] for video in ids]

    def lacking(self, videos: Sequence[str | None]) -> str:
        """Name the files without features of some of these ids of the first file; None: no id of it."""
        first, *others = self._ids
        lack = [any(video not in first for video in videos)]
        lack += [any(video in first and video not in other for video in videos) for other in others]
        return " and ".join(str(part.path) for part, missing in zip(self.parts, lack, strict=True) if missing)


class FusedLayer:
    """One layer of each file.

    Parameters
    ----------
    store : FusedStore
    names : tuple of str
        The files' layers.
    """

    def __init__(self, store: FusedStore, names: tuple[str, ...]) -> None:
        widths = [part[name].shape[1] for part, name in zip(store.parts, names, strict=True)]
        self.shape: tuple[int, int] = (len(store.ids), sum(widths))


def parse_weights(text: str | None, parts: int) -> tuple[float, ...] | str:
    """Read weights: numbers that sum to 1 in the end, equal by default, or the word ``cv``."""
    if text is None:
        return (1 / parts,) * parts
    if text == CV:
        return CV
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError:
        raise UserError(f"weights: {text!r} are no numbers with commas between, nor cv") from None
    if len(values) != parts:
        raise UserError(
            f"weights: {len(values)} in {text!r} for {parts} feature files", "Give one for each file"
        )
    if min(values) < 0 or not 0 < sum(values) < np.inf:
        raise UserError(f"weights: {text!r} must not be negative, nor all zero")
    return tuple(value / sum(values) for value in values)


def _identities(parts: Sequence[FeatureStore]) -> set[str]:
    return {part.identity for part in parts}


def _matched(first: FeatureStore, other: FeatureStore) -> dict[str, str]:
    """Map the first file's ids to those of another, for videos that both have features of."""
    stored = set(other.ids)
    try:
        found = match_ids(first.expected_ids, other.expected_ids)
    except UserError as error:
        raise UserError(f"{first.path} and {other.path}: {error.message}", error.hint) from None
    mine = set(first.ids)
    return {video: own for video, own in found.items() if own is not None and own in stored and video in mine}
