"""Features as lines of CSV: an id, then its numbers; the first line may name the columns."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from p3d_eval.errors import UserError, shorten, unread
from p3d_eval.features.ids import without_video_extension

# First fields that call a CSV's first line a header, where its numbers count its columns.
_HEADER_WORDS = ("", "id", "video", "name", "filename")
_COUNTED = 3  # columns numbered 0, 1, 2, …: fewer may well be a video's values


def read_csv_rows(path: Path) -> Iterator[tuple[int, str, NDArray[np.float64]]]:
    """Yield line, id and numbers of each video; a line of headings is passed over.

    Raises
    ------
    UserError
        When the file cannot be read, a field is no number, or the first line may be a header or a video.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            lines = (fields for fields in reader if any(field.strip() for field in fields))
            for position, fields in enumerate(lines):
                if position == 0 and _is_header(path, fields):
                    continue
                video = without_video_extension(fields[0].strip())
                wrong = next((field for field in fields[1:] if not _is_number(field)), None)
                if wrong is not None:
                    raise UserError(f"{path}: line {reader.line_num}, id {video!r}: {wrong!r} is not a number")
                yield reader.line_num, video, np.array(fields[1:], np.float64)
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise UserError(f"{path}: cannot be read as CSV ({unread(error)})") from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_header(path: Path, fields: Sequence[str]) -> bool:
    """Tell whether a CSV's first line names columns instead of holding a video.

    It does when none of its fields after the first is a number, and when they number the columns from 0 or 1,
    as pandas does by default, under a first field that is empty or a word such as id.

    Raises
    ------
    UserError
        When only one of the two, the numbers or the first field, says so.
    """
    values = [field.strip() for field in fields[1:]]
    if not any(map(_is_number, values)):
        return True
    worded = fields[0].strip().lower() in _HEADER_WORDS
    counted = any(values == [str(number + base) for number in range(len(values))] for base in (0, 1))
    if worded and counted:
        return True
    if (worded and all(map(_is_number, values))) or (counted and len(values) >= _COUNTED):
        raise UserError(
            f"{path}: line 1 may be a header or the video {fields[0]!r}: {shorten(values, 3)}",
            "Begin a header with id and name its columns in words; give a video another id than that, and "
            "write its numbers as 0.0, 1.0, …",
        )
    return False
