"""From decoded frames to clips: each frame is prepared once, and given to every clip that has it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from p3d_eval.backbones.backbone import Backbone
from p3d_eval.backbones.views import View
from p3d_eval.features.decoding import DecoderPool, Loan, VideoStream
from p3d_eval.features.groups import group_number
from p3d_eval.features.meter import Meter
from p3d_eval.features.requests import ClipRequest, VideoHeader
from p3d_eval.features.transfer import Upload


@dataclass(frozen=True)
class ReadyClip:
    """A clip whose frames are on the device.

    Parameters
    ----------
    row : int
        Its video.
    start, repeats : int
        First frame, and how often sampling takes it.
    frames : list
        For each frame its prepared views, each 3 × h × w; shared with other clips.
    """

    row: int
    start: int
    repeats: int
    frames: list[tuple[Tensor, ...]]


@dataclass(frozen=True)
class VideoEnd:
    """A video has no more clips: its decoded frames, or why it gives no features; and a notice for the user."""

    row: int
    id: str
    frames: int = 0
    reason: str | None = None
    notice: str | None = None


@dataclass(frozen=True)
class Batch:
    """Clips that go through the network together, and videos that are complete after them.

    Parameters
    ----------
    clips : tuple of ReadyClip
        As many as a batch has, or fewer.
    ends : tuple of VideoEnd
        In order.
    fence : object
        What the network's stream has to wait for (`transfer.wait_for`).
    """

    clips: tuple[ReadyClip, ...]
    ends: tuple[VideoEnd, ...]
    fence: Any = None


class ClipCutter:
    """Prepare frames and cut clips of the videos that a pool decodes.

    Memory is bounded: a frame is forgotten with the last clip that needs it.

    Parameters
    ----------
    backbone : Backbone
        Prepares frames.
    views : tuple of View
        Crops and mirror images of every clip.
    meter : Meter
        Notes the stage ``prepare``.
    """

    def __init__(self, backbone: Backbone, views: tuple[View, ...], meter: Meter) -> None:
        self._backbone = backbone
        self._views = views
        self._meter = meter
        self._upload = Upload(backbone.device, meter)

    def clips(self, pool: DecoderPool, stream: VideoStream) -> Iterator[ReadyClip | VideoEnd]:
        """Yield a video's clips in time order as their frames come, then its end."""
        wanted: tuple[ClipRequest, ...] = ()
        floors: list[int] = []
        frames = cut = 0
        notice: str | None = None
        table: dict[int, tuple[Tensor, ...]] = {}
        for item in pool.read(stream, self._upload.drain):
            if isinstance(item, VideoHeader):
                wanted, frames, notice = item.clips, item.frames, item.notice
                floors = _floors(wanted)
                continue
            numbers = item.block.numbers
            table.update(zip(numbers, self._prepare(item), strict=True))
            while cut < len(wanted) and max(wanted[cut].numbers) <= numbers[-1]:
                clip = wanted[cut]
                yield ReadyClip(stream.row, clip.start, clip.repeats, [table[n] for n in clip.numbers])
                cut += 1
                floor = floors[cut]
                for number in [number for number in table if number < floor]:
                    del table[number]
        reason = stream.reason
        if reason is None and cut < len(wanted):
            reason = f"gave {frames} frames at first and fewer when decoded again"
        yield VideoEnd(stream.row, stream.job.id, frames, reason, notice)

    def _prepare(self, loan: Loan) -> Iterator[tuple[Tensor, ...]]:
        """Prepare a block of frames in every view."""
        with self._meter.stage("prepare"), self._upload.beside():
            frames = loan.block.form.read(self._upload.bytes_of(loan))
            views = [self._backbone.prepare_frames(frames, view) for view in self._views]
            self._upload.share(views)
        self._upload.give_back(loan)
        self._upload.sweep()
        self._meter.count("frames", len(loan.block.numbers))
        return zip(*(view.unbind(0) for view in views), strict=True)

    def batches(self, pool: DecoderPool, batch_size: int) -> Iterator[Batch]:
        """Yield batches of clips; none has clips of two groups of videos (`groups_of`)."""
        clips: list[ReadyClip] = []
        ends: list[VideoEnd] = []
        group = None
        for stream in pool:
            if clips and group != group_number(stream.row, batch_size):
                yield Batch(tuple(clips), tuple(ends), self._upload.fence())
                clips, ends = [], []
            group = group_number(stream.row, batch_size)
            for item in self.clips(pool, stream):
                (clips if isinstance(item, ReadyClip) else ends).append(item)  # type: ignore[arg-type]
                if len(clips) == batch_size or not clips:
                    yield Batch(tuple(clips), tuple(ends), self._upload.fence())
                    clips, ends = [], []
        if clips:
            yield Batch(tuple(clips), tuple(ends), self._upload.fence())


def _floors(wanted: Iterable[ClipRequest]) -> list[int]:
    """Lowest frame that each clip or a later one needs; behind the last, a number above all."""
    floors = [1 << 62]
    for clip in reversed(tuple(wanted)):
        floors.append(min(floors[-1], *clip.numbers))
    return floors[::-1]
