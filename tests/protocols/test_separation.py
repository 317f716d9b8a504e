"""Separation of classes, against scikit-learn and brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_samples

from p3d_eval.errors import UserError
from p3d_eval.protocols.classifiers import neighbours
from p3d_eval.protocols.classifiers.neighbours import CosineNeighbours
from p3d_eval.protocols.separation import cosine_silhouettes, separation


def blobs(n=60, classes=4, spread=1.0, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    return generator.normal(size=(n, 8)) * spread + 3 * np.eye(classes, 8)[labels], labels


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(2, 6))
def test_silhouettes_are_scikit_learns(seed, classes):
    X, labels = blobs(30, classes, seed=seed)
    labels[0] = classes  # the only one of its class
    wanted = silhouette_samples(X, labels, metric="cosine")
    np.testing.assert_allclose(cosine_silhouettes(X, labels), wanted, atol=1e-12)


def test_equal_samples_of_two_classes_have_silhouette_0():
    assert np.abs(cosine_silhouettes(np.ones((6, 3)), np.array([0, 0, 0, 1, 1, 1]))).max() < 1e-9


@pytest.mark.parametrize("temperature", [0.07, math.inf])
def test_left_out_votes_are_those_of_a_fit_without_the_group(temperature):
    X, labels = blobs()
    groups = np.arange(60) // 3
    found = CosineNeighbours(5, temperature).fit(X, labels).left_out_scores(groups)
    for row in range(60):
        others = groups != groups[row]
        wanted = CosineNeighbours(5, temperature).fit(X[others], labels[others]).scores(X[row : row + 1])
        np.testing.assert_allclose(found[row], wanted[0], rtol=1e-12)


def test_who_sees_nobody_gets_no_votes():
    found = CosineNeighbours(2).fit(np.eye(4), np.array([0, 0, 1, 1])).left_out_scores(np.zeros(4))
    assert not found.any()


def test_separated_classes_score_higher_and_copies_do_not_help():
    near, labels = blobs(spread=0.3)
    far, _ = blobs(spread=3.0)
    groups = [str(row // 2) for row in range(60)]
    clear, blurred = (separation(X, labels, groups, neighbours=5) for X in (near, far))
    assert clear.accuracy.value == 1
    assert blurred.accuracy.value < 0.6
    assert clear.silhouette > 0.8 > 0.1 > blurred.silhouette
    # Copies of each sample in its own group are no neighbours.
    noise = np.random.default_rng(1).normal(size=(40, 8))
    twice = separation(np.vstack([noise, noise]), np.tile(np.arange(40), 2), [str(n) for n in range(40)] * 2)
    assert twice.accuracy.value == 0


def test_all_others_vote_where_there_are_few():
    X, labels = blobs(8)
    assert separation(X, labels, list("abcdefgh")).neighbours == 7


def test_one_class_is_refused():
    with pytest.raises(UserError, match="5 samples of 1 class"):
        separation(np.eye(5), np.zeros(5, int), list("abcde"))


def test_cosines_of_float32_give_the_same_votes():
    """Each vote's weight is off by the cosine's error over the temperature: 1e-6 / 0.07."""
    X, labels = blobs(spread=2.0)
    groups = np.arange(60) // 2
    exact, rough = (
        CosineNeighbours(5).fit(X.astype(kind), labels).left_out_scores(groups) for kind in (float, np.float32)
    )
    np.testing.assert_allclose(rough, exact, rtol=1e-6 / 0.07)


def test_votes_are_the_same_where_products_are_not_held(monkeypatch):
    X, labels = blobs(spread=2.0)
    groups = np.arange(60) // 2
    held = CosineNeighbours(5).fit(X, labels).left_out_scores(groups)
    monkeypatch.setattr(neighbours, "_HELD_BYTES", 0)
    monkeypatch.setattr(neighbours, "_CELLS", 60 * 7)
    # Products of blocks are rounded in another order.
    np.testing.assert_allclose(CosineNeighbours(5).fit(X, labels).left_out_scores(groups), held, rtol=1e-12)
