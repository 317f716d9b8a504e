"""Folders of numbered images: which folder is a video of frames, and in which order they are shown."""

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

IMAGE_EXTENSIONS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_LAST_NUMBER = re.compile(r"(\d+)\Z")


def is_image(name: str) -> bool:
    """Whether a file's name is an image's; hidden files are not looked at."""
    return PurePosixPath(name).suffix.lower() in IMAGE_EXTENSIONS and not name.startswith(".")


def frame_number(name: str) -> int | None:
    """Return the number at the end of an image's name (``img_00012.jpg`` is 12); None when there is none."""
    found = _LAST_NUMBER.search(PurePosixPath(name).stem)
    return int(found[1]) if found else None


def holds_frames(files: Iterable[str]) -> bool:
    """Whether files that lie in one folder are the frames of a video: images, and every one numbered."""
    images = [name for name in files if is_image(name)]
    return bool(images) and all(frame_number(name) is not None for name in images)


def numbered_images(folder: Path) -> list[tuple[int, Path]]:
    """List a folder's images in the order of their numbers.

    Returns
    -------
    list of (int, Path)

    Raises
    ------
    OSError
        When the folder cannot be read.
    """
    names = [entry.name for entry in os.scandir(folder) if is_image(entry.name)]
    found = [(number, folder / name) for name in names if (number := frame_number(name)) is not None]
    return sorted(found)


def stat_video(path: Path) -> tuple[int, int]:
    """Return size in bytes and time of last change (ns) of a video; for a folder of frames of all its images.

    Raises
    ------
    OSError
        When it is not there.
    """
    own = path.stat()
    if not path.is_dir():
        return own.st_size, own.st_mtime_ns
    found = [image.stat() for _, image in numbered_images(path)]
    return sum(each.st_size for each in found), max(each.st_mtime_ns for each in (own, *found))
