"""``p3d-eval check-videos``: which videos extraction could not use, found beforehand."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p3d_eval.cli._shared import Json, Overwrite, Quiet, console, print_json, print_table
from p3d_eval.errors import UserError, counted

if TYPE_CHECKING:
    from p3d_eval.features.checking import VideoCheck

NAME = "check-videos"
command = typer.Typer(add_completion=False)

_SOME_BAD = 3  # exit code: finished, with failures listed
_SHOWN = 50  # lines of the table; a report has all

Videos = Annotated[Path, typer.Argument(help="Folder of videos, or text file with one path a line.")]
Root = Annotated[Path | None, typer.Option("--root", help="What a list's paths and ids are relative to.")]
Out = Annotated[Path | None, typer.Option("--out", help="Report on every video: a .csv or .json file.")]
Workers = Annotated[int, typer.Option("--workers", help="Videos decoded at a time.")]
ClipLength = Annotated[int, typer.Option("--clip-length", help="Frames of a clip; shorter videos are noted.")]
TimeLimit = Annotated[float, typer.Option("--time-limit", help="Seconds that one video may take.")]


@command.command(NAME, epilog="Example: p3d-eval check-videos UCF-101/ --out report.csv")
def check_videos(
    videos: Videos,
    root: Root = None,
    out: Out = None,
    workers: Workers = 2,
    clip_length: ClipLength = 16,
    time_limit: TimeLimit = 600.0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Decode all videos and list the bad ones, with the reason that extract would fail with.

    What is odd but usable is noted: fewer frames than the container promises, damage that the decoder
    mended, timestamps out of order, fewer frames than a clip, the same content twice. The exit status is
    3 when a video is bad.
    """
    from p3d_eval.features.checking import check_all
    from p3d_eval.features.ids import list_videos
    from p3d_eval.files import require_new, require_writable, write_text
    from p3d_eval.progress import Progress

    if workers < 1 or clip_length < 1 or not time_limit > 0:
        raise UserError(
            f"workers {workers}, clip length {clip_length} and time limit {time_limit:g} are above 0"
        )
    if out is not None:
        if out.suffix not in _FORMATS:
            raise UserError(f"{out}: unknown kind of report {out.suffix!r}", f"Choose {' or '.join(_FORMATS)}")
        require_new(out, overwrite)
        require_writable(out)
    found = list_videos(videos, root)
    with Progress("check", total=len(found), unit="videos", quiet=quiet) as bar:
        checks = check_all(found, clip_length, workers, time_limit, bar.advance)
    if out is not None:
        write_text(out, _FORMATS[out.suffix](checks), overwrite)
    if as_json:
        print_json(
            _summary(checks) | {"videos": [check.to_json() for check in checks if check.status != "good"]}
        )
    elif not quiet:
        _print(checks, out)
    if any(check.status == "bad" for check in checks):
        raise typer.Exit(_SOME_BAD)


def _summary(checks: "list[VideoCheck]") -> dict[str, int]:
    statuses = [check.status for check in checks]
    return {"checked": len(checks)} | {name: statuses.count(name) for name in ("good", "noted", "bad")}


def _json_report(checks: "list[VideoCheck]") -> str:
    import json

    return json.dumps([check.to_json() for check in checks], indent=1, ensure_ascii=False) + "\n"


def _csv_report(checks: "list[VideoCheck]") -> str:
    import csv
    import io

    text = io.StringIO()
    rows = [check.to_json() | {"notes": "; ".join(check.notes)} for check in checks]
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


_FORMATS: dict[str, Any] = {".csv": _csv_report, ".json": _json_report}


def _print(checks: "list[VideoCheck]", out: Path | None) -> None:
    for status, title in (("bad", "Bad videos"), ("noted", "Usable, but odd")):
        rows = [
            (check.id, check.reason or "; ".join(check.notes)) for check in checks if check.status == status
        ]
        if rows:
            print_table(title, ("id", "reason" if status == "bad" else "note"), rows[:_SHOWN])
        if len(rows) > _SHOWN:
            console().print(f"… and {len(rows) - _SHOWN} more: {out or 'add --out report.csv'}", markup=False)
    counts = _summary(checks)
    found = f"{counts['good']} good, {counts['noted']} with notes, {counts['bad']} bad"
    console(stderr=True).print(f"{counted(counts['checked'], 'video')}: {found}", markup=False)
