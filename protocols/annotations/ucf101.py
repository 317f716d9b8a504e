"""UCF101: class and group of a video, and its three train/test splits.

Soomro, Zamir and Shah, CRCV-TR-12-01, 2012. Official files: ``classInd.txt`` (``1 ApplyEyeMakeup``),
``trainlist0N.txt`` (``ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1``) and ``testlist0N.txt`` (path only).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.features.matching import match_ids
from p3d_eval.protocols.annotations.text import numbered_lines
from p3d_eval.protocols.protocol import AnnotationReader, Listed
from p3d_eval.provenance import sha256_json

CLASS_FILE = "classInd.txt"
SPLIT_NUMBERS = (1, 2, 3)
LIST_FILES = tuple(f"{part}list{number:02}.txt" for number in SPLIT_NUMBERS for part in ("train", "test"))

TEST_GROUPS = {1: range(1, 8), 2: range(8, 15), 3: range(15, 22)}
"""Groups (gNN) of the test lists, counted in the official lists; the other groups up to 25 train."""

OFFICIAL_HASHES: Mapping[int, str] = {
    1: "fed28f54f085f0116e20c1cb48f24657670736f5ef32782fbe6d058257f9f518",
    2: "002f7c3da1d212234ee8b13653f31923e3e3355da779704258baba30cd7e22c9",
    3: "e82b38e54bf45053cb97e4a81a57ac10146004be8da4f6d5a70603dfebfe0a57",
}
"""`split_hash` of the official lists, which name 9,537/3,783, 9,586/3,734 and 9,624/3,696 videos (computed from
the copies in yjxiong/temporal-segment-networks on GitHub)."""

_GROUP = re.compile(r"_g([0-9]{1,9})_c\d+$")
_NUMBER = re.compile(r"[0-9]{1,9}")  # str.isdigit() takes superscripts, which int() does not


@dataclass(frozen=True)
class Clip:
    """One video of the data set: its class (the folder's name) and its file name without extension."""

    action: str
    stem: str

    @property
    def name(self) -> str:
        """``class/stem``, as the official lists write it, without the extension."""
        return f"{self.action}/{self.stem}"

    @property
    def group(self) -> int | None:
        """Number NN of ``_gNN_``: clips of one group were cut from one video. None where the name has none."""
        match = _GROUP.search(self.stem)
        return int(match[1]) if match else None


@dataclass(frozen=True)
class Split:
    """One train/test split, each part in the order of its list."""

    number: int
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]


@dataclass(frozen=True)
class Ucf101:
    """Class names in label order, and splits.

    ``from_rule`` tells whether the splits follow from the videos' names or were read from lists.
    """

    classes: tuple[str, ...]
    splits: tuple[Split, ...]
    from_rule: bool = False

    @property
    def official(self) -> bool:
        """Whether these are exactly the three published splits."""
        return {split.number: split_hash(split) for split in self.splits} == dict(OFFICIAL_HASHES)


def split_hash(split: Split) -> str:
    """SHA-256 of the sets of training and test videos, independent of order and line ends."""
    return sha256_json([sorted(clip.name for clip in part) for part in (split.train, split.test)])


def parse(files: Mapping[str, bytes]) -> Ucf101:
    """Read the official lists from raw bytes; class labels come from the folder of each path.

    Raises
    ------
    UserError
        When a file is missing or empty, a line has another form, a class is unknown or contradicts the
        label, a video is listed twice, or a group is both in training and in test.
    """
    missing = [name for name in (CLASS_FILE, *LIST_FILES) if name not in files]
    if missing:
        raise UserError(f"UCF101 lists: {', '.join(missing)} missing", "All seven official files are needed")
    classes = _parse_classes(files[CLASS_FILE])
    splits = []
    for number in SPLIT_NUMBERS:
        names = (f"trainlist{number:02}.txt", f"testlist{number:02}.txt")
        train, test = (_parse_list(name, files[name], classes) for name in names)
        split = Split(number, train, test)
        require_apart(split)
        splits.append(split)
    return Ucf101(classes, tuple(splits))


def list_clips(data: Ucf101, ids: Sequence[str]) -> Listed:
    """Find the clips of all splits among ids."""
    names = dict.fromkeys(clip.name for split in data.splits for clip in (*split.train, *split.test))
    return Listed(match_ids(list(names), ids), data.official)


def _parse_classes(data: bytes) -> tuple[str, ...]:
    by_number: dict[int, str] = {}
    for line, text in numbered_lines(CLASS_FILE, data):
        number, _, name = text.partition(" ")
        name = name.strip()
        if not _NUMBER.fullmatch(number) or not name:
            raise UserError(f"{CLASS_FILE}, line {line}: {text!r} is not '<number> <class>'")
        if int(number) in by_number or name in by_number.values():
            raise UserError(f"{CLASS_FILE}, line {line}: {text!r} is listed twice")
        by_number[int(number)] = name
    if sorted(by_number) != list(range(1, len(by_number) + 1)):
        raise UserError(f"{CLASS_FILE}: class numbers are not 1 to {len(by_number)}")
    return tuple(by_number[number] for number in sorted(by_number))


def _parse_list(name: str, data: bytes, classes: tuple[str, ...]) -> tuple[Clip, ...]:
    numbers = {action: str(index) for index, action in enumerate(classes, 1)}
    clips: dict[Clip, None] = {}
    for line, text in numbered_lines(name, data):
        listed, _, label = text.partition(" ")
        path = PurePosixPath(listed.replace("\\", "/"))
        clip = Clip(path.parent.name, path.stem)
        if not clip.action:
            raise UserError(f"{name}, line {line}: {listed!r} has no class folder")
        if clip.action not in numbers:
            unknown = UnknownNameError("class", clip.action, classes)
            raise UserError(f"{name}, line {line}: {unknown.message}", unknown.hint)
        if label.strip() not in ("", numbers[clip.action]):
            raise UserError(
                f"{name}, line {line}: label {label.strip()!r}, but {clip.action} is {numbers[clip.action]}"
            )
        if clip in clips:
            raise UserError(f"{name}, line {line}: {listed!r} is listed twice")
        clips[clip] = None
    return tuple(clips)


def require_apart(split: Split) -> None:
    """Check that no video and no group (all clips of one video) is both in training and in test.

    Raises
    ------
    UserError
        Naming the first group or video that is in both.
    """
    both = set(split.train) & set(split.test)
    if both:
        raise UserError(f"split {split.number}: {min(clip.name for clip in both)} is in training and in test")
    straddling = _groups(split.train) & _groups(split.test)
    if straddling:
        action, group = min(straddling)
        raise UserError(
            f"split {split.number}: group g{group:02} of {action} is in training and in test",
            "Clips of a group are cut from one video: use the official lists",
        )


def _groups(clips: Iterable[Clip]) -> set[tuple[str, int]]:
    return {(clip.action, clip.group) for clip in clips if clip.group is not None}


def from_ids(ids: Iterable[str]) -> Ucf101:
    """Make the three splits from the videos' names alone: the class is the folder, the group ``gNN``.

    Parameters
    ----------
    ids : iterable of str
        Video ids that end in ``class/v_Name_gNN_cNN``.

    Raises
    ------
    UserError
        When an id has no folder or no group, or one part of a split would be empty.
    """
    clips: dict[Clip, str] = {}
    for identity in ids:
        path = PurePosixPath(identity)
        clip = Clip(path.parent.name, path.name)
        if not clip.action or clip.group is None:
            raise UserError(
                f"{identity}: not 'class/v_Name_gNN_cNN', so its class and group are unknown",
                "Give the official lists with --splits",
            )
        if clip in clips:
            raise UserError(f"{clip.name}: both {clips[clip]!r} and {identity!r} are this video")
        clips[clip] = identity
    splits = []
    for number, tested in TEST_GROUPS.items():
        test = tuple(clip for clip in clips if clip.group in tested)
        train = tuple(clip for clip in clips if clip.group not in tested)
        if not train or not test:
            raise UserError(
                f"split {number}: no video for {'training' if test else 'test'} "
                f"(groups g{tested.start:02} to g{tested.stop - 1:02} are tested)",
                "Give lists of your own with --splits",
            )
        splits.append(Split(number, train, test))
    return Ucf101(tuple(sorted({clip.action for clip in clips})), tuple(splits), from_rule=True)


READER = AnnotationReader(
    "ucf101",
    (CLASS_FILE, *LIST_FILES),
    parse,
    "UCF101TrainTestSplits-RecognitionTask.zip (www.crcv.ucf.edu/data/UCF101.php)",
    listed=list_clips,
)
