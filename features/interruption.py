"""Ctrl-C that is not lost: Python ignores exceptions inside the callbacks of weak references."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def heed_interrupts() -> Iterator[Callable[[], None]]:
    """Note Ctrl-C as well as raise it; yield a function that raises KeyboardInterrupt when it was pressed.

    Does nothing outside the main thread, or where somebody else handles the signal.
    """
    usual = signal.default_int_handler
    in_charge = (
        threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is usual
    )
    pressed = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        pressed.set()
        raise KeyboardInterrupt

    def check() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    if in_charge:
        signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        if in_charge:
            signal.signal(signal.SIGINT, usual)
