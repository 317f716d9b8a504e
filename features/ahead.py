"""Working ahead: an iterator that runs in a thread of its own and waits when enough lies ready."""

import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from p3d_eval.features.meter import Meter

_POLL_SECONDS = 0.2

Item = TypeVar("Item")


class Ahead(Generic[Item]):
    """Run an iterator in a thread; its items, or its exception, come out here in order.

    Parameters
    ----------
    source : iterator
        Runs in the thread.
    depth : int
        Items that may lie ready.
    meter : Meter
        Notes the time that the thread waits for room as ``room``, and this side for items as ``idle``.
    room, idle : str
        Names of these stages.
    stop : callable
        Called with `stop`, so that a source that waits for something else gives up.
    """

    def __init__(
        self,
        source: Iterator[Item],
        depth: int,
        meter: Meter,
        room: str,
        idle: str,
        stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._queue: queue.Queue[Any] = queue.Queue(depth)
        self._meter = meter
        self._room = room
        self._idle = idle
        self._stop = stop
        self._stopped = threading.Event()
        self._error: BaseException | None = None
        self._end = object()
        self._thread = threading.Thread(target=self._work, name=f"ahead-{room}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        """Let both sides give up soon, from any thread."""
        self._stopped.set()
        self._stop()

    def __iter__(self) -> Iterator[Item]:
        while (item := self._get()) is not self._end:
            yield item
        if self._error is not None and not self._stopped.is_set():
            raise self._error

    def _get(self) -> Any:
        with self._meter.stage(self._idle):
            while not self._stopped.is_set():
                try:
                    return self._queue.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
        return self._end

    def _work(self) -> None:
        try:
            for item in self._source:
                if not self._put(item):
                    break
        except BaseException as error:  # noqa: BLE001  (raised by the side that takes the items)
            self._error = error
        finally:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()
            self._put(self._end)

    def _put(self, item: Any) -> bool:
        """Queue an item; False when nobody wants it any more."""
        with self._meter.stage(self._room):
            while not self._stopped.is_set():
                try:
                    self._queue.put(item, timeout=_POLL_SECONDS)
                except queue.Full:
                    continue
                return True
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()
