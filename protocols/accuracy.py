"""What classification is judged by: accuracy of each split, of each class, and the mean over splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from p3d_eval.protocols import statistics
from p3d_eval.protocols.resampling import Part
from p3d_eval.protocols.result import Metric
from p3d_eval.protocols.statistics import proportion
from p3d_eval.protocols.task_fits import Outcome
from p3d_eval.protocols.tasks import Task


@dataclass(frozen=True)
class Judgement:
    """Numbers made from the outcomes of all splits.

    Parameters
    ----------
    metrics : mapping of str to Metric
        Over all splits.
    splits : tuple of mapping, one a split
        The same metrics of each split.
    per_class : mapping of str to Metric
    """

    metrics: Mapping[str, Metric]
    splits: tuple[Mapping[str, Metric], ...]
    per_class: Mapping[str, Metric]


def judge_accuracy(task: Task, outcomes: Sequence[Outcome], seed: int) -> Judgement:
    """Judge each video's best guess; a video of several classes is right when it shows the guessed one."""
    hits = [correct(task, outcome) for outcome in outcomes]
    splits = tuple({"accuracy": proportion(int(hit.sum()), len(hit), "videos")} for hit in hits)
    metrics = {"accuracy": mean_over_splits(task, outcomes, hits, seed)}
    return Judgement(metrics, splits, per_class(task, outcomes, hits))


def correct(task: Task, outcome: Outcome) -> NDArray[np.bool_]:
    """Whether the best guess is right, for each video that counts; without features it is wrong."""
    guesses = outcome.scores.argmax(axis=1).tolist()
    right = {
        row: guess in task.labels[row] for row, guess in zip(outcome.tested.tolist(), guesses, strict=True)
    }
    return np.array([right.get(row, False) for row in outcome.counted.tolist()], bool)


def mean_over_splits(
    task: Task, outcomes: Sequence[Outcome], hits: Sequence[NDArray[Any]], seed: int
) -> Metric:
    """Mean of the splits' shares of hits; videos of one cluster are resampled together."""
    parts = [
        Part(hit, [task.clusters[row] for row in outcome.counted.tolist()])
        for outcome, hit in zip(outcomes, hits, strict=True)
    ]
    kind = f"{task.cluster_kind} clusters" if task.clustered else "videos"
    return statistics.mean_over_splits(parts, "videos", kind, seed)


def per_class(task: Task, outcomes: Sequence[Outcome], hits: Sequence[NDArray[np.bool_]]) -> dict[str, Metric]:
    """Share of hits among the videos of each class, those of all splits together."""
    own: dict[int, list[bool]] = {label: [] for label in range(len(task.classes))}
    for outcome, hit in zip(outcomes, hits, strict=True):
        for row, value in zip(outcome.counted.tolist(), hit.tolist(), strict=True):
            for label in task.labels[row]:
                own[label].append(value)
    return {task.classes[label]: proportion(sum(found), len(found), "videos") for label, found in own.items()}
