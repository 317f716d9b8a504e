"""Real encoded videos whose frames carry their own number, so that a decoded frame can be identified."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

BITS = 8
HEIGHT, WIDTH = 32, 64
_DARK, _LIGHT = 40, 215


def numbered_frame(number: int, height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """A frame whose eight vertical bars are the bits of ``number``, the lowest at the left."""
    bits = (number >> np.arange(BITS)) & 1
    row = np.where(np.repeat(bits, width // BITS), _LIGHT, _DARK).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (height, row.size, 3)).copy()


def read_number(frame: NDArray[np.uint8]) -> int:
    """The number in a decoded frame; bars are wide enough to survive lossy codecs."""
    means = frame.reshape(frame.shape[0], BITS, -1).mean(axis=(0, 2))
    return int(((means > (_DARK + _LIGHT) / 2) << np.arange(BITS)).sum())


def has_encoder(codec: str) -> bool:
    """Whether this build of FFmpeg can encode with ``codec``."""
    try:
        av.codec.Codec(codec, "w")
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def moving_frames(count: int, height: int = 48, width: int = 64) -> Iterator[NDArray[np.uint8]]:
    """Noise that moves and brightens: no frame is like another, and prediction pays."""
    noise = np.random.default_rng(0).integers(0, 128, (height, width, 3), dtype=np.uint8)
    for number in range(count):
        yield np.roll(noise, (2 * number, number), (0, 1)) + np.uint8(number % 100)


def make_video(
    path: Path,
    frames: int | Iterable[NDArray[np.uint8]],
    codec: str = "mpeg4",
    rate: int = 25,
    pix_fmt: str = "yuv420p",
    **options: str,
) -> Path:
    """Encode frames (or so many numbered ones); the container follows from the file's extension."""
    images = [numbered_frame(number) for number in range(frames)] if isinstance(frames, int) else list(frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(rate), options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.bit_rate = 2_000_000
        stream.codec_context.thread_count = 1  # the same bytes whatever the number of cores
        for image in images:
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def make_long_video(path: Path, period: list[NDArray[np.uint8]], times: int, rate: int = 25) -> Path:
    """Encode frames once and write their packets ``times`` times: long videos without long encoding."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = period[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.max_b_frames = 0
        stream.codec_context.gop_size = len(period)
        frames = [av.VideoFrame.from_ndarray(image, format="rgb24") for image in period]
        packets = [packet for frame in [*frames, None] for packet in stream.encode(frame)]
        contents = [(bytes(packet), packet.is_keyframe) for packet in packets]
        for number in range(times * len(contents)):
            content, key = contents[number % len(contents)]
            packet = av.Packet(content)
            packet.stream, packet.is_keyframe = stream, key
            packet.pts = packet.dts = number
            packet.time_base = Fraction(1, rate)
            container.mux(packet)
    return path
