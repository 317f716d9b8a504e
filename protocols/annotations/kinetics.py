"""Kinetics-400: the official CSV, ``label,youtube_id,time_start,time_end,split,is_cc``.

Kay et al., arXiv 1705.06950. Videos are called ``ID_000010_000020`` (id, start and end in six
digits, as the official crawlers write them) or by their id alone.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from p3d_eval.errors import UserError, counted
from p3d_eval.protocols.protocol import AnnotationReader
from p3d_eval.protocols.tasks import Task, TaskSplit, list_task
from p3d_eval.provenance import sha256_json

COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
PARTS = {"val": "val", "validate": "val", "validation": "val", "train": "train"}
CLASSES = 400

OFFICIAL_HASH = "c37e65b4ce1af90a4133c7de752bdd5e61999699d984d7aa1d55e70d87fe17e8"
"""`Kinetics.digest` of the official validation list: 19,906 videos of 400 classes (computed from the copy in
activitynet/ActivityNet on GitHub)."""

_SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class KineticsVideo:
    """One labelled stretch of a video, from ``start`` to ``end`` (seconds, rounded down)."""

    label: str
    id: str
    start: int
    end: int

    @property
    def timed(self) -> str:
        """Name with times, e.g. ``"0wR5jVB-WPk_000417_000427"``."""
        return f"{self.id}_{self.start:06d}_{self.end:06d}"


@dataclass(frozen=True)
class Kinetics:
    """Validation and training videos."""

    val: tuple[KineticsVideo, ...]
    train: tuple[KineticsVideo, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels of all videos in alphabetical order."""
        return tuple(sorted({video.label for video in (*self.val, *self.train)}))

    @property
    def digest(self) -> str:
        """SHA-256 of the validation videos with their labels, independent of order."""
        return sha256_json(sorted([video.timed, video.label] for video in self.val))


def parse(files: Mapping[str, bytes]) -> Kinetics:
    """Read one or more of the official CSVs; the column ``split`` says what a row is.

    Raises
    ------
    UserError
        When a file is not such a CSV, a row is not complete, a stretch is listed twice, or there is no
        validation video.
    """
    parts: dict[str, dict[str, KineticsVideo]] = {"val": {}, "train": {}}
    for name, data in files.items():
        for line, row in _rows(name, data):
            video, part = _parse_row(name, line, row)
            if any(video.timed in known for known in parts.values()):
                raise UserError(f"{name}, line {line}: {video.timed} is listed twice")
            parts[part][video.timed] = video
    if not parts["val"]:
        raise UserError(f"Kinetics: no validation video in {', '.join(files) or 'no file'}")
    return Kinetics(tuple(parts["val"].values()), tuple(parts["train"].values()))


def _rows(name: str, data: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not a text file (byte {error.start} is not UTF-8)") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            values = [cell.strip() for cell in cells]
            if not any(values):
                continue
            if not header:
                header = values
                if tuple(header[: len(COLUMNS)]) != COLUMNS:
                    raise UserError(
                        f"{name}: the first line is {','.join(header)[:80]!r}: not Kinetics' official CSV",
                        f"It begins with {','.join(COLUMNS)}",
                    )
            elif len(values) != len(header):
                raise UserError(
                    f"{name}, line {reader.line_num}: {counted(len(values), 'value')}, not {len(header)}"
                )
            else:
                yield reader.line_num, dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise UserError(f"{name}, line {reader.line_num}: not CSV ({error})") from None
    if not header:
        raise UserError(f"{name}: the list is empty")


def _parse_row(name: str, line: int, row: Mapping[str, str]) -> tuple[KineticsVideo, str]:
    times = row["time_start"], row["time_end"]
    if not row["label"] or not _ID.fullmatch(row["youtube_id"]) or not all(map(_SECONDS.fullmatch, times)):
        shown = ",".join(row[column] for column in COLUMNS)
        raise UserError(f"{name}, line {line}: {shown[:80]!r} is not '{','.join(COLUMNS)}'")
    if row["split"] not in PARTS:
        raise UserError(
            f"{name}, line {line}: split {row['split'][:80]!r} is neither train nor val",
            "The labels of the test list are withheld",
        )
    start, end = (int(float(text)) for text in times)
    return KineticsVideo(row["label"], row["youtube_id"], start, end), PARTS[row["split"]]


def make_task(data: Kinetics, ids: Iterable[str]) -> Task:
    """Test on the validation list; a training list is for linear probes.

    Parameters
    ----------
    data : Kinetics
    ids : iterable of str
        Ids of the store: a video is called by its name with times where the store has that, else by its id.
    """
    stems = {PurePosixPath(video).name for video in ids}
    videos = (*data.val, *data.train)
    names = tuple(video.timed if video.timed in stems else video.id for video in videos)
    doubled = len(names) - len(set(names))
    if doubled:  # stretches of one video, and the store does not say which
        names = tuple(video.timed for video in videos)
    classes, count = data.classes, len(data.val)
    number = {label: place for place, label in enumerate(classes)}
    official = data.digest == OFFICIAL_HASH
    return Task(
        dataset="kinetics400",
        names=names,
        classes=classes,
        labels=tuple((number[video.label],) for video in videos),
        splits=(TaskSplit("val", np.arange(count, len(videos)), np.arange(count)),),
        official=official,
        deviations=() if official else (f"{count:,} videos, not the official validation list",),
        said=f"the {count:,} videos of the validation list, named ID_start_end or by their YouTube id",
    )


READER = AnnotationReader(
    "kinetics400",
    ("*val*.csv",),
    parse,
    "kinetics400/val.csv (storage.googleapis.com/deepmind-media/Datasets/kinetics400.tar.gz)",
    optional=("*train*.csv",),
    listed=lambda data, ids: list_task(make_task(data, ids), ids),
)
