"""Is a video one that extraction can use? Everything is decoded, and what is odd is noted."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from p3d_eval.features.decode_error import DecodeError
from p3d_eval.features.frame_names import numbered_images
from p3d_eval.features.ids import VideoFile
from p3d_eval.features.image_folder import list_frames, read_image
from p3d_eval.features.images import Converter
from p3d_eval.features.isolation import map_isolated
from p3d_eval.features.sequential import decode

_WHOLE = 0.95  # a file that decodes to fewer of the promised frames was probably cut off


@dataclass(frozen=True)
class VideoCheck:
    """What was found in one video.

    Parameters
    ----------
    id, path : str
        Which video.
    reason : str, optional
        Why it is bad: what extraction fails with. None for a good video.
    notes : tuple of str
        What is odd about a video that can be used all the same.
    frames, promised : int
        Decoded frames, and those that the container promises (0 where it does not say).
    width, height : int
        As stored, before any rotation flag.
    codec, pixels : str
        FFmpeg's names of the codec and of the pixel format.
    fps : float
        Mean frames per second by the container, 0 where it does not say.
    """

    id: str
    path: str
    reason: str | None = None
    notes: tuple[str, ...] = ()
    frames: int = 0
    promised: int = 0
    width: int = 0
    height: int = 0
    codec: str = ""
    pixels: str = ""
    fps: float = 0.0

    @property
    def status(self) -> str:
        """``bad``, ``noted`` or ``good``."""
        return "bad" if self.reason is not None else "noted" if self.notes else "good"

    def to_json(self) -> dict[str, Any]:
        """Return the fields, and the status, as JSON has them."""
        return {"status": self.status, **asdict(self), "notes": list(self.notes)}


@dataclass
class _Findings:
    """What is gathered while a video decodes."""

    frames: int = 0
    promised: int = 0
    codec: str = ""
    pixels: str = ""
    fps: float = 0.0
    shape: tuple[int, int] = (0, 0)
    damaged: int = 0
    disordered: int = 0
    last_time: int | None = None
    notes: list[str] = field(default_factory=list)

    def open(self, stream: Any) -> None:
        self.codec = stream.codec_context.name
        self.promised = int(stream.frames)
        self.fps = float(stream.average_rate or 0)
        # AVI has no times of its own; those that are made up for it follow no order.
        if stream.container.format.name == "avi":
            self.last_time = None
            self.disordered = -1

    def frame(self, frame: Any, convert: Converter) -> None:
        """Take a decoded frame; only what could fail in it is converted."""
        stored = (frame.height, frame.width)
        if self.frames == 0 or frame.format.name != self.pixels:
            convert(frame)
            self.pixels = frame.format.name
        if self.frames and stored != self.shape:
            raise DecodeError(f"the size of its frames changes at frame {self.frames}")
        self.shape = stored
        self.damaged += bool(frame.is_corrupt)
        if self.disordered >= 0 and frame.pts is not None:
            self.disordered += self.last_time is not None and frame.pts <= self.last_time
            self.last_time = frame.pts
        self.frames += 1


def check_video(video: VideoFile, clip_length: int) -> VideoCheck:
    """Decode all of a video.

    Parameters
    ----------
    video : VideoFile
        A file, or a folder of numbered images.
    clip_length : int
        Frames of a clip; shorter videos are noted, because they are looped.

    Returns
    -------
    VideoCheck
        Never an error: what is wrong is its reason.
    """
    found = _Findings()
    reason = None
    try:
        if video.path.is_dir():
            _read_images(video.path, found)
        else:
            convert = Converter()
            for frame in decode(video.path, on_open=found.open):
                found.frame(frame, convert)
    except DecodeError as error:
        reason = str(error)
    else:
        _note(found, clip_length)
    height, width = found.shape
    return VideoCheck(
        video.id,
        str(video.path),
        reason,
        tuple(found.notes),
        found.frames,
        found.promised,
        width,
        height,
        found.codec,
        found.pixels,
        round(found.fps, 3),
    )


def _read_images(folder: Path, found: _Findings) -> None:
    convert = Converter()
    for path in list_frames(folder):
        shape = read_image(path, convert).shape[:2]
        if found.frames and shape != found.shape:
            raise DecodeError(f"the size of its frames changes at frame {found.frames} ({path.name})")
        found.shape = (int(shape[0]), int(shape[1]))
        found.frames += 1
    numbers = [number for number, _ in numbered_images(folder)]
    steps = {later - earlier for earlier, later in pairwise(numbers)}
    if len(steps) > 1:
        found.notes.append(f"the numbers of its images have gaps ({numbers[0]} … {numbers[-1]})")
    found.codec = "images"


def _note(found: _Findings, clip_length: int) -> None:
    if found.frames < found.promised:
        cut = ": the file may be cut off" if found.frames < _WHOLE * found.promised else ""
        found.notes.append(f"{found.frames} of {found.promised} promised frames decode{cut}")
    if found.damaged:
        found.notes.append(f"{found.damaged} frames are damaged and were mended by the decoder")
    if found.disordered > 0:
        found.notes.append(f"{found.disordered} timestamps are out of order")
    if found.frames < clip_length:
        found.notes.append(f"{found.frames} frames are fewer than a clip's {clip_length}: it is looped")


def note_duplicates(videos: Sequence[VideoFile], checks: Iterable[VideoCheck]) -> list[VideoCheck]:
    """Note which files have the same content as an earlier one; only files of one size are compared."""
    found = list(checks)
    sizes: dict[int, list[int]] = defaultdict(list)
    for row, video in enumerate(videos):
        if video.path.is_file():
            sizes[video.path.stat().st_size].append(row)
    for rows in sizes.values():
        first: dict[str, int] = {}
        for row in rows if len(rows) > 1 else ():
            same = first.setdefault(_sha256(videos[row].path), row)
            if same != row:
                note = f"the same content as {videos[same].id!r}"
                found[row] = replace(found[row], notes=(*found[row].notes, note))
    return found


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return str(path)  # not readable: the same as no other


def check_all(
    videos: Sequence[VideoFile],
    clip_length: int = 16,
    workers: int = 2,
    seconds: float = 600.0,
    advance: Callable[[], None] | None = None,
) -> list[VideoCheck]:
    """Check videos in child processes, so that none that hangs or crashes its decoder ends the rest.

    Parameters
    ----------
    videos : sequence of VideoFile
        At least one.
    clip_length : int
        Frames of a clip.
    workers : int
        Processes.
    seconds : float
        Time limit of a video.
    advance : callable, optional
        Called after every video.

    Returns
    -------
    list of VideoCheck
        In the order of ``videos``.
    """
    checks = []
    for check in map_isolated(partial(check_video, clip_length=clip_length), videos, _died, workers, seconds):
        checks.append(check)
        if advance is not None:
            advance()
    return note_duplicates(videos, checks)


def _died(video: VideoFile, reason: str) -> VideoCheck:
    return VideoCheck(video.id, str(video.path), reason)
