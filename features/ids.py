"""Identity of a video: its path below the folder, without extension, with ``/``."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from p3d_eval.errors import UserError, counted, shorten, unread
from p3d_eval.features.frame_names import holds_frames

_NAMES = ("3gp", "avi", "flv", "gif", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts", "webm", "wmv")
VIDEO_EXTENSIONS = frozenset(f".{name}" for name in _NAMES)


@dataclass(frozen=True)
class VideoFile:
    """One video: its id and where its file is."""

    id: str
    path: Path


def _without_extension(path: PurePosixPath) -> str:
    known = path.suffix.lower() in VIDEO_EXTENSIONS
    return (path.with_suffix("") if known else path).as_posix()


def is_video(name: str) -> bool:
    """Whether a file's name is a video's; hidden files are not looked at."""
    return PurePosixPath(name).suffix.lower() in VIDEO_EXTENSIONS and not name.startswith(".")


def _below(path: Path, folder: Path) -> PurePosixPath:
    return PurePosixPath(path.relative_to(folder).as_posix())


def without_video_extension(name: str) -> str:
    """Return an id as videos have it: official lists write ``.avi`` behind it."""
    return _without_extension(PurePosixPath(name)) if name else name


def is_utf8(name: str) -> bool:
    """Whether a name can be written as UTF-8; a file's name in another encoding cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unique(videos: Iterable[VideoFile], source: Path) -> tuple[VideoFile, ...]:
    """Refuse names that are not UTF-8 and two files with one id (two extensions, or a line twice)."""
    found: dict[str, VideoFile] = {}
    for video in videos:
        if not is_utf8(video.id):
            raise UserError(
                f"{source}: the name of the video {str(video.path)!r} is not UTF-8", "Rename it: ids are UTF-8"
            )
        other = found.setdefault(video.id, video)
        if other is not video:
            raise UserError(
                f"{source}: two videos have the id {video.id!r}: {other.path} and {video.path}",
                "An id is the path without extension: rename or leave out one of them",
            )
    return tuple(found.values())


def list_videos(source: Path, root: Path | None = None) -> tuple[VideoFile, ...]:
    """Find the videos of a folder, or of a text file with one path a line.

    A folder is searched at every depth (symbolic links are followed) for files with a video's extension, in
    the order of their ids. A folder without videos and folders in it whose images are all numbered
    (``img_00001.jpg``) is a video of frames; its id is its path. A list is taken in its own order: empty
    lines and lines that begin with ``#`` are skipped, and relative paths are below ``root``, by default the
    list's folder; it may name folders of frames.

    Parameters
    ----------
    source : Path
        Folder, or list.
    root : Path, optional
        What ids and a list's paths are relative to.

    Returns
    -------
    tuple of VideoFile
        At least one.

    Raises
    ------
    UserError
        When there is no video, two have the same id, a name is not UTF-8, ``source`` or a listed file is
        missing, or ``source`` is a folder and ``root`` another.
    """
    if source.is_dir():
        if root is not None and root.resolve() != source.resolve():
            raise UserError(
                f"--root {root}: {source} is a folder, whose ids are relative to itself",
                "Leave --root out: it is for a list of videos",
            )
        return _list_folder(source)
    if not source.is_file():
        raise UserError(f"{source}: no such folder or list of videos")
    try:
        lines = source.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(
            f"{source}: not a list of videos (not UTF-8 text)", "Give a folder, or a text file"
        ) from None
    base = source.parent if root is None else root
    named = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not named:
        raise UserError(f"{source}: the list names no video")
    videos = _unique((_listed(line, base) for line in named), source)
    missing = [str(video.path) for video in videos if not video.path.exists()]
    if missing:
        raise UserError(
            f"{source}: {counted(len(missing), 'listed video')} not found: {shorten(missing)}",
            "Paths in a list are relative to --root, by default to the list's folder",
        )
    return videos


def _listed(line: str, base: Path) -> VideoFile:
    path = relative = Path(line)
    if path.is_absolute():
        inside = path.is_relative_to(base.absolute())
        relative = path.relative_to(base.absolute()) if inside else path.relative_to(path.anchor)
    plain, place = PurePosixPath(relative.as_posix()), base / path
    return VideoFile(plain.as_posix() if place.is_dir() else _without_extension(plain), place)


def _unreadable(error: OSError) -> None:
    raise UserError(
        f"{error.filename}: {error.strerror}", "Every folder below --videos must be readable"
    ) from error


def _list_folder(folder: Path) -> tuple[VideoFile, ...]:
    found = []
    visited: set[str] = set()
    for parent, folders, files in os.walk(folder, onerror=_unreadable, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:  # links may lead round in a circle
            folders.clear()
            continue
        visited.add(real)
        folders.sort()
        paths = [Path(parent, name) for name in files if is_video(name)]
        found += [VideoFile(_without_extension(_below(path, folder)), path) for path in paths]
        if not paths and not folders and holds_frames(files):
            place = Path(parent)
            name = folder.resolve().name if place == folder else _below(place, folder).as_posix()
            found.append(VideoFile(name, place))
    if not found:
        raise UserError(
            f"{folder}: no videos in this folder",
            f"Looked for {' '.join(sorted(VIDEO_EXTENSIONS))} and folders of numbered images",
        )
    return _unique(sorted(found, key=lambda video: (video.id, video.path.name)), folder)


def read_ids(path: Path) -> tuple[str, ...]:
    """Read one id a line; empty lines are skipped.

    Raises
    ------
    UserError
        When the file is missing, not text or empty, or an id repeats.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: no list of ids ({unread(error)})", "Give a text file, one id a line"
        ) from error
    names = tuple(without_video_extension(line.strip()) for line in lines if line.strip())
    if not names:
        raise UserError(f"{path}: the list names no id")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise UserError(f"{path}: duplicate id {name!r}")
        seen.add(name)
    return names
