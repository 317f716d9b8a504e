"""From batches of clips to the mean activation of each video: float64 sums, on the device."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from p3d_eval.features.clips import Batch, ReadyClip, VideoEnd
from p3d_eval.features.results import ClipResult, Outcome, VideoResult
from p3d_eval.features.transfer import Download

_Key = tuple[int, str] | tuple[int, str, str]  # a video's clips in a layer, or "mean" behind them


@dataclass
class _Video:
    """A video some of whose clips are still to come."""

    starts: list[int] = field(default_factory=list)
    repeats: list[int] = field(default_factory=list)
    sums: dict[str, Tensor] = field(default_factory=dict)

    @property
    def clips(self) -> int:
        return sum(self.repeats)

    def add(self, clips: Sequence[ReadyClip], values: Mapping[str, Tensor]) -> list[int]:
        """Add neighbouring clips; return each one's index among the video's clips, repetitions counted."""
        before = self.clips
        repeats = [clip.repeats for clip in clips]
        for name, tensor in values.items():
            wide = tensor.double()
            if max(repeats) > 1:
                weights = torch.tensor(repeats, dtype=torch.float64).to(tensor.device, non_blocking=True)
                wide = wide * weights.view(-1, *(1,) * (tensor.ndim - 1))
            total = wide.sum(0)
            self.sums[name] = self.sums[name] + total if name in self.sums else total
        self.starts += [clip.start for clip in clips]
        self.repeats += repeats
        return [before + sum(repeats[:index]) for index in range(len(clips))]

    def means(self) -> dict[str, Tensor]:
        return {name: sums / self.clips for name, sums in self.sums.items()}


class Averager:
    """Average activations over the clips of videos that come in batches.

    Parameters
    ----------
    wanted : collection of int
        Rows whose results are wanted; the others are only company in their batches.
    per_clip : bool
        Whether each clip's activations are wanted too.
    """

    def __init__(self, wanted: Collection[int], per_clip: bool) -> None:
        self._wanted = wanted
        self._per_clip = per_clip
        self._videos: dict[int, _Video] = {}

    def add(self, batch: Batch, values: Mapping[str, Tensor]) -> Iterator[Outcome]:
        """Take a batch's activations; return what becomes of it, which waits for the device when iterated.

        Parameters
        ----------
        batch : Batch
            Clips, and the videos that end with it.
        values : mapping of str to Tensor
            Layer → activations, a row for each clip of the batch.
        """
        tensors: dict[_Key, Tensor] = {}
        clips: list[_Placed] = []
        for first, last in _runs(batch.clips):
            row = batch.clips[first].row
            if row not in self._wanted:
                continue
            video = self._videos.setdefault(row, _Video())
            part = {name: tensor[first:last] for name, tensor in values.items()}
            positions = video.add(batch.clips[first:last], part)
            if self._per_clip:
                tensors |= {(row, name): tensor.float() for name, tensor in part.items()}
                clips += map(_Placed, batch.clips[first:last], range(last - first), positions)
        ended = [(end, self._videos.pop(end.row, _Video())) for end in batch.ends if end.row in self._wanted]
        for end, video in ended:
            if end.reason is None:
                tensors |= {(end.row, name, "mean"): tensor for name, tensor in video.means().items()}
        return _outcomes(clips, ended, Download(tensors))


@dataclass(frozen=True)
class _Placed:
    """A clip, its index among its video's in the batch, and its index in the video."""

    clip: ReadyClip
    index: int
    position: int


def _runs(clips: Sequence[ReadyClip]) -> Iterator[tuple[int, int]]:
    """Find the clips of one video in a batch: they are neighbours."""
    first = 0
    for index in range(1, len(clips) + 1):
        if index == len(clips) or clips[index].row != clips[first].row:
            yield first, index
            first = index


def _outcomes(
    clips: Iterable[_Placed], ended: Iterable[tuple[VideoEnd, _Video]], download: Download
) -> Iterator[Outcome]:
    arrays = download.arrays()
    for placed in clips:
        row = placed.clip.row
        values = {
            key[1]: array[placed.index] for key, array in arrays.items() if key[0] == row and len(key) == 2
        }
        yield ClipResult(row, placed.position, placed.clip.repeats, values)
    for end, video in ended:
        if end.reason is not None:
            yield VideoResult(end.row, end.id, reason=end.reason)
            continue
        means = {name: arrays[end.row, name, "mean"] for name in video.sums}
        starts = np.repeat(np.array(video.starts, np.int64), video.repeats)
        yield VideoResult(end.row, end.id, frames=end.frames, starts=starts, means=means, notice=end.notice)
