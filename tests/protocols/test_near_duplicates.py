"""The search for near copies against all cosines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p3d_eval.protocols import near_duplicates
from p3d_eval.protocols.near_duplicates import CopySearch, NearCopies, closest


def brute_force(X, train, test, threshold, groups=None):
    """Closest training row of every test row that has one at the threshold."""
    unit = X / np.where(np.linalg.norm(X, axis=1) > 0, np.linalg.norm(X, axis=1), np.inf)[:, None]
    cosine = unit[test] @ unit[train].T
    own = np.arange(len(X)) if groups is None else groups
    cosine[own[test][:, None] == own[train]] = -1
    return {
        int(row): (int(train[values.argmax()]), values.max())
        for row, values in zip(test, cosine, strict=True)
        if values.max() >= threshold
    }


def table(rows, width, seed=0):
    """Rectified features with copies, scaled copies and copies with noise; the last row is empty."""
    generator = np.random.default_rng(seed)
    X = np.maximum(0, generator.normal(size=(rows, width)))
    half = rows // 2
    for row in range(0, half, 5):
        X[row + half] = 3 * X[row] + 0.02 * row / half * generator.normal(size=width)
    X[-1] = X[3] = 0
    return X


@pytest.mark.parametrize("width", [7, 1500])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_near_copy_is_found(width, dtype, monkeypatch):
    monkeypatch.setattr(near_duplicates, "_TEST_ROWS", 17)
    monkeypatch.setattr(near_duplicates, "_TRAIN_ROWS", 23)
    X = table(120, width).astype(dtype)
    order = np.random.default_rng(1).permutation(120)
    train, test = order[:70], order[70:]
    found = CopySearch(X).find(train, test)
    expected = brute_force(X.astype(float), train, test, near_duplicates.NEAR)
    assert len(expected) > 3
    assert dict(zip(found.test.tolist(), found.cosine.tolist(), strict=True)) == pytest.approx(
        {row: cosine for row, (_, cosine) in expected.items()}, abs=1e-12
    )
    assert dict(zip(found.test.tolist(), found.train.tolist(), strict=True)) == {
        row: near for row, (near, _) in expected.items()
    }
    assert (np.diff(found.cosine) <= 0).all()


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 0.9999), st.booleans())
def test_any_threshold(seed, threshold, many):
    """Loose thresholds too, where a sketch lets most pairs through and blocks are compared in full."""
    generator = np.random.default_rng(seed)
    X = np.abs(generator.normal(size=(40, 1100))) + (3 if many else 0)
    train, test = np.arange(25), np.arange(25, 40)
    found = CopySearch(X, threshold).find(train, test)
    expected = brute_force(X, train, test, threshold)
    assert sorted(found.test.tolist()) == sorted(expected)
    assert found.cosine == pytest.approx([expected[row][1] for row in found.test.tolist()], abs=1e-12)


def test_rows_of_one_group_are_not_compared():
    """Leaving out in turn: train and test are the same rows."""
    X = table(60, 20)
    rows, groups = np.arange(60), np.arange(60) % 30
    assert 0 in CopySearch(X).find(rows, rows).test
    assert len(CopySearch(X).find(rows, rows, groups).test) == 0  # copies are 30 rows apart, one group


def test_each_video_is_told_once_with_its_closest_copy_of_several_searches():
    several = [
        NearCopies(np.array([4, 2]), np.array([0, 1]), np.array([0.9999, 0.9991])),
        NearCopies(np.array([], int), np.array([], int), np.array([])),
        NearCopies(np.array([2, 7, 4]), np.array([8, 9, 6]), np.array([0.9995, 0.9992, 0.9991])),
    ]
    found = closest(several)
    assert found.test.tolist() == [4, 2, 7]
    assert found.train.tolist() == [0, 8, 9]
    assert found.cosine.tolist() == [0.9999, 0.9995, 0.9992]
