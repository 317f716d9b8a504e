"""Opening the shards of an extraction, and checking that they belong together."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from p3d_eval.errors import UserError
from p3d_eval.features.checks import damaged
from p3d_eval.features.identity import field_difference, identity_hash, shown
from p3d_eval.features.store import FeatureStore

_COUNTS = ("index", "of", "first_video", "all_videos")
_SHOWN = 20  # missing shards in a message
_CUT_ALIKE = "Shards must be extracted with the same --batch-size: they are cut between batches"


@dataclass(frozen=True)
class Part:
    """A shard's file and its place (`Shard.identity`)."""

    store: FeatureStore
    index: int
    of: int
    first_video: int
    all_videos: int
    whole: str

    @property
    def path(self) -> Path:
        """The shard's file."""
        return self.store.path

    @property
    def shared_fields(self) -> dict[str, Any]:
        """Identity without what is the shard's own."""
        return {name: value for name, value in self.store.identity_fields.items() if name != "shard"}


def read_parts(paths: Sequence[Path]) -> list[Part]:
    """Open shards and check that they are all parts of one run, each there once and complete.

    Returns
    -------
    list of parts
        In the order of their videos.

    Raises
    ------
    UserError
        Naming the file and what is wrong with it.
    """
    if not paths:
        raise UserError("no shards to merge", "Name the files of all shards")
    parts = sorted((_open(path) for path in paths), key=lambda part: part.index)
    first = parts[0]
    for before, part in zip([first, *parts], parts, strict=False):
        _require_kin(first, part)
        if before is not part and before.index == part.index:
            raise UserError(
                f"{before.path} and {part.path} are both shard {part.index} of {part.of}", "Name each one once"
            )
    if len(parts) < first.of:
        there = {part.index for part in parts}
        missing = (str(index) for index in range(1, first.of + 1) if index not in there)
        raise UserError(
            f"{first.of - len(parts)} of {first.of} shards are missing: {', '.join(islice(missing, _SHOWN))}",
            "Extract them, or name their files too",
        )
    _require_joined(parts)
    return parts


def _open(path: Path) -> Part:
    store = FeatureStore(path)
    place = store.shard
    if place is None:
        raise UserError(
            f"{path} is not a shard, but the features of a whole run",
            "merge takes what extract --shard i/n wrote",
        )
    wrong = [name for name in _COUNTS if type(place.get(name)) is not int]
    if wrong or not isinstance(place.get("whole"), str) or not 1 <= place["index"] <= place["of"]:
        raise damaged(path, "the attribute 'shard' of /identity is not a shard's place")
    part = Part(store, **{name: place[name] for name in (*_COUNTS, "whole")})
    if not store.complete:
        settled = len(store.ids) + len(store.failed)
        raise UserError(
            f"{path} (shard {part.index}/{part.of}) is incomplete: "
            f"{settled} of {len(store.expected_ids)} videos",
            "Run this shard's extract command again: it goes on where it stopped",
        )
    return part


def _require_kin(first: Part, part: Part) -> None:
    """Check that two shards come from one run."""
    old, new = (
        one.shared_fields
        | {"shards": one.of, "videos of all shards": one.all_videos, "classes": one.store.classes}
        for one in (first, part)
    )
    difference = field_difference(old, new)
    if difference is None and part.whole != first.whole:
        difference = ("list of videos (ids, sizes, times)", first.whole[:12], part.whole[:12])
    if difference is None:
        difference = field_difference(_layout(first.store), _layout(part.store))
    if difference is not None:
        name, before, here = difference
        raise UserError(
            f"{part.path} belongs to another run than {first.path}: "
            f"{name} is {shown(here)}, {shown(before)} there",
            "Merge the shards of one run; extract the others again",
        )


def _layout(store: FeatureStore) -> dict[str, Any]:
    return {
        f"layer {name}": [store.shape(name), store.axes(name), store.stored_dtype(name), store.has_clips]
        for name in store.layers
    }


def _require_joined(parts: Sequence[Part]) -> None:
    """Check that the shards follow one another without gap or overlap, and make the run they were cut from."""
    due = 0
    for part in parts:
        if part.first_video != due:
            raise UserError(
                f"{part.path} begins at video {part.first_video + 1}, where video {due + 1} is due", _CUT_ALIKE
            )
        due += len(part.store.expected_ids)
    last = parts[-1]
    if due != last.all_videos:
        raise UserError(f"{last.path} ends at video {due} of {last.all_videos}", _CUT_ALIKE)
    videos = tuple(video for part in parts for video in part.store.videos)
    if identity_hash(last.shared_fields, videos) != last.whole:
        raise damaged(last.path, "the shards do not make the run that they were cut from")
