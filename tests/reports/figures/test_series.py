"""Sweeps, bars of classes, accuracy against cost: the right numbers, and refusals."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.result import Coverage, Metric
from p3d_eval.reports.figures.per_class import per_class_figure
from p3d_eval.reports.figures.sweep import sweep_figure
from p3d_eval.reports.figures.trade_off import FRONT, _Point, pareto_front, trade_off_figure
from tests.support.figures import CLASSES, class_result, labelled, pair_result, profile_result
from tests.support.results import ucf101_result


def test_a_sweep_goes_from_few_dimensions_to_many_in_percent():
    figure = sweep_figure(labelled(class_result(), class_result("c3d")))
    first, second = figure.series
    assert (first.name, second.name) == ("p3d199", "c3d")
    assert first.x == (10, 100, 500)
    assert first.y == pytest.approx((1, 10, 50))
    assert first.low == pytest.approx((0.5, 5, 25))
    assert first.facts["without PCA"] == 100 * class_result().metrics["accuracy"].value
    assert figure.sources["c3d"] == class_result("c3d").result_id


def test_a_result_without_sweep_or_metric_is_named():
    with pytest.raises(UserError, match="'p3d199' has no sweep") as caught:
        sweep_figure(labelled(ucf101_result()))
    assert caught.value.hint == "Run p3d-eval ucf101 again with --pca sweep"
    with pytest.raises(UnknownNameError, match="'acuracy'"):
        sweep_figure(labelled(class_result()), "acuracy")


def _by_class(**values):
    return {name: Metric(value, reason=None if value is not None else "none") for name, value in values.items()}


def test_classes_stand_in_the_order_of_the_difference():
    one = class_result("a", per_class=_by_class(x=0.5, y=0.2, z=0.9, w=None))
    two = class_result("b", per_class=_by_class(x=0.6, y=0.9, z=0.1, w=0.3))
    figure = per_class_figure(labelled(one, two))
    assert figure.series[0].classes == ("z", "x", "y")
    assert figure.series[1].y == pytest.approx((10, 60, 90))
    assert figure.facts["classes left out"] == 1
    most = per_class_figure(labelled(one, two), most=2)
    assert most.series[0].classes == ("z", "y")
    assert most.series[0].facts["mean of all classes"] == pytest.approx(160 / 3)
    assert "Not shown: 2 classes." in most.notes


def test_of_one_result_the_lowest_classes_are_kept():
    figure = per_class_figure(labelled(class_result(per_class=_by_class(x=0.5, y=0.2, z=0.9))), most=1)
    assert figure.series[0].classes == ("y",)


def test_results_without_classes_or_without_common_ones_are_refused():
    with pytest.raises(UserError, match="protocol aslan gives no values of single classes"):
        per_class_figure(labelled(pair_result()))
    with pytest.raises(UserError, match="have no class in common"):
        per_class_figure(labelled(class_result(), class_result("c3d", classes=tuple("abcd"))))
    with pytest.raises(UserError, match="0 classes to show"):
        per_class_figure(labelled(class_result()), most=0)


def test_what_a_reader_must_know_stands_below():
    incomplete = class_result("c3d", coverage=Coverage(40, 38, ("u", "v"), "wrong"))
    loose = class_result("i3d", certificates=ucf101_result(gap=1e-3).certificates)
    notes = per_class_figure(labelled(incomplete, loose)).notes
    assert "c3d: 2 of 40 videos missing, counted as wrong." in notes
    assert any(note.startswith("NOT CONVERGED, do not quote: i3d") for note in notes)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8), st.booleans())
def test_the_front_holds_exactly_what_nothing_beats(drawn, more):
    points = [_Point(str(place), float(x), float(y), None, None) for place, (x, y) in enumerate(drawn)]
    front = pareto_front(points, more)

    def beats(a, b):
        cheaper = a.cost >= b.cost if more else a.cost <= b.cost
        return cheaper and a.value >= b.value and (a.cost, a.value) != (b.cost, b.value)

    for point in points:
        assert (point in front) == (not any(beats(other, point) for other in points))
    # Along the front accuracy rises where the cost does, or falls where more of it is better.
    for one, two in itertools.pairwise(dict.fromkeys((p.cost, p.value) for p in front)):
        assert (one[1] > two[1]) == more


def test_profiles_are_joined_by_backbone():
    results = labelled(
        class_result("fast", metrics={"accuracy": Metric(0.6, 0.5, 0.7)}),
        class_result("slow", metrics={"accuracy": Metric(0.9)}),
        class_result("bad", metrics={"accuracy": Metric(0.5)}),
        class_result("other", metrics={"accuracy": Metric(0.99)}),
        profile_result("fast", 100.0),
        profile_result("slow", 10.0),
        profile_result("bad", 50.0),
    )
    figure = trade_off_figure(results)
    points, front = figure.series
    assert points.ids == ("fast", "slow", "bad")
    assert points.x == (100, 10, 50)
    assert points.low == (pytest.approx(50), None, None)
    assert front.name == FRONT
    assert front.ids == ("slow", "fast")
    assert "Not profiled, so not shown: other." in figure.notes
    assert "Measured on Some CPU, 2 threads." in figure.notes
    cheap = trade_off_figure(results, "macs")
    assert cheap.series[1].ids == ("slow",)


@pytest.mark.parametrize("cost", ["model_bytes", "peak_bytes"])
def test_bytes_are_told_in_the_unit_of_the_tables(cost):
    figure = trade_off_figure(
        labelled(class_result("net"), profile_result("net", 1.0, **{cost: 98 * 2**20})), cost
    )
    assert figure.series[0].x == (98,)
    assert figure.x_label.endswith("(MiB)")


def test_speeds_of_several_devices_are_told_apart():
    results = labelled(
        class_result("net"), profile_result("net", 5.0), profile_result("net", 500.0, "cuda (H200)")
    )
    figure = trade_off_figure(results)
    assert figure.series[0].ids == ("net (cpu)", "net (cuda (H200))")
    assert "Speeds of different devices do not compare networks." in figure.notes


def test_what_cannot_be_joined_is_named():
    with pytest.raises(UserError, match="no profile among 1 result\n"):
        trade_off_figure(labelled(class_result()))
    with pytest.raises(UserError, match="no result of a protocol among 1 result\n"):
        trade_off_figure(labelled(profile_result("net", 1.0)))
    with pytest.raises(UserError, match="no network has both") as caught:
        trade_off_figure(labelled(class_result("a"), profile_result("b", 1.0)))
    assert caught.value.hint == "Profiles are of b, results of a"
    with pytest.raises(UserError, match="no network has both"):
        trade_off_figure(labelled(class_result("a"), profile_result("a", None)))
    with pytest.raises(UnknownNameError, match="unknown cost 'speed'"):
        trade_off_figure(labelled(class_result("a"), profile_result("a", 1.0)), "speed")


def test_every_class_of_the_fixture_is_there():
    assert sorted(per_class_figure(labelled(class_result())).series[0].classes) == sorted(CLASSES)


def test_a_profile_of_longer_clips_is_another_networks():
    result, profile = class_result("net"), profile_result("net", 5.0)
    short, long = ({"input_spec": {"clip_length": length, "crop": [112, 112]}} for length in (16, 64))
    same = replace(profile, features=profile.features | short)
    other = replace(profile, features=profile.features | long)
    result = replace(result, features=result.features | short)
    assert trade_off_figure(labelled(result, same)).series[0].ids == ("net",)
    with pytest.raises(UserError, match="no network has both"):
        trade_off_figure(labelled(result, other))
