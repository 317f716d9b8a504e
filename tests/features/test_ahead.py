"""Iterators that run in threads of their own: order, back-pressure, errors, and stopping."""

import threading
import time

import pytest

from p3d_eval.features.ahead import Ahead
from p3d_eval.features.meter import ELAPSED, Meter


def _threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("ahead-")]


def test_items_come_in_order_and_no_more_than_the_depth_lie_ready():
    made = []

    def source():
        for number in range(20):
            made.append(number)
            yield number

    with Ahead(source(), 3, Meter(), "room", "idle") as items:
        for taken, item in enumerate(items):
            assert item == taken
            time.sleep(0.002)
            assert len(made) <= taken + 1 + 3 + 1  # taken, ready, and one in hand
    assert made == list(range(20))
    assert not _threads()


def test_an_error_comes_out_behind_the_items_before_it():
    def source():
        yield 1
        raise LookupError("what")

    found = []
    with pytest.raises(LookupError, match="what"), Ahead(source(), 3, Meter(), "room", "idle") as items:
        found += iter(items)
    assert not _threads()


def test_two_in_a_row_stop_while_the_first_waits_for_ever():
    released = threading.Event()
    closed = []

    def waiting():
        try:
            yield 1
            released.wait()
        finally:
            closed.append(True)

    meter = Meter()
    began = time.monotonic()
    with (
        Ahead(waiting(), 1, meter, "one", "idle", released.set) as first,
        Ahead((item for item in first), 1, meter, "two", "idle", first.stop) as second,
    ):
        assert next(iter(second)) == 1
    assert time.monotonic() - began < 5
    assert closed == [True]
    assert not _threads()


def test_waiting_is_noted_on_both_sides():
    def slow():
        for number in range(3):
            time.sleep(0.05)
            yield number

    meter = Meter(workers=2)
    with Ahead(slow(), 1, meter, "room", "idle") as items:
        assert list(items) == [0, 1, 2]
    usage = meter.take()
    assert 0.1 < usage.seconds["idle"] <= usage.seconds[ELAPSED]
    meter = Meter()
    with Ahead(iter(range(3)), 1, meter, "room", "idle") as items:
        for _ in items:
            time.sleep(0.05)
    assert meter.take().seconds["room"] > 0.05
