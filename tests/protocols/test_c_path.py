"""Choosing C against an explicit loop; nothing of the test set has a part in it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.c_path import CV_GRID, c_values, choose_c, group_folds, parse_c
from p3d_eval.protocols.evaluation import evaluate
from tests.support import protocol_data as data


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return data.ucf_store(tmp_path_factory.mktemp("ucf"))


def loop(store, split, values, seed, scaling="l2"):
    """C of one split, written anew: five folds of group numbers, LinearSVC at a tight tolerance."""
    X = store["pool5"].rows(list(store.ids)).astype(float)
    X = normalize(X) if scaling == "l2" else X
    y = np.array([video.split("/")[0] for video in store.ids])
    group = np.array([int(video.split("_g")[-1][:2]) for video in store.ids])
    train = ~((group > 7 * (split - 1)) & (group <= 7 * split))
    X, y, group = X[train], y[train], group[train]
    dealt = np.random.default_rng(seed).permutation(18)
    of_group = {name: int(np.flatnonzero(dealt == rank)[0]) % 5 for rank, name in enumerate(np.unique(group))}
    fold = np.array([of_group[number] for number in group])
    right = []
    for C in values:
        hits = 0
        for k in range(5):
            A, B = X[fold != k], X[fold == k]
            if scaling == "zscore":
                scaler = StandardScaler().fit(A)
                A, B = scaler.transform(A), scaler.transform(B)
            model = LinearSVC(C=C, dual=True, tol=1e-8, max_iter=10**5, random_state=1).fit(A, y[fold != k])
            hits += (model.predict(B) == y[fold == k]).sum()
        right.append(hits / len(y))
    return values[int(np.argmax(right))], right


@pytest.mark.parametrize("scaling", ["l2", "zscore"])
def test_against_a_loop(store, scaling):
    values = (0.01, 0.1, 1.0)
    result = evaluate("ucf101", store, split=1, C="1,0.01,0.1", seed=3, normalise=scaling)
    chosen = result.splits[0].chosen
    expected, accuracies = loop(store, 1, values, 3, scaling)
    assert chosen["C"] == expected
    assert tuple(chosen["values"]) == values
    assert chosen["accuracies"] == pytest.approx(accuracies)
    assert (chosen["folds"], chosen["seed"]) == (5, 3)
    alone = evaluate("ucf101", store, split=1, C=expected, normalise=scaling)
    np.testing.assert_allclose(result.scores.scores, alone.scores.scores, atol=1e-6)
    assert result.options["C"] == "0.01,0.1,1"
    assert any(f"1: {expected:g}" in choice for choice in result.choices)
    fit, checked = result.certificates
    assert fit.problems == 4
    assert checked.problem == "split 1, cross validation of C"
    assert checked.problems == 5 * 3 * 4
    assert result.converged


def test_test_videos_change_nothing(store, tmp_path):
    """Other features of split 1's test videos, the same choice and the same classifier."""
    ids = list(store.ids)
    group = np.array([int(video.split("_g")[-1][:2]) for video in ids])
    values = np.asarray(store["pool5"]).copy()
    values[group <= 7] = np.random.default_rng(9).random((int((group <= 7).sum()), values.shape[1])) * 7
    changed = open_features(write_store(tmp_path / "changed.h5", ids, {"pool5": values}))
    one, two = (evaluate("ucf101", s, split=1, C="0.1,1", normalise="zscore") for s in (store, changed))
    assert one.splits[0].chosen == two.splits[0].chosen
    assert one.certificates == two.certificates


def test_aslan_against_a_loop(tmp_path):
    table = data.pair_table(folds=4)
    store = data.aslan_store(tmp_path, table)
    (tmp_path / "View2.mat").write_bytes(data.mat_bytes(table))
    result = evaluate("aslan", store, C="0.01,1", layers="res5c")
    from tests.protocols.test_aslan import vectors

    V = vectors(table)[:, 12:]
    same = np.moveaxis(table, 2, 0).reshape(-1, 5)[:, 2].astype(int)
    fold = np.repeat(np.arange(4), table.shape[0])
    for outer, split in enumerate(result.splits):
        right = np.zeros(2)
        for inner in set(range(4)) - {outer}:
            train, held = ~np.isin(fold, (outer, inner)), fold == inner
            scaler = StandardScaler().fit(V[train])
            A, B = (normalize(scaler.transform(V[rows])) for rows in (train, held))
            for k, C in enumerate((0.01, 1.0)):
                model = LinearSVC(C=C, dual=True, tol=1e-8, max_iter=10**5).fit(A, same[train])
                right[k] += (model.predict(B) == same[held]).sum()
        assert split.chosen["C"] == (0.01, 1.0)[int(right.argmax())]
        assert split.chosen["accuracies"] == pytest.approx(right / (fold != outer).sum())
        assert split.chosen["folds"] == 3
    headline, *others = (one for one in result.variants if "vector" in one.options)
    assert headline.options["chosen"] == {split.name: split.chosen for split in result.splits}
    assert [list(one.options["chosen"]) for one in others] == [["1", "2", "3", "4"]] * 2
    assert result.converged


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=2), st.integers(2, 6), st.integers(0, 5))
def test_groups_never_straddle(groups, folds, seed):
    if len(set(groups)) < 2:
        with pytest.raises(UserError, match="two groups"):
            group_folds(groups, folds, seed)
        return
    fold = group_folds(groups, folds, seed)
    by_group = {name: {int(f) for g, f in zip(groups, fold, strict=True) if g == name} for name in groups}
    assert all(len(found) == 1 for found in by_group.values())
    dealt = np.bincount([next(iter(found)) for found in by_group.values()], minlength=folds)
    assert dealt.max() - dealt.min() <= 1
    assert len(set(fold.tolist())) == min(folds, len(by_group))


def test_ties_go_to_the_smaller():
    labels, folds = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    answers = np.array([[0, 0], [0, 1], [0, 1]])  # half right, all right, all right
    choice = choose_c(lambda *_: answers, labels, folds, (0.1, 1.0, 10.0))
    assert (choice.C, choice.accuracies) == (1.0, (0.5, 1.0, 1.0))


@pytest.mark.parametrize(
    ("given", "parsed", "values"),
    [
        (1, 1.0, (1.0,)),
        ("2", 2.0, (2.0,)),
        ("10, 0.1,1", "0.1,1,10", (0.1, 1.0, 10.0)),
        ("cv", "cv", CV_GRID),
    ],
)
def test_one_form(given, parsed, values):
    assert parse_c(given) == parsed
    assert c_values(given) == values


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0", "C: 0.0 is not positive"),
        (-1.0, "C: -1.0 is not positive"),
        ("1,-2", "C: -2.0 is not positive"),
        ("nan", "is not positive|is not finite"),
        ("inf", "C: inf is not finite"),
        ("1,,2", "not a float"),
        ("1,1.0", "twice"),
        ("best", "not a float, cv"),
    ],
)
def test_refused(given, message):
    with pytest.raises(UserError, match=message):
        parse_c(given)
