"""Decoding ahead of the network: threads fill a bounded queue for each of the next videos."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from p3d_eval.features.decode import DecodeError, read_clips
from p3d_eval.features.ids import VideoFile
from p3d_eval.features.sampling import Sampling

_BUFFER_BYTES = 512 << 20  # prepared clips waiting for the network, all videos together
_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class PreparedClip:
    """One clip ready for the network (a float32 tensor C × T × h × w), and how often sampling repeats it."""

    start: int
    repeats: int
    input: Any


@dataclass(frozen=True)
class _End:
    """Last thing in a video's queue: its decoded frames, or why there are no features, or a bug."""

    frames: int = 0
    reason: str | None = None
    error: BaseException | None = None


class DecodedVideo:
    """A video on its way: iterate over its clips, then ask for ``frames`` and ``reason``."""

    def __init__(self, row: int, video: VideoFile, depth: int, group: int = 0) -> None:
        self.row = row
        self.group = group
        self.video = video
        self.queue: queue.Queue[PreparedClip | _End] = queue.Queue(depth)
        self.frames = 0
        self.reason: str | None = None

    def __iter__(self) -> Iterator[PreparedClip]:
        while not isinstance(item := self.queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
        self.frames, self.reason = item.frames, item.reason


class Prefetcher:
    """Decode and prepare videos in worker threads; hand them out in order.

    PyAV, the colour conversion and torch release Python's lock, so threads do the work of processes
    without copying clips between them. Memory is bounded: ``workers`` videos and one more are open at a
    time, each with a queue of limited depth.

    Parameters
    ----------
    videos : sequence of (int, int, VideoFile)
        Row in the file, group and video, in the order to hand them out.
    sampling : Sampling
        Which clips.
    prepare : callable
        uint8 frames T × H × W × 3 (ndarray) → the network's input for one clip.
    workers : int
        Threads.
    clip_bytes : int
        Size of a prepared clip, to bound the queues.
    """

    def __init__(
        self,
        videos: Sequence[tuple[int, int, VideoFile]],
        sampling: Sampling,
        prepare: Callable[[Any], Any],
        workers: int,
        clip_bytes: int,
    ) -> None:
        ahead = workers + 1
        depth = max(1, _BUFFER_BYTES // (ahead * max(1, clip_bytes)))
        self._sampling = sampling
        self._prepare = prepare
        self._waiting = deque(DecodedVideo(row, video, depth, group) for row, group, video in videos)
        self._order = list(self._waiting)
        self._slots = threading.Semaphore(ahead)
        self._next = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"decode-{number}", daemon=True)
            for number in range(workers)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __iter__(self) -> Iterator[DecodedVideo]:
        self._order.reverse()
        while self._order:
            yield self._order.pop()
            self._slots.release()

    def _take(self) -> DecodedVideo | None:
        """Take the next video once there is room for one more; slot and video together, so order holds."""
        with self._next:
            while self._waiting and not self._stop.is_set():
                if self._slots.acquire(timeout=_POLL_SECONDS):
                    return self._waiting.popleft()
            return None

    def _put(self, video: DecodedVideo, item: PreparedClip | _End) -> bool:
        """Queue an item; False when the run was stopped meanwhile."""
        while not self._stop.is_set():
            try:
                video.queue.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def _work(self) -> None:
        while (video := self._take()) is not None:
            try:
                end = self._decode(video)
            except DecodeError as error:
                end = _End(reason=str(error))
            except BaseException as error:  # noqa: BLE001  (raised again by the thread that runs the network)
                end = _End(error=error)
            self._put(video, end)

    def _decode(self, video: DecodedVideo) -> _End:
        counted: list[int] = []
        clips = read_clips(video.video.path, video.video.id, self._sampling, counted.append, self._stop)
        for clip in clips:
            prepared = PreparedClip(clip.start, clip.repeats, self._prepare(clip.frames))
            if not self._put(video, prepared):
                break
        return _End(frames=counted[0] if counted else 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
