"""Videos in order through several decoders: jobs ahead, time limits, crashes."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from p3d_eval.features.blocks import Block, Bug, End, Job, Refusal
from p3d_eval.features.decoders import Decoder, borrow_decoder, return_decoder
from p3d_eval.features.meter import Meter
from p3d_eval.features.requests import VideoHeader

DEFAULT_TIMEOUT = 60.0  # seconds without a decoded frame: slow disks and long seeks stay far below
_POLL_SECONDS = 0.2
_JOBS_AHEAD = 2  # of a decoder: the one it works at, and one so that it need not wait for us
_ATTEMPTS = 2  # a video whose decoder crashed is tried once more, alone in a new process


class StoppedError(Exception):
    """The run is over before the videos are; whoever waits for one gets this."""


@dataclass(frozen=True)
class Loan:
    """Frames in a decoder's shared memory, until `release`."""

    block: Block
    frames: NDArray[np.uint8]  # a row of bytes for each frame
    decoder: Decoder

    def release(self) -> None:
        """Let the decoder write over the frames."""
        if not self.decoder.ended:
            self.decoder.release(self.block)


class VideoStream:
    """A video on its way: iterate over its `VideoHeader` and blocks, then ask for ``reason``.

    Parameters
    ----------
    row : int
        Its place in the file's order.
    job : Job
        What was asked for.
    """

    def __init__(self, row: int, job: Job) -> None:
        self.row = row
        self.job = job
        self.header: VideoHeader | None = None
        self.reason: str | None = None
        self.items: deque[VideoHeader | Loan] = deque()
        self.ended = False
        self.last = -1  # number of the last frame that came
        self.attempts = 0

    def end(self, reason: str | None = None) -> None:
        """Note that nothing more comes."""
        self.reason = reason
        self.ended = True


class _Seat:
    """A decoder's place: the decoder may be replaced, its videos stay."""

    def __init__(self) -> None:
        self.decoder: Decoder | None = None
        self.streams: deque[VideoStream] = deque()
        self.sent = 0  # how many of the streams the decoder knows of
        self.pulse = -1
        self.silent = 0.0  # seconds without a sign of life


class DecoderPool:
    """Decode videos side by side and hand them out in order.

    Every decoder works ahead until its shared memory is full. A decoder that gives no frame for
    ``timeout`` seconds is ended, and its video has a reason; one that crashes is replaced, and its video
    is tried once more, alone in the new process.

    Parameters
    ----------
    videos : iterator of (int, Job)
        Row and what to decode in the order to hand out; taken only as decoders become free.
    workers : int
        Decoding processes; 0 is one thread in this process, without a time limit or protection from
        crashes.
    timeout : float
        Seconds; 0 is no limit.
    meter : Meter
        Where the decoders' seconds are noted.
    """

    def __init__(self, videos: Iterator[tuple[int, Job]], workers: int, timeout: float, meter: Meter) -> None:
        self._videos = videos
        self._processes = workers > 0
        self._timeout = timeout if self._processes else 0.0
        self._meter = meter
        self._seats: list[_Seat] = [_Seat() for _ in range(max(1, workers))]
        self._order: deque[VideoStream] = deque()
        self._more = True
        self._polled = time.monotonic()
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let whoever waits for a video give up; from any thread."""
        self._stopped.set()

    def __enter__(self) -> Self:
        return self

    def __iter__(self) -> Iterator[VideoStream]:
        """Yield the videos in order; each is to be read (`read`) to its end before the next."""
        self._assign()
        while self._order:
            yield self._order[0]
            self._order.popleft()
            self._assign()

    def read(
        self, stream: VideoStream, before_waiting: Callable[[], None] = lambda: None
    ) -> Iterator[VideoHeader | Loan]:
        """Yield a video's header, then its blocks; the header is missing when the file cannot be read.

        Parameters
        ----------
        stream : VideoStream
            The first of those that are left.
        before_waiting : callable
            Called when nothing has come: returns loans that the decoder may wait for.

        Raises
        ------
        RuntimeError
            When a decoder met a bug.
        UserError
            When no decoder can do what is asked.
        """
        while True:
            while stream.items:
                yield stream.items.popleft()
            if stream.ended:
                return
            before_waiting()
            self.poll(_POLL_SECONDS)

    def poll(self, seconds: float = 0.0) -> None:
        """Take what the decoders have sent, waiting for it; replace those that ended or hang.

        Raises
        ------
        StoppedError
            When `stop` was called.
        """
        if self._stopped.is_set():
            raise StoppedError
        seats = [(seat, seat.decoder) for seat in self._seats if seat.decoder is not None]
        ready = wait([decoder.connection for _, decoder in seats], seconds)
        now = time.monotonic()
        # Time in which nobody looked is not the decoder's silence.
        passed = min(now - self._polled, 2 * _POLL_SECONDS)
        self._polled = now
        for seat, decoder in seats:
            self._listen(seat, decoder, decoder.connection in ready, passed)
        self._assign()

    def _assign(self) -> None:
        """Give every decoder something to do, and one video more."""
        for depth in range(1, _JOBS_AHEAD + 1):
            for seat in self._seats:
                if len(seat.streams) < depth and self._more:
                    following = next(self._videos, None)
                    if following is None:
                        self._more = False
                        break
                    stream = VideoStream(*following)
                    seat.streams.append(stream)
                    self._order.append(stream)
        for seat in self._seats:
            self._send(seat)

    def _send(self, seat: _Seat) -> None:
        """Tell the decoder of the videos that it does not know of; one that crashed goes alone."""
        while seat.sent < len(seat.streams):
            stream = seat.streams[seat.sent]
            if seat.sent and (stream.attempts or seat.streams[0].attempts):
                return
            if seat.decoder is None:
                seat.decoder = borrow_decoder() if self._processes else Decoder(process=False)
                seat.pulse, seat.silent = -1, 0.0
            seat.decoder.send(replace(stream.job, after=stream.last))
            seat.sent += 1

    def _listen(self, seat: _Seat, decoder: Decoder, ready: bool, passed: float) -> None:
        if ready:
            decoder.receive()
        self._take(seat, decoder)
        if decoder.ended:
            self._replace(seat, decoder)
        elif self._hangs(seat, decoder, ready, passed):
            decoder.close()
            if not decoder.ready:
                raise RuntimeError(f"a decoding process did not start within {seat.silent:.0f} s")
            seat.streams.popleft().end(f"no frame for {self._timeout:g} s: given up (--video-timeout)")
            seat.decoder, seat.sent = None, 0

    def _take(self, seat: _Seat, decoder: Decoder) -> None:
        """Sort the decoder's messages into its videos."""
        while decoder.inbox:
            message = decoder.inbox.popleft()
            stream = seat.streams[0]
            if isinstance(message, Refusal):
                raise message.error
            if isinstance(message, Bug):
                error = RuntimeError(f"decoding {stream.job.id}: {message.error}")
                error.add_note(f"In the decoder:\n{message.trace}")
                raise error
            if isinstance(message, End):
                self._meter.add(message.seconds)
                seat.streams.popleft().end(stream.reason or message.reason)
                seat.sent -= 1
            elif isinstance(message, VideoHeader):
                if stream.header is None:
                    stream.header = message
                    stream.items.append(message)
                elif stream.header != message:
                    stream.reason = "gave other frames when decoded again after a crash of the decoder"
            elif isinstance(message, Block):
                stream.last = message.numbers[-1]
                stream.items.append(Loan(message, decoder.frames(message), decoder))

    def _replace(self, seat: _Seat, decoder: Decoder) -> None:
        """Start afresh after a crash."""
        words = decoder.last_words()
        decoder.close()
        seat.decoder, seat.sent = None, 0
        if not decoder.ready:
            raise RuntimeError(f"a decoding process could not start: {words}")
        if not seat.streams:
            return
        stream = seat.streams[0]
        stream.attempts += 1
        if stream.attempts >= _ATTEMPTS:
            seat.streams.popleft().end(f"crashed its decoder twice ({words})")

    def _hangs(self, seat: _Seat, decoder: Decoder, spoke: bool, passed: float) -> bool:
        pulse = decoder.arena.pulse
        # A decoder with frames on loan may wait for us.
        alive = spoke or pulse != seat.pulse or decoder.on_loan > 0 or not seat.sent
        seat.pulse = pulse
        seat.silent = 0.0 if alive else seat.silent + passed
        limit = self._timeout if decoder.ready else max(self._timeout, DEFAULT_TIMEOUT)
        return self._timeout > 0 and seat.silent > limit

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for seat in self._seats:
            decoder, seat.decoder = seat.decoder, None
            if decoder is None:
                continue
            unused = self._processes and not (seat.streams or decoder.on_loan or decoder.ended)
            if unused and not decoder.connection.poll():
                return_decoder(decoder)
            else:
                decoder.close()
