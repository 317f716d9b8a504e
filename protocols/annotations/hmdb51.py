"""HMDB51: three splits in one list a class and split, ``CLASS_test_splitN.txt`` (testTrainMulti_7030).

Kuehne, Jhuang, Garrote, Poggio and Serre, ICCV 2011. A line is ``name.avi 1``:
1 trains, 2 tests, 0 is not used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from p3d_eval.errors import UserError, counted, shorten
from p3d_eval.protocols.annotations.text import numbered_lines
from p3d_eval.protocols.protocol import AnnotationReader
from p3d_eval.protocols.tasks import Task, TaskSplit, list_task

SPLITS = ("1", "2", "3")
UNUSED, TRAIN, TEST = "0", "1", "2"

OFFICIAL_HASHES: Mapping[str, str] = {
    "1": "1fde3753e002020f34a1bd33293c4848defa24161a2546cd6c460a1750cb3b6a",
    "2": "bf57897f93d432c47a8a3241f66db41514bc9b0348f134dc7dc6312c6003d11e",
    "3": "80174dcb52c7978ab2bc6dbe04193aa85f7f59b97995c5775778aa8cbfa1a578",
}
"""`Task.split_hashes` of the official lists: 3,570 training and 1,530 test videos each (computed from the
copies in yjxiong/temporal-segment-networks on GitHub)."""

_FILE = re.compile(r"(?P<action>.+)_test_split(?P<split>[123])\.txt")
# Body part, camera motion, number of people, view, quality, number: what the names say after source and class.
_TAGS = re.compile(r"_[fuhlt]_(?:nm|cm)_np\d+_(?:ba|fr|le|ri)_(?:goo|med|bad)_\d+$")


@dataclass(frozen=True)
class Hmdb51:
    """Use of every video in every split.

    Parameters
    ----------
    classes : tuple of str
        In alphabetical order.
    uses : mapping of (str, str) to mapping of str to str
        (class, file name without extension) → split → ``"0"``, ``"1"`` or ``"2"``.
    """

    classes: tuple[str, ...]
    uses: Mapping[tuple[str, str], Mapping[str, str]]


def parse(files: Mapping[str, bytes]) -> Hmdb51:
    """Read the lists of all classes and splits.

    Raises
    ------
    UserError
        When a file is called or written otherwise, a class lacks a split, a video is listed twice or not in
        all splits of its class, or a split has nothing to train or to test on.
    """
    uses: dict[tuple[str, str], dict[str, str]] = {}
    splits: dict[str, dict[str, set[str]]] = {}
    for name, data in files.items():
        matched = _FILE.fullmatch(name)
        if matched is None:
            raise UserError(
                f"{name}: not called CLASS_test_splitN.txt", "Give the folder testTrainMulti_7030_splits"
            )
        own = splits.setdefault(matched["action"], {})
        listed = own[matched["split"]] = set()
        for line, text in numbered_lines(name, data):
            stem, use = _parse_line(name, line, text)
            if stem in listed:
                raise UserError(f"{name}, line {line}: {stem!r} is listed twice")
            listed.add(stem)
            uses.setdefault((matched["action"], stem), {})[matched["split"]] = use
    _require_whole(splits)
    for split in SPLITS:
        for use, what in ((TRAIN, "training"), (TEST, "test")):
            if not any(own[split] == use for own in uses.values()):
                raise UserError(f"HMDB51 lists: split {split} has no {what} video")
    return Hmdb51(tuple(sorted(splits)), uses)


def _parse_line(name: str, line: int, text: str) -> tuple[str, str]:
    listed, _, use = text.rpartition(" ")
    stem = PurePosixPath(listed.strip().replace("\\", "/")).stem
    if not stem or use not in (UNUSED, TRAIN, TEST):
        raise UserError(
            f"{name}, line {line}: {text[:80]!r} is not '<video> <use>'",
            "The use is 1 train, 2 test, 0 neither",
        )
    return stem, use


def _require_whole(splits: Mapping[str, Mapping[str, set[str]]]) -> None:
    if len(splits) < 2:
        raise UserError(f"HMDB51 lists: {counted(len(splits), 'class', 'classes')}, two or more are needed")
    for action, own in splits.items():
        missing = [f"{action}_test_split{split}.txt" for split in SPLITS if split not in own]
        if missing:
            raise UserError(f"HMDB51 lists: {', '.join(missing)} missing", "Every class has three lists")
        for split in SPLITS[1:]:
            differing = sorted(own[split] ^ own[SPLITS[0]])
            if differing:
                raise UserError(
                    f"{action}_test_split{split}.txt and {action}_test_split{SPLITS[0]}.txt name different "
                    f"videos: {shorten(differing)}"
                )


def make_task(data: Hmdb51) -> Task:
    """Turn the lists into a task; clips of one class that were cut from one source are one cluster."""
    videos = sorted(data.uses)
    row = {video: number for number, video in enumerate(videos)}
    label = {action: number for number, action in enumerate(data.classes)}

    def part(split: str, use: str) -> list[int]:
        return [row[video] for video in videos if data.uses[video][split] == use]

    task = Task(
        dataset="hmdb51",
        names=tuple(f"{action}/{stem}" for action, stem in videos),
        classes=data.classes,
        labels=tuple((label[action],) for action, _ in videos),
        splits=tuple(
            TaskSplit(split, np.array(part(split, TRAIN)), np.array(part(split, TEST))) for split in SPLITS
        ),
        groups=tuple(f"{action}/{source_of(action, stem)}" for action, stem in videos),
        cluster_kind="(class, source)",
        said="splits and classes from the lists; source is what a video's name says before the class",
    )
    return replace(task, official=task.split_hashes() == dict(OFFICIAL_HASHES))


def source_of(action: str, stem: str) -> str:
    """Name the film that a clip was cut from: its name without class and tags; else the clip's own name.

    Examples
    --------
    >>> source_of("brush_hair", "April_09_brush_hair_u_nm_np1_ba_goo_0")
    'April_09'
    """
    tagged = _TAGS.search(stem)
    if tagged is None:
        return stem
    return stem[: tagged.start()].removesuffix(f"_{action}") or stem


READER = AnnotationReader(
    "hmdb51",
    ("*_test_split[123].txt",),
    parse,
    "test_train_splits.rar (serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database)",
    listed=lambda data, ids: list_task(make_task(data), ids),
)
