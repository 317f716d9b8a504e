"""Which videos a map shows, and what class and group each is of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from p3d_eval.errors import UserError
from p3d_eval.features import FeatureStore
from p3d_eval.features.matching import match_ids
from p3d_eval.protocols.annotations.table import LabelledVideo, parse_videos
from p3d_eval.protocols.annotations.ucf101 import Clip
from p3d_eval.protocols.tasks import Task, TaskSplit


@dataclass(frozen=True, eq=False)
class Chosen:
    """Videos to map.

    Parameters
    ----------
    task : Task
        They, their classes and groups.
    common : int
        Videos that were to choose from: those with features in every file.
    known : int
        All that the table, or the first file, names.
    """

    task: Task
    common: int
    known: int


def choose_videos(
    stores: Sequence[FeatureStore], count: int, seed: int, table: tuple[str, bytes] | None = None
) -> Chosen:
    """Draw videos that all files have features of.

    Parameters
    ----------
    stores : sequence of FeatureStore
        One file for each map.
    count : int
        How many; all where there are fewer.
    seed : int
        Of the draw. Which videos are drawn depends on it and on their names alone, not on their order.
    table : tuple of str and bytes, optional
        Name and content of a CSV ``id,label[,group]``; by default a video's class is the folder in its id, and
        its group the ``gNN`` of its name, as in UCF101.

    Raises
    ------
    UserError
        When the table is wrong, a video has no class, or the files have none in common.
    """
    if count < 1:
        raise UserError(f"{count} videos to map", "Ask for at least 4")
    if seed < 0:
        raise UserError(f"seed: {seed} is negative")
    videos = parse_videos(*table) if table is not None else _from_names(stores[0])
    found = [match_ids([video.id for video in videos], store.ids) for store in stores]
    common = [video for video in videos if all(own[video.id] is not None for own in found)]
    if not common:
        names = " and ".join(str(store.path) for store in stores)
        raise UserError(f"{names} have no video {'of the table' if table else 'in common'}")
    common.sort(key=lambda video: video.id)
    drawn = np.random.default_rng(seed).permutation(len(common))[:count]
    return Chosen(_task([common[place] for place in sorted(drawn.tolist())]), len(common), len(videos))


def _from_names(store: FeatureStore) -> list[LabelledVideo]:
    """Take class and group from the videos' names."""
    videos = []
    for video in store.ids:
        folder, _, stem = video.rpartition("/")
        action = folder.rpartition("/")[2]
        if not action:
            raise UserError(
                f"{store.path}: video {video!r} is in no folder, which would be its class",
                "Give classes with --table labels.csv (id,label)",
            )
        group = Clip(action, stem).group
        videos.append(LabelledVideo(video, action, video if group is None else f"{action}/g{group}"))
    return videos


def _task(videos: Sequence[LabelledVideo]) -> Task:
    classes = sorted({video.label for video in videos})
    places = {name: place for place, name in enumerate(classes)}
    everything = np.arange(len(videos))
    return Task(
        dataset="map",
        names=tuple(video.id for video in videos),
        classes=tuple(classes),
        labels=tuple((places[video.label],) for video in videos),
        splits=(TaskSplit("map", everything, everything),),
        groups=tuple(video.group for video in videos),
    )
