"""A folder of numbered images read as a video."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from threading import Event

from PIL import Image as Pillow

from p3d_eval.features.counting import Choose
from p3d_eval.features.decode_error import DecodeError
from p3d_eval.features.frame_names import numbered_images
from p3d_eval.features.images import UPRIGHT, Converter, Image, Orientation
from p3d_eval.features.requests import Frame, Opened, Timeline, VideoHeader
from p3d_eval.features.sequential import decode, require_running

# Exif 2.32, tag 274 (orientation): what to do to show the picture.
_ORIENTATION_TAG = 274
_ORIENTATIONS = {
    2: Orientation(0, mirrored=True),
    3: Orientation(2),
    4: Orientation(2, mirrored=True),
    5: Orientation(3, mirrored=True),
    6: Orientation(3),
    7: Orientation(1, mirrored=True),
    8: Orientation(1),
}


def list_frames(folder: Path) -> list[Path]:
    """List a video's images in the order of their numbers; gaps between numbers are closed.

    Raises
    ------
    DecodeError
        When there is none, two have one number, or the folder cannot be read.
    """
    try:
        found = numbered_images(folder)
    except OSError as error:
        raise DecodeError(f"cannot be read: {error.strerror or error}") from error
    if not found:
        raise DecodeError("no numbered images in this folder")
    for (number, one), (other_number, other) in pairwise(found):
        if number == other_number:
            raise DecodeError(f"two images have the number {number}: {one.name} and {other.name}")
    return [path for _, path in found]


def read_image(path: Path, convert: Converter) -> Image:
    """Decode one image (of several in a file the first); its Exif orientation is applied.

    Raises
    ------
    DecodeError
        When it cannot be decoded; names the file.
    """
    try:
        return convert(next(decode(path)), _orientation(path))
    except DecodeError as error:
        raise DecodeError(f"{path.name}: {error}") from error


def _orientation(path: Path) -> Orientation:
    try:
        with Pillow.open(path) as image:
            tag = image.getexif().get(_ORIENTATION_TAG)
    except (OSError, ValueError, SyntaxError):  # FFmpeg reads images that Pillow does not know
        return UPRIGHT
    return _ORIENTATIONS.get(tag or 1, UPRIGHT)


def open_folder(folder: Path, choose: Choose, convert: Converter, stopped: Event | None = None) -> Opened:
    """Open a folder of numbered images; only those that a clip needs are decoded.

    Raises
    ------
    DecodeError
        When it holds none or an image cannot be decoded, or decoding was stopped.
    """
    paths = list_frames(folder)
    header = VideoHeader(len(paths), choose(Timeline(len(paths))))

    def frames() -> Iterator[Frame]:
        for number in sorted(header.needed):
            require_running(stopped)
            yield Frame(number, read_image(paths[number], convert))

    return header, frames()
