"""One clip of a video as a network sees it: the frames, the tensor, and what the tensor's numbers mean."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from p3d_eval.backbones.backbone import Backbone
from p3d_eval.backbones.input_changes import describe_changes
from p3d_eval.backbones.preprocessing import resized_size
from p3d_eval.backbones.spec import InputSpec
from p3d_eval.backbones.views import CENTRE
from p3d_eval.errors import UserError
from p3d_eval.features.decode import read_video
from p3d_eval.features.decode_error import DecodeError
from p3d_eval.features.requests import Frame, VideoHeader
from p3d_eval.features.sampling import Sampling

_WHITE = 255.0
# Fields of an input specification that give the numbers their meaning.
_NUMBERS = ("mean", "std", "value_range", "channel_order")


@dataclass(frozen=True)
class Preview:
    """A clip on its way into a network.

    Parameters
    ----------
    video : Path
        Where it is from.
    numbers : tuple of int
        Numbers of its frames in the video.
    frames : ndarray of uint8, shape (T, H, W, 3)
        As decoded, RGB.
    box : tuple of float
        What the network sees of a frame: top, left, bottom, right, in pixels of ``frames``.
    seen : ndarray of float32, shape (C, T, h, w)
        The network's input.
    own, used : InputSpec
        What the network says of itself, and how the input was made.
    changes : mapping
        Field → ``own`` and ``used`` value, where the input is not the network's own.
    """

    video: Path
    numbers: tuple[int, ...]
    frames: NDArray[np.uint8]
    box: tuple[float, float, float, float]
    seen: NDArray[np.float32]
    own: InputSpec
    used: InputSpec
    changes: Mapping[str, Mapping[str, Any]]

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the input's channels in its order, ``R``, ``G`` and ``B``."""
        return tuple(self.used.channel_order)

    @property
    def formula(self) -> str:
        """How a byte v became a number."""
        low, high = self.used.value_range
        scaled = "v" if (low, high) == (0, _WHITE) else f"v · {(high - low) / _WHITE:.5g}"
        shift = f" {'+' if low > 0 else '−'} {abs(low):g}" if low else ""
        mean, std = (" ".join(f"{one:g}" for one in values) for values in (self.used.mean, self.used.std))
        return f"({scaled}{shift} − [{mean}]) / [{std}]"

    def meant(self) -> NDArray[np.uint8]:
        """Pictures that the input's numbers stand for to the network itself: its own specification undone.

        Where the input was made otherwise, the pictures are wrong as the network finds them wrong.

        Returns
        -------
        ndarray of uint8, shape (T, h, w, 3)
            RGB; values outside of 0 … 255 are cut.
        """
        pictures = np.moveaxis(self._undone(), 0, -1)
        return _as_bytes(pictures[..., ::-1] if self.own.channel_order == "BGR" else pictures)

    def outside(self) -> float:
        """Part of the input's numbers that no byte gives by the network's own specification."""
        pixels = self._undone().round()
        return float(((pixels < 0) | (pixels > _WHITE)).mean())

    def _undone(self) -> NDArray[np.float32]:
        low, high = self.own.value_range
        mean, std = (np.array(one, np.float32)[:, None, None, None] for one in (self.own.mean, self.own.std))
        return np.asarray((self.seen * std + mean - low) * (_WHITE / (high - low)), np.float32)

    def raw(self) -> NDArray[np.uint8]:
        """Draw the numbers themselves: channels 0, 1, 2 as red, green, blue; the least is black.

        Returns
        -------
        ndarray of uint8, shape (T, h, w, 3)
        """
        low, high = float(self.seen.min()), float(self.seen.max())
        return _as_bytes(np.moveaxis(self.seen - low, 0, -1) * (_WHITE / ((high - low) or 1.0)))

    def statistics(self) -> dict[str, dict[str, float]]:
        """Channel → its least, mean and largest value and its standard deviation over the clip."""
        return {
            f"{number} ({name})": {
                "min": float(values.min()),
                "mean": float(values.mean(dtype=np.float64)),
                "max": float(values.max()),
                "std": float(values.std(dtype=np.float64)),
            }
            for number, (name, values) in enumerate(zip(self.channels, self.seen, strict=True))
        }


def _as_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(values.round().clip(0, _WHITE), np.uint8)


def preview_clip(backbone: Backbone, video: Path, clips: int = 1, clip: int = 1) -> Preview:
    """Prepare one clip of a video for a network as extraction does.

    Parameters
    ----------
    backbone : Backbone
        Its input specification is used; the network does not run.
    video : Path
        A file, or a folder of numbered images.
    clips, clip : int
        Which clip: the ``clip``-th, from 1, of so many that are spread evenly; by default the middle one.

    Raises
    ------
    UserError
        When the video cannot be decoded, there is no such clip, or the network takes optical flow.
    """
    spec = backbone.input_spec
    if spec.channel_order == "flow":
        raise UserError(f"{backbone.name} takes optical flow, and videos are decoded to RGB frames")
    if not 1 <= clip <= clips:
        raise UserError(f"clip {clip} of {clips}", "Count clips from 1")
    if not video.exists():
        raise UserError(f"{video}: no such file or folder")
    sampling = Sampling(spec.clip_length, clips=clips, frame_stride=spec.frame_stride)
    try:
        numbers, frames = _read(video, sampling, clip - 1)
    except DecodeError as error:
        raise UserError(
            f"{video}: {error}", "p3d-eval check-videos tells more about a folder of videos"
        ) from error
    if backbone.network.centre:  # it looks at no other frame
        middle = len(numbers) // 2
        numbers, frames = numbers[middle : middle + 1], frames[middle : middle + 1]
    seen = backbone.preprocess(torch.from_numpy(frames)[None])[0].cpu().numpy()
    unstated = backbone.network.unstated
    said = {name: getattr(spec, name) for name in _NUMBERS if name in unstated}
    return Preview(
        video,
        numbers,
        frames,
        _box(frames.shape[1:3], spec),
        seen,
        replace(backbone.own_input, **said),
        spec,
        describe_changes(backbone.own_input, spec, unstated),
    )


def _read(video: Path, sampling: Sampling, place: int) -> tuple[tuple[int, ...], NDArray[np.uint8]]:
    stream = read_video(video, video.stem, sampling)
    wanted: tuple[int, ...] = ()
    images: dict[int, NDArray[np.uint8]] = {}
    for item in stream:
        if isinstance(item, VideoHeader):
            starts = [request for request in item.clips for _ in range(request.repeats)]
            wanted = starts[place].numbers
        elif isinstance(item, Frame) and item.number in wanted:
            images[item.number] = np.asarray(item.image)
    return wanted, np.stack([images[number] for number in wanted])


def _box(size: tuple[int, ...], spec: InputSpec) -> tuple[float, float, float, float]:
    """Borders of the centre crop in pixels of the decoded frame."""
    height, width = size
    resized = resized_size(spec, height, width)
    top, left = CENTRE.corner(resized, spec.crop)
    down, across = height / resized[0], width / resized[1]
    return top * down, left * across, (top + spec.crop[0]) * down, (left + spec.crop[1]) * across
