"""Sports-1M: class names and the official partition, ``URL labels`` a line.

Karpathy et al., CVPR 2014; gtoderici/sports-1m-dataset: ``labels.txt`` (a line's number − 1 is the index) and
``test_partition.txt``, ``train_partition.txt`` (a YouTube address and comma separated indices).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from p3d_eval.errors import UserError, counted
from p3d_eval.protocols.annotations.text import numbered_lines
from p3d_eval.protocols.protocol import AnnotationReader
from p3d_eval.protocols.tasks import Task, TaskSplit, list_task

LABELS, TEST, TRAIN = "labels.txt", "test_partition.txt", "train_partition.txt"

_ADDRESS = re.compile(
    r"(?:https?://)?(?:www\.|m\.)?(?:youtube\.com/watch\?(?:\S*&)?v=|youtu\.be/)([\w-]{11})(?:[&?#]\S*)?"
)
_NUMBER = re.compile(r"[0-9]{1,6}")

Part = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Sports1M:
    """Class names, and the labels of each video (by YouTube id) of the test and the training part."""

    classes: tuple[str, ...]
    test: Part
    train: Part


def parse(files: Mapping[str, bytes]) -> Sports1M:
    """Read class names and partitions; without ``train_partition.txt`` the training part is empty.

    A line that repeats a video with the same labels is counted once.

    Raises
    ------
    UserError
        When a file is missing, a line is not of the official form, a label is out of range, a class name
        stands twice, or a video stands twice with different labels.
    """
    missing = [name for name in (LABELS, TEST) if name not in files]
    if missing:
        raise UserError(f"Sports-1M: {', '.join(missing)} missing", f"{LABELS} and {TEST} are needed")
    classes = parse_labels(LABELS, files[LABELS])
    parts = [_parse_part(name, files[name], len(classes)) if name in files else {} for name in (TEST, TRAIN)]
    return Sports1M(classes, parts[0], parts[1])


def parse_labels(name: str, data: bytes) -> tuple[str, ...]:
    """Read one class name a line; a blank line within would shift all indices and is an error."""
    lines = list(numbered_lines(name, data))
    found: dict[str, int] = {}
    for place, (line, text) in enumerate(lines, 1):
        if line != place:
            raise UserError(
                f"{name}, line {place}: blank, so that the numbers of later classes are not certain"
            )
        if text in found:
            raise UserError(f"{name}, line {line}: {text[:80]!r} stands in line {found[text]} already")
        found[text] = line
    return tuple(found)


def _parse_part(name: str, data: bytes, classes: int) -> dict[str, tuple[int, ...]]:
    part: dict[str, tuple[int, ...]] = {}
    for line, text in numbered_lines(name, data):
        address, _, listed = text.partition(" ")
        matched = _ADDRESS.fullmatch(address)
        numbers = [number.strip() for number in listed.split(",")]
        if matched is None or not all(_NUMBER.fullmatch(number) for number in numbers):
            raise UserError(
                f"{name}, line {line}: {text[:80]!r} is not '<YouTube address> <labels>'",
                "E.g. https://www.youtube.com/watch?v=DN1RS8b6FTA 42,45",
            )
        labels = tuple(dict.fromkeys(int(number) for number in numbers))
        if max(labels) >= classes:
            raise UserError(f"{name}, line {line}: label {max(labels)} is not between 0 and {classes - 1}")
        if set(part.setdefault(matched[1], labels)) != set(labels):
            raise UserError(f"{name}, line {line}: {matched[1]} stands above with other labels")
    return part


def make_task(data: Sports1M) -> Task:
    """Test on the test partition; the training partition is for linear probes.

    Raises
    ------
    UserError
        When a video is in both parts.
    """
    both = sorted(set(data.test) & set(data.train))
    if both:
        some = counted(len(both), "video is", "videos are")
        raise UserError(f"Sports-1M: {some} in training and in test, the first is {both[0]}")
    videos = [*data.test.items(), *data.train.items()]
    count = len(data.test)
    return Task(
        dataset="sports1m",
        names=tuple(video for video, _ in videos),
        classes=data.classes,
        labels=tuple(labels for _, labels in videos),
        splits=(TaskSplit("test", np.arange(count, len(videos)), np.arange(count)),),
        deviations=("no copy of the official partition was at hand to compare with",),
        said=f"the {count:,} videos of the test partition; a video's id is its YouTube id",
    )


READER = AnnotationReader(
    "sports1m",
    (LABELS, TEST),
    parse,
    "labels.txt and original/test_partition.txt of github.com/gtoderici/sports-1m-dataset",
    optional=(TRAIN,),
    listed=lambda data, ids: list_task(make_task(data), ids),
)
