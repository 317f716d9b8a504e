"""Ctrl-C where Python would ignore it."""

import gc
import os
import signal
import weakref

import pytest

from p3d_eval.features.interruption import heed_interrupts


class _Thing:
    pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_inside_a_weak_reference_s_callback_counts_at_the_next_check():
    thing = _Thing()
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))
    with heed_interrupts() as check:
        check()
        del thing  # the callback's KeyboardInterrupt is printed and ignored by Python
        gc.collect()
        with pytest.raises(KeyboardInterrupt):
            check()
    assert reference() is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_handler_stays_in_charge():
    def mine(_number, _frame):
        pass

    before = signal.signal(signal.SIGINT, mine)
    try:
        with heed_interrupts() as check:
            assert signal.getsignal(signal.SIGINT) is mine
            os.kill(os.getpid(), signal.SIGINT)
            check()
    finally:
        signal.signal(signal.SIGINT, before)
