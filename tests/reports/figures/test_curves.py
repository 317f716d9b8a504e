"""ROC curves and curves of precision against recall, against scikit-learn and brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.protocols.metrics import activitynet_average_precision
from p3d_eval.reports.figures.curves import RECALLS, interpolated, precision_recall_figure, roc_figure
from tests.support.figures import class_result, labelled, pair_result


def test_the_roc_curve_is_scikit_learns():
    result = pair_result()
    (curve,) = roc_figure(labelled(result)).series
    scores = result.scores
    away, right, _ = roc_curve(scores.labels, scores.scores, drop_intermediate=False)
    # Points on straight lines are left out, so the curves are compared where scikit-learn has a point.
    np.testing.assert_allclose(
        np.trapezoid(curve.y, curve.x) / 1e4, roc_auc_score(scores.labels, scores.scores)
    )
    assert {(round(100 * x, 9), round(100 * y, 9)) for x, y in zip(away, right, strict=True)} >= {
        (round(x, 9), round(y, 9)) for x, y in zip(curve.x, curve.y, strict=True)
    }
    assert len(curve.x) < len(away)
    assert curve.facts["AUC (%)"] == pytest.approx(100 * roc_auc_score(scores.labels, scores.scores))
    assert curve.facts["pairs"] == 60


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=30))
def test_interpolated_precision_is_the_best_at_any_larger_recall(drawn):
    scores = np.array([float(value) for value, _ in drawn])
    positive = np.array([shown for _, shown in drawn])
    if not positive.any():
        return
    order = sorted(range(len(drawn)), key=lambda row: (-scores[row], -row))
    points = [
        (sum(positive[order[:cut]]) / positive.sum(), sum(positive[order[:cut]]) / cut)
        for cut in range(1, len(drawn) + 1)
    ]
    found = interpolated(scores, positive)
    for step in (0, 1, 333, 500, RECALLS):
        needed = max(step / RECALLS, 1e-9)
        assert found[step] == max(precision for recall, precision in points if recall >= needed - 1e-12)


def test_the_area_under_a_curve_is_the_average_precision():
    result = class_result()
    scores = result.scores
    shown = scores.labels[:, None] == np.arange(4)
    exact = activitynet_average_precision(scores.scores, shown)
    figure = precision_recall_figure(labelled(result), ["archery", "yo_yo"])
    for curve, value in zip(figure.series, exact[[0, 3]], strict=True):
        # A step of recall is 1/1000, and each of the 10 steps down is off by one of them at most.
        assert np.mean(curve.y[1:]) == pytest.approx(100 * value, abs=100 * 10 / RECALLS)
        assert curve.facts["AP (%)"] == pytest.approx(100 * value)
    (mean,) = precision_recall_figure(labelled(result)).series
    assert mean.facts["mAP (%)"] == pytest.approx(100 * exact.mean())


def test_recall_that_is_never_reached_has_precision_0():
    found = interpolated(np.array([1.0, -np.inf]), np.array([True, True]))
    assert found[RECALLS // 2] == 1
    assert found[RECALLS // 2 + 1] == 0


def test_pairs_have_one_curve_of_precision():
    (curve,) = precision_recall_figure(labelled(pair_result())).series
    assert "AP (%)" in curve.facts


def test_wrong_results_and_classes_are_named():
    with pytest.raises(UserError, match="a ROC curve is drawn of pairs"):
        roc_figure(labelled(class_result()))
    with pytest.raises(UserError, match="carries no scores"):
        roc_figure(labelled(pair_result(scores=None)))
    with pytest.raises(UnknownNameError, match="unknown class of .* 'archary'") as caught:
        precision_recall_figure(labelled(class_result()), ["archary"])
    assert "Did you mean archery?" in caught.value.hint
    with pytest.raises(UserError, match="is of aslan 1 and .* of ucf101 1"):
        roc_figure(labelled(pair_result(), class_result()))
    with pytest.raises(UserError, match="no results to draw"):
        roc_figure([])
