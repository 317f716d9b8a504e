"""Retrieval against scikit-learn's ranking measures and a loop over queries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity

from p3d_eval.errors import UserError
from p3d_eval.protocols import nearest
from p3d_eval.protocols.nearest import retrieve


def make(seed, queries=23, gallery=41, classes=4):
    draw = np.random.default_rng(seed)
    return (
        draw.normal(size=(queries, 6)),
        draw.normal(size=(gallery, 6)),
        draw.integers(0, classes, queries),
        draw.integers(0, classes, gallery),
    )


@pytest.mark.parametrize("cells", [1, 100, 1 << 23])  # one query at a time, a few, all at once
def test_hits_and_precision_are_those_of_scikit_learn(cells, monkeypatch):
    monkeypatch.setattr(nearest, "_CELLS", cells)
    queries, gallery, wanted, labels = make(0)
    found = retrieve(queries, gallery, wanted, labels, (5, 1, 10))
    assert found.ranks == (1, 5, 10)
    cosines = cosine_similarity(queries, gallery)
    for row, label in enumerate(wanted):
        order = sorted(range(len(labels)), key=lambda column: -cosines[row, column])
        assert found.nearest[row] == order[0]
        best = [cosines[row, labels == one].max() for one in found.classes]
        np.testing.assert_allclose(found.closest[row], best, atol=1e-12)
        for column, k in enumerate(found.ranks):
            assert found.hits[row, column] == any(labels[at] == label for at in order[:k])
        # Without ties scikit-learn's sum of steps is the mean precision at the relevant ones.
        expected = average_precision_score(labels == label, cosines[row])
        assert found.average_precision[row] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_a_query_never_sees_its_own_group(seed, groups):
    draw = np.random.default_rng(seed)
    samples, labels = draw.normal(size=(12, 3)), draw.integers(0, 2, 12)
    group = draw.integers(0, groups, 12)
    found = retrieve(samples, samples, labels, labels, (1, 3), query_groups=group, gallery_groups=group)
    for row in range(12):
        others = np.flatnonzero(group != group[row])
        if not len(others):
            assert found.nearest[row] == -1
            assert not found.hits[row].any()
            assert np.isnan(found.average_precision[row])
            continue
        alone = retrieve(samples[[row]], samples[others], labels[[row]], labels[others], (1, 3))
        assert found.nearest[row] == others[alone.nearest[0]]
        assert (found.hits[row] == alone.hits[0]).all()
        assert np.allclose(found.average_precision[row], alone.average_precision[0], equal_nan=True)


def test_more_neighbours_than_gallery_videos_and_a_class_that_the_gallery_lacks():
    found = retrieve(np.eye(2), np.eye(2)[:1], np.array(["a", "b"]), np.array(["a"]), (1, 50))
    assert found.hits.tolist() == [[True, True], [False, False]]
    assert found.average_precision[0] == 1.0
    assert np.isnan(found.average_precision[1])


def test_ties_keep_the_gallery_s_order_and_zero_vectors_are_far_from_nothing():
    gallery = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    found = retrieve(np.array([[3.0, 0.0], [0.0, 0.0]]), gallery, np.array([1, 0]), np.array([0, 1, 0]), (1, 2))
    assert found.nearest.tolist() == [0, 0]
    assert found.hits.tolist() == [[False, True], [True, True]]


def test_bad_input_is_named():
    with pytest.raises(UserError, match=r"ranks \(0, 1\) are not all positive"):
        retrieve(np.eye(2), np.eye(2), np.arange(2), np.arange(2), (0, 1))
    with pytest.raises(UserError, match="0 queries and 2 gallery videos"):
        retrieve(np.empty((0, 2)), np.eye(2), np.empty(0), np.arange(2))
