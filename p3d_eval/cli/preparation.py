"""``p3d-eval prepare``: a data set's annotations and videos, checked before anything is extracted."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from p3d_eval.cli._shared import SOME_FAILED, Json, Overwrite, Quiet, console, print_json
from p3d_eval.errors import UserError

if TYPE_CHECKING:
    from p3d_eval.protocols.preparation import Prepared

NAME = "prepare"
command = typer.Typer(add_completion=False)

_SHOWN = 10

Dataset = Annotated[str, typer.Argument(help="Data set: ucf101, hmdb51, activitynet, aslan, …")]
Annotations = Annotated[
    Path | None,
    typer.Option("--annotations", help="Official file, or folder of them; kept for the protocols to find."),
]
Videos = Annotated[Path | None, typer.Option("--videos", help="Folder of the videos, or a list of them.")]
Check = Annotated[
    bool, typer.Option("--check", help="Decode every found video, too, and list the bad ones (check-videos).")
]
Out = Annotated[Path | None, typer.Option("--out", help="List of the found videos to write, for extract.")]


@command.command(
    NAME,
    epilog="Example: p3d-eval prepare ucf101 --annotations ucfTrainTestlist --videos UCF-101 --out ucf101.txt",
)
def prepare(
    dataset: Dataset,
    annotations: Annotations = None,
    videos: Videos = None,
    check: Check = False,
    out: Out = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check a data set's official annotations, keep them, and count the videos on disk against them.

    Downloads nothing; says where the official files are to be had. With missing or bad videos the exit
    status is 3.
    """
    from p3d_eval.files import require_new, require_writable
    from p3d_eval.protocols.preparation import prepare as run
    from p3d_eval.protocols.preparation import write_manifest

    if videos is None and (check or out is not None):
        raise UserError(f"{'--check decodes' if check else '--out lists'} videos", "Say where with --videos")
    if out is not None:
        require_new(out, overwrite)
        require_writable(out)
    found = run(dataset, annotations, videos, overwrite=overwrite)
    if out is not None and videos is not None:
        write_manifest(out, found, videos, overwrite)
    bad = _bad(found, quiet) if check else {}
    if as_json:
        print_json(_as_json(found, out) | ({"bad": bad} if check else {}))
    elif not quiet:
        for line in _lines(found, bad, videos, out):
            console().print(line, markup=False)
    if found.missing or bad:
        raise typer.Exit(SOME_FAILED)


def _bad(found: "Prepared", quiet: bool) -> dict[str, str]:
    """Decode the found videos: id → reason of those that extract could not use."""
    from p3d_eval.features.checking import check_all
    from p3d_eval.progress import Progress

    with Progress("check", total=len(found.found), unit="videos", quiet=quiet) as bar:
        checks = check_all(found.found, advance=bar.advance)
    return {check.id: check.reason or "" for check in checks if check.status == "bad"}


def _lines(found: "Prepared", bad: dict[str, str], videos: Path | None, out: Path | None) -> list[str]:
    which = "the published ones" if found.official else "not the published ones, as far as can be told"
    lines = [
        f"{found.dataset}: annotations in {found.folder}, {which}: {', '.join(_few(list(found.files)))}",
        f"{found.expected:,} videos are named",
    ]
    if videos is None:
        return [*lines, "Give --videos to count those on disk"]
    lines.append(f"{len(found.found):,} of them in {videos}, {len(found.missing):,} missing")
    lines += [f"  missing: {name}{_nearly(found, name)}" for name in _few(list(found.missing))]
    lines += [f"  bad: {video}: {bad[video]}" for video in list(bad)[:_SHOWN]]
    lines += [f"  … and {len(bad) - _SHOWN:,} more bad ones"] if len(bad) > _SHOWN else []
    if found.unlisted:
        are = "video is" if len(found.unlisted) == 1 else "videos are"
        lines.append(f"{len(found.unlisted):,} {are} named nowhere: {', '.join(_few(list(found.unlisted)))}")
    if out is not None:
        root = videos if videos.is_dir() else videos.parent
        lines.append(f"{out}: {len(found.found):,} of them; next:")
        lines.append(
            f"  p3d-eval extract --backbone p3d199 --weights FILE --videos {out} --root {root} "
            f"--out {found.dataset}.h5"
        )
    return lines


def _nearly(found: "Prepared", name: str) -> str:
    return f" (on disk: {found.near[name]}, which differs in case or extension)" if name in found.near else ""


def _few(names: list[str]) -> list[str]:
    more = [f"… and {len(names) - _SHOWN:,} more"] if len(names) > _SHOWN else []
    return names[:_SHOWN] + more


def _as_json(found: "Prepared", out: Path | None) -> dict[str, Any]:
    return {
        "dataset": found.dataset,
        "annotations": str(found.folder),
        "files": dict(found.files),
        "official": found.official,
        "expected": found.expected,
        "found": [video.id for video in found.found],
        "missing": list(found.missing),
        "unlisted": list(found.unlisted),
        "near": dict(found.near),
        "out": None if out is None else str(out),
    }
