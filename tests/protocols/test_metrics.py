"""Metrics against scikit-learn, and the ActivityNet measures against the official rules word by word."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score, top_k_accuracy_score

from p3d_eval.errors import UserError
from p3d_eval.protocols.metrics import (
    activitynet_average_precision,
    activitynet_hit_at_k,
    roc_auc,
    top_k_accuracy,
)


@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_against_scikit_learn(k):
    generator = np.random.default_rng(k)
    scores, labels = generator.normal(size=(200, 6)), generator.integers(0, 6, 200)
    assert top_k_accuracy(scores, labels, k) == pytest.approx(
        top_k_accuracy_score(labels, scores, k=k, labels=range(6))
    )


def test_top_k_of_ties_is_that_of_argmax():
    scores = [[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]
    assert top_k_accuracy(scores, [0, 2], 1) == 0.5
    assert top_k_accuracy(scores, [1, 2], 2) == 1.0
    assert top_k_accuracy(scores, [2, 0], 2) == 0.0


@settings(max_examples=50, deadline=None)
@given(arrays(np.int64, 30, elements=st.integers(-4, 4)), arrays(np.bool_, 30))
def test_auc_against_scikit_learn_with_ties(scores, positive):
    if positive.all() or not positive.any():
        assert roc_auc(scores, positive) is None
    else:
        assert roc_auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)


def official_hits(scores, labels, k):
    """Loop over videos as eval_classification.py words it."""
    shares = []
    for row, wanted in zip(scores, labels, strict=True):
        predicted = np.flatnonzero(row > -np.inf)
        best = predicted[np.argsort(row[predicted])[::-1][:k]]
        truth = np.flatnonzero(wanted)
        shares.append(sum(label in best for label in truth) / len(truth))
    return np.mean(np.ceil(shares)), np.mean(shares)


def official_precision(scores, labels):
    """One class as compute_average_precision_classification and interpolated_prec_rec word it."""
    ranked = [row for row in np.argsort(scores)[::-1] if scores[row] > -np.inf]
    true = np.cumsum([labels[row] for row in ranked])
    false = np.cumsum([not labels[row] for row in ranked])
    recall = true / labels.sum()
    precision = np.hstack([[0], true / (true + false), [0]])
    recall = np.hstack([[0], recall, [1]])
    for i in range(len(precision) - 1)[::-1]:
        precision[i] = max(precision[i], precision[i + 1])
    steps = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return np.sum((recall[steps] - recall[steps - 1]) * precision[steps])


@pytest.fixture(scope="module")
def untrimmed():
    """60 videos of 8 classes, some of two labels, one without predictions, one with few."""
    generator = np.random.default_rng(3)
    labels = np.zeros((60, 8), bool)
    labels[np.arange(60), generator.integers(0, 8, 60)] = True
    labels[:6, 2] = True
    scores = generator.normal(size=(60, 8)) + labels
    scores[7] = -np.inf
    scores[8, :6] = -np.inf
    return scores, labels


@pytest.mark.parametrize("k", [1, 3])
def test_hit_at_k(untrimmed, k):
    assert activitynet_hit_at_k(*untrimmed, k) == pytest.approx(official_hits(*untrimmed, k))


def test_hit_at_k_by_hand():
    scores = [[3.0, 2.0, 1.0, 0.0]]
    labels = [[True, False, False, True]]
    assert activitynet_hit_at_k(scores, labels, 1) == (1.0, 0.5)
    assert activitynet_hit_at_k(scores, labels, 4) == (1.0, 1.0)
    assert activitynet_hit_at_k([[1.0, 2.0]], [[True, False]], 1) == (0.0, 0.0)


def test_hit_at_1_of_single_labels_is_accuracy():
    generator = np.random.default_rng(4)
    scores, labels = generator.normal(size=(80, 5)), generator.integers(0, 5, 80)
    hit, average = activitynet_hit_at_k(scores, np.eye(5, dtype=bool)[labels], 1)
    assert hit == average == top_k_accuracy(scores, labels, 1)


def test_average_precision(untrimmed):
    scores, labels = untrimmed
    expected = [official_precision(scores[:, c], labels[:, c]) for c in range(8)]
    np.testing.assert_allclose(activitynet_average_precision(scores, labels), expected, rtol=1e-12)


def test_average_precision_by_hand():
    """Hits at ranks 2 and 3: the envelope lifts 1/2 to 2/3, where a plain sum of steps gives 7/12."""
    scores, labels = np.array([[4.0], [3.0], [2.0], [1.0]]), np.array([[0], [1], [1], [0]], bool)
    assert activitynet_average_precision(scores, labels)[0] == pytest.approx(2 / 3)
    scores[2] = -np.inf  # never predicted: its recall is lost
    assert activitynet_average_precision(scores, labels)[0] == pytest.approx(1 / 4)
    assert np.isnan(activitynet_average_precision(scores, np.zeros((4, 1), bool))[0])


def test_bad_input():
    with pytest.raises(UserError, match="not between 1 and 3"):
        top_k_accuracy(np.zeros((2, 3)), [0, 1], 4)
    with pytest.raises(UserError, match="not between 0 and 2"):
        top_k_accuracy(np.zeros((2, 3)), [0, 3])
    with pytest.raises(UserError, match="NaN"):
        top_k_accuracy([[np.nan, 1.0]], [0])
    with pytest.raises(UserError, match="NaN"):
        roc_auc([np.nan, 1.0], [True, False])
    with pytest.raises(UserError, match="differ in shape"):
        activitynet_average_precision(np.zeros((2, 3)), np.zeros((2, 2), bool))
    with pytest.raises(UserError, match="at least one class"):
        activitynet_hit_at_k(np.zeros((2, 3)), np.zeros((2, 3), bool))
