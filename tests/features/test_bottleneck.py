"""What a profile says: shares of the right whole, and the stage that holds the others up."""

import pytest

from p3d_eval.features.bottleneck import (
    ADVICE,
    bottleneck,
    network_waits,
    profile_lines,
    progress_text,
    stage_seconds,
)
from p3d_eval.features.meter import DECODERS, ELAPSED, Meter, Totals
from p3d_eval.features.results import Usage


def _totals(**seconds):
    totals = Totals()
    totals.add(Usage({ELAPSED: 100.0, DECODERS: 400.0} | seconds, {"clips": 50, "frames": 800}))
    return totals


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"network": 75.0, "average": 10.0, "decode": 390.0}, "network"),  # 85 % busy: decoding is hidden
        ({"network": 30.0, "decode": 200.0, "convert": 150.0, "hand over": 20.0}, "decode"),
        ({"network": 30.0, "decode": 100.0, "prepare": 60.0, "copy": 30.0}, "prepare"),
        ({"network": 30.0, "decode": 100.0, "write": 90.0}, "write"),
        ({"network": 60.0, "decode": 100.0, "write": 10.0}, "network"),
    ],
)
def test_the_stage_that_is_busiest_of_its_own_time_is_named(seconds, expected):
    totals = _totals(**seconds)
    assert bottleneck(totals) == expected
    assert profile_lines(totals)[-1] == f"bottleneck: {expected}; to change: {ADVICE[expected]}"


def test_shares_are_of_the_time_of_those_who_work():
    totals = _totals(decode=100.0, network=40.0, average=10.0)
    assert totals.share("decode", of=DECODERS) == 0.25
    assert network_waits(totals) == 0.5
    lines = profile_lines(totals)
    assert lines[1].split()[:3] == ["decode", "100.00", "25%"]
    assert "network waits 50% of the time" in lines[-2]
    assert "network 50%" in progress_text(totals)
    assert stage_seconds(totals)["network"] == 40.0


def test_setting_up_the_network_is_neither_its_work_nor_waiting():
    totals = _totals(**{"set up": 60.0, "network": 38.0, "average": 0.0, "decode": 10.0})
    assert network_waits(totals) == pytest.approx(0.05)  # 2 of the 40 seconds after it
    assert bottleneck(totals) == "network"
    (line,) = [line for line in profile_lines(totals) if line.startswith("set up")]
    assert line.split()[:4] == ["set", "up", "60.00", "60%"]
    assert stage_seconds(totals)["set up"] == 60.0
    assert bottleneck(_totals(**{"set up": 96.0, "network": 4.0})) == "start"
    assert network_waits(_totals(**{"set up": 100.0})) == 0.0


def test_reports_of_several_processes_add_up():
    totals = Totals()
    for _ in range(2):
        totals.add(Usage({ELAPSED: 10.0, DECODERS: 20.0, "network": 9.0}, {"clips": 4}))
    assert totals.share("network") == 0.9
    assert totals.counts["clips"] == 8


def test_a_short_run_says_nothing():
    assert bottleneck(Totals()) == "start"
    assert network_waits(Totals()) == 0.0
    assert profile_lines(Totals())


def test_usage_is_what_was_noted_since_the_last_one():
    meter = Meter(workers=3)
    meter.add({"decode": 1.5})
    meter.count("frames", 7)
    first, second = meter.take(), meter.take()
    assert (first.seconds["decode"], first.counts) == (1.5, {"frames": 7})
    assert first.seconds[DECODERS] == pytest.approx(3 * first.seconds[ELAPSED])
    assert "decode" not in second.seconds
    assert second.counts == {}
