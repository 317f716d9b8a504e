"""Small pictures of videos, spread over a map."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from p3d_eval.errors import UserError
from p3d_eval.features.decode import DecodeError, Frame, read_video
from p3d_eval.features.ids import list_videos
from p3d_eval.features.matching import match_ids
from p3d_eval.features.sampling import Sampling

SIDE = 96  # pixels of the longer side
_QUALITY = 80  # of JPEG: about 3 kB a picture
_CENTRE = Sampling(clip_length=1, clips=1)  # one clip of one frame is the frame in the middle


def spread(points: NDArray[np.float64], count: int) -> list[int]:
    """Choose points far from each other: the one nearest the centre, then always the one farthest from all.

    Gonzalez, Theoretical Computer Science 38, 1985.
    """
    chosen: list[int] = []
    distance = np.full(len(points), np.inf)
    place = int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin()) if len(points) else 0
    while len(chosen) < min(count, len(points)):
        chosen.append(place)
        distance = np.minimum(distance, ((points - points[place]) ** 2).sum(axis=1))
        place = int(distance.argmax())
    return chosen


def make_thumbnails(source: Path, ids: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Cut the middle frame out of videos.

    Parameters
    ----------
    source : Path
        Folder or list of videos, as it was given to ``extract``.
    ids : sequence of str
        Videos, matched to the files as any list's names are.

    Returns
    -------
    dict of str to str
        Id → ``data:image/jpeg;base64`` address.
    list of str
        One line for each video without a picture.

    Raises
    ------
    UserError
        When there are no videos at ``source``.
    """
    files = {video.id: video.path for video in list_videos(source)}
    found = match_ids(ids, list(files))
    pictures, problems = {}, []
    for name in ids:
        video = found[name]
        if video is None:
            problems.append(f"{name}: no such video in {source}")
            continue
        try:
            pictures[name] = _address(_middle_frame(files[video], video))
        except DecodeError as error:
            problems.append(f"{name}: {error}")
    return pictures, problems


def read_thumbnail(address: str) -> NDArray[np.uint8]:
    """Decode a picture that :func:`make_thumbnails` made, shape (H, W, 3).

    Raises
    ------
    UserError
        When it is none, or is larger than these are.
    """
    try:
        content = base64.b64decode(address.partition(",")[2], validate=True)
        picture = Image.open(io.BytesIO(content), formats=["JPEG"])
        if max(picture.size) > SIDE:
            raise UserError(f"a thumbnail of {picture.size} pixels", f"They have {SIDE} at most")
        return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"a thumbnail cannot be read ({error})", "Draw the figure again") from error


def _middle_frame(path: Path, video: str) -> NDArray[np.uint8]:
    images = [part.image for part in read_video(path, video, _CENTRE) if isinstance(part, Frame)]
    return np.asarray(images[0])


def _address(frame: NDArray[np.uint8]) -> str:
    picture = Image.fromarray(frame)
    picture.thumbnail((SIDE, SIDE))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
