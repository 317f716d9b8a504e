"""A table of a user's own: a CSV of videos with labels, and perhaps groups and a split."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from p3d_eval.errors import UnknownNameError, UserError, counted
from p3d_eval.features.matching import match_ids
from p3d_eval.protocols.protocol import Listed

COLUMNS = ("id", "label", "group", "split")
REQUIRED = 2  # of the columns
PARTS = ("train", "test")


@dataclass(frozen=True)
class LabelledVideo:
    """One row of a table of videos.

    Parameters
    ----------
    id : str
        Name of the video, matched to the store as any list's names are.
    label : str
        Its class.
    group : str
        What must stay together in every split; the id itself where the table has no such column.
    part : str
        ``"train"``, ``"test"``, or empty where the table has no split.
    """

    id: str
    label: str
    group: str
    part: str = ""


def parse_videos(name: str, data: bytes) -> tuple[LabelledVideo, ...]:
    """Read a table with the columns ``id`` and ``label``, and perhaps ``group`` and ``split``.

    Parameters
    ----------
    name : str
        The file's name, for messages.
    data : bytes
        UTF-8 text, comma separated, with a header; blank lines are skipped.

    Raises
    ------
    UserError
        When the text is no such table, a value is empty, a split is neither ``train`` nor ``test``, or an
        id stands twice.
    """
    videos: list[LabelledVideo] = []
    lines: dict[str, int] = {}
    for line, row in _rows(name, data):
        part = row.get("split", "").lower()
        if "split" in row and part not in PARTS:
            raise UserError(f"{name}, line {line}: split {row['split']!r} is not train or test")
        if row["id"] in lines:
            raise UserError(f"{name}, line {line}: {row['id']!r} stands in line {lines[row['id']]} already")
        lines[row["id"]] = line
        videos.append(LabelledVideo(row["id"], row["label"], row.get("group") or row["id"], part))
    return tuple(videos)


def list_table(videos: Sequence[LabelledVideo], ids: Sequence[str]) -> Listed:
    """Find the videos of a table among ids."""
    return Listed(match_ids([video.id for video in videos], ids), official=False)


def _rows(name: str, data: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield (line number, column → value) of every row."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not a text file (byte {error.start} is not UTF-8)") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from _checked(name, reader)
    except csv.Error as error:
        raise UserError(f"{name}, line {reader.line_num}: not CSV ({error})") from None


def _checked(name: str, reader: Iterator[list[str]]) -> Iterator[tuple[int, Mapping[str, str]]]:
    header: list[str] | None = None
    count = 0
    for number, cells in enumerate(reader, 1):
        values = [cell.strip() for cell in cells]
        line = getattr(reader, "line_num", number)
        if not any(values):
            continue
        if header is None:
            header = _header(name, values)
            continue
        if len(values) != len(header):
            raise UserError(
                f"{name}, line {line}: {counted(len(values), 'value')} under {counted(len(header), 'column')}"
            )
        row = dict(zip(header, values, strict=True))
        for column in header:
            if not row[column]:
                raise UserError(f"{name}, line {line}: {column} is empty")
        count += 1
        yield line, row
    if not count:
        raise UserError(f"{name}: the table is empty", f"Its columns are {','.join(COLUMNS)}")


def _header(name: str, values: list[str]) -> list[str]:
    header = [value.lower() for value in values]
    for column in COLUMNS[:REQUIRED]:
        if column not in header:
            raise UserError(
                f"{name}: the first line has no column {column!r} but {','.join(values)!r}",
                f"It must name {','.join(COLUMNS[:REQUIRED])}[,{'][,'.join(COLUMNS[REQUIRED:])}]",
            )
    for column in header:
        if column not in COLUMNS:
            raise UnknownNameError(f"column of {name}", column, COLUMNS)
        if header.count(column) > 1:
            raise UserError(f"{name}: the column {column!r} stands twice")
    return header
