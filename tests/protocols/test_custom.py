"""A user's own table: every task and scheme against scikit-learn or a loop, and tables that do not suffice."""

import tracemalloc
from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols import aslan, pair_drawing
from p3d_eval.protocols.annotations.table import LabelledVideo
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.pair_drawing import draw_pairs, pair_table
from p3d_eval.protocols.protocol import AnnotationFiles

LABELS = ("cook", "dance", "drive", "sing", "swim", "walk")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Features of 60 videos, their labels and 20 groups; returns the store and the columns of a table."""
    folder = tmp_path_factory.mktemp("custom")
    draw = np.random.default_rng(3)
    label = np.repeat(np.arange(6), 10)
    centres = 0.8 * draw.normal(size=(6, 9))
    values = np.abs(centres[label] + draw.normal(size=(60, 9)))
    ids = [f"clip{number:03}" for number in draw.permutation(60)]
    store = open_features(write_store(folder / "own.h5", ids, {"pool5": values}))
    groups = [f"s{number // 3}" for number in range(60)]
    return store, [LABELS[one] for one in label], groups


def write(path, columns):
    names = list(columns)
    rows = [",".join(row) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join([",".join(names), *rows]))
    return path


def svc():
    return LinearSVC(dual=True, tol=1e-10, max_iter=10**6, random_state=0)


def test_train_and_test_of_the_table(study, tmp_path):
    store, labels, _ = study
    part = ["test" if number % 3 == 0 else "train" for number in range(60)]
    table = write(tmp_path / "t.csv", {"id": store.ids, "label": labels, "split": part})
    result = evaluate("custom", store, table=table)
    X, y, test = normalize(np.asarray(store["pool5"], float)), np.array(labels), np.array(part) == "test"
    expected = svc().fit(X[~test], y[~test]).decision_function(X[test])
    np.testing.assert_allclose(result.scores.scores, expected, atol=1e-4)
    accuracy = (np.unique(y)[expected.argmax(1)] == y[test]).mean()
    assert result.metrics["accuracy"].value == pytest.approx(accuracy)
    assert result.annotations["official"] is False
    assert any("split of the table" in choice for choice in result.choices)


def test_folds_keep_groups_together(study, tmp_path):
    store, labels, groups = study
    table = write(tmp_path / "t.csv", {"id": store.ids, "label": labels, "group": groups})
    result = evaluate("custom", store, table=table, folds=4, seed=7)
    group = dict(zip(store.ids, groups, strict=True))
    X, y = normalize(np.asarray(store["pool5"], float)), np.array(labels)
    tested = []
    for number in range(4):
        ids = result.scores.ids[result.scores.split == number]
        test = np.isin(store.ids, ids)
        assert not {group[video] for video in ids} & {group[v] for v in np.array(store.ids)[~test]}
        expected = svc().fit(X[~test], y[~test]).decision_function(X[test])
        order = np.argsort(ids)
        own = np.argsort(np.array(store.ids)[test])
        np.testing.assert_allclose(
            result.scores.scores[result.scores.split == number][order], expected[own], atol=1e-4
        )
        tested += ids.tolist()
    assert sorted(tested) == sorted(store.ids)
    assert any("made here, at random (seed 7)" in choice for choice in result.choices)
    again = evaluate("custom", store, table=table, folds=4, seed=7)
    assert again.metrics["accuracy"] == result.metrics["accuracy"]


def test_each_group_is_left_out(study, tmp_path):
    store, labels, groups = study
    table = write(tmp_path / "t.csv", {"id": store.ids, "label": labels, "group": groups})
    result = evaluate("custom", store, table=table, scheme="left-out")
    X, y, group = normalize(np.asarray(store["pool5"], float)), np.array(labels), np.array(groups)
    for name in ("s0", "s7", "s19"):
        out = group == name
        expected = svc().fit(X[~out], y[~out]).decision_function(X[out])
        np.testing.assert_allclose(result.scores.scores[out], expected, atol=2e-5)


def test_retrieval_among_other_groups(study, tmp_path):
    store, labels, groups = study
    table = write(tmp_path / "t.csv", {"id": store.ids, "label": labels, "group": groups})
    result = evaluate("custom", store, table=table, task="retrieval")
    X, y, group = np.asarray(store["pool5"], float), np.array(labels), np.array(groups)
    right = []
    for row in range(60):
        others = np.flatnonzero(group != group[row])
        found = NearestNeighbors(n_neighbors=5, metric="cosine").fit(X[others]).kneighbors(X[[row]])[1][0]
        right.append([y[others][found[0]] == y[row], (y[others][found] == y[row]).any()])
    assert result.metrics["r1"].value == pytest.approx(np.mean(right, 0)[0])
    assert result.metrics["r5"].value == pytest.approx(np.mean(right, 0)[1])
    assert any("every video queries those of other groups" in choice for choice in result.choices)


def test_pairs_go_through_aslan_s_pipeline(study, tmp_path):
    store, labels, groups = study
    table = write(tmp_path / "t.csv", {"id": store.ids, "label": labels, "group": groups})
    result = evaluate("custom", store, table=table, task="pairs", folds=3, pairs=40, seed=2)
    videos = [LabelledVideo(*row) for row in zip(store.ids, labels, groups, strict=True)]
    drawn = draw_pairs(videos, 3, 40, 2)
    files = AnnotationFiles({"p.csv": pair_table(drawn)}, "test")
    expected = aslan.run(store, files, aslan.Options(layers="pool5", seed=2))
    assert result.metrics == expected.metrics
    assert result.protocol == "custom"
    assert "120 pairs drawn from the table (seed 2)" in result.choices[0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(2, 3), st.integers(2, 30))
def test_drawn_pairs_are_balanced_disjoint_and_never_of_one_group(seed, folds, count):
    draw = np.random.default_rng(seed)
    videos = [LabelledVideo(f"v{number}", f"c{number % 7}", f"g{draw.integers(0, 15)}") for number in range(70)]
    rows = draw_pairs(videos, folds, count, seed)
    assert rows == draw_pairs(videos, folds, count, seed)
    seen = {}
    for fold, one, two in rows:
        assert one.group != two.group
        for video in (one, two):
            assert seen.setdefault(video.label, fold) == fold
    assert len({frozenset((one.id, two.id)) for _, one, two in rows}) == len(rows)
    for fold in map(str, range(1, folds + 1)):
        same = [one.label == two.label for own, one, two in rows if own == fold]
        assert sum(same) * 2 == len(same) == count // 2 * 2


@pytest.mark.parametrize("listed", [0, 1 << 20])
def test_drawn_pairs_are_any_of_those_there_are(monkeypatch, listed):
    """Every pair from two groups is drawn sometimes, no other ever, each as often as the others."""
    monkeypatch.setattr(pair_drawing, "_LISTED", listed)
    videos = [LabelledVideo(f"{n}", "abcd"[n % 4], f"g{n % 3}") for n in range(16)]
    times = Counter()
    for seed in range(600):
        times.update((one.id, two.id) for _, one, two in draw_pairs(videos, 2, 6, seed))
    apart = [(one, two) for one, two in combinations(videos, 2) if one.group != two.group]
    assert {frozenset(pair) for pair in times} == {frozenset((one.id, two.id)) for one, two in apart}
    same = [times[one.id, two.id] + times[two.id, one.id] for one, two in apart if one.label == two.label]
    # Three of the pairs of one class of a fold are drawn in each of 600 runs.
    drawn = 600 * 6 / len(same)
    assert chisquare(same, [drawn] * len(same)).pvalue > 1e-4


def test_pairs_of_many_videos_are_drawn_without_listing_them():
    videos = [LabelledVideo(f"v{n}", f"c{n % 8}", f"g{n // 16}") for n in range(60_000)]
    tracemalloc.start()
    rows = draw_pairs(videos, 2, 600, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len({(one.id, two.id) for _, one, two in rows}) == 1200
    assert sum(one.label == two.label for _, one, two in rows) == 600
    assert peak < 64 << 20, "there are 5e8 pairs in a fold"


def test_pairs_of_signed_features_take_the_option_that_the_error_names(study, tmp_path):
    _, labels, _ = study
    values = np.random.default_rng(5).normal(size=(60, 9))
    ids = [f"clip{number:03}" for number in range(60)]
    table = write(tmp_path / "t.csv", {"id": ids, "label": labels})
    signed = open_features(write_store(tmp_path / "signed.h5", ids, {"pool5": values}))
    both = np.concatenate([np.maximum(values, 0), np.maximum(-values, 0)], axis=1)
    split = open_features(write_store(tmp_path / "both.h5", ids, {"pool5": both}))
    options = {"table": table, "task": "pairs", "folds": 2, "pairs": 40}
    with pytest.raises(UserError, match="negative value") as caught:
        evaluate("custom", signed, **options)
    assert "--negatives split" in caught.value.hint
    found = evaluate("custom", signed, negatives="split", **options)
    expected = evaluate("custom", split, **options)
    np.testing.assert_allclose(found.scores.scores, expected.scores.scores, atol=1e-6)
    assert found.options["negatives"] == "split"


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {"scheme": "split"}, "the table has no column split"),
        ({}, {"folds": 1}, "folds: 1 is less than 2"),
        ({}, {"folds": 61}, "folds: 61 of 60 groups"),
        ({"split": ["train"] * 60}, {}, "no video to train on, or none to test"),
        ({}, {"task": "retrieval", "scheme": "folds"}, "retrieval has no folds"),
        ({}, {"task": "pairs", "folds": 4}, "6 classes are too few for 4 folds"),
        ({}, {"task": "pairs", "folds": 2, "pairs": 1}, "pairs: 1 is less than 2"),
        ({}, {"task": "pairs", "folds": 2, "normalise": "zscore"}, "pairs take l2 or none, not zscore"),
        ({"group": ["g"] * 60}, {"task": "pairs", "folds": 2}, "fold 1 has no pair of one class"),
        ({"label": ["a"] * 60}, {}, "the table has one class only"),
        ({"group": ["g"] * 60}, {}, "the table has one group only"),
    ],
)
def test_what_does_not_suffice(study, tmp_path, columns, options, message):
    store, labels, _ = study
    table = write(tmp_path / "t.csv", {"id": store.ids, "label": labels} | columns)
    with pytest.raises(UserError, match=message):
        evaluate("custom", store, table=table, **options)


def test_no_table_and_two_files(study, tmp_path, monkeypatch):
    store, labels, _ = study
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path))
    with pytest.raises(UserError, match="custom: no annotations: --table not given"):
        evaluate("custom", store)
    table = write(tmp_path / "t.csv", {"id": store.ids, "label": labels})
    other = write_store(tmp_path / "b.h5", store.ids, {"pool5": np.asarray(store["pool5"]) + 1})
    with pytest.raises(UserError, match="retrieval takes one feature file"):
        evaluate("custom", [store, other], table=table, task="retrieval")
    assert evaluate("custom", [store, other], table=table).label.count("+") == 1


def test_seeds_give_other_folds(study, tmp_path):
    store, labels, _ = study
    table = write(tmp_path / "t.csv", {"id": store.ids, "label": labels})
    hashes = [
        evaluate("custom", store, table=table, seed=seed).annotations["split_hashes"] for seed in range(3)
    ]
    assert all(one != two for one, two in pairwise(hashes))


def few(tmp_path, classes, per_class, *, widths=(6,), grouped=False):
    """Return stores of a few videos and the columns of their table; grouped: each class is one group."""
    labels = [LABELS[number] for number in range(classes) for _ in range(per_class)]
    ids = [f"{label}/{number:02}" for number, label in enumerate(labels)]
    draw = np.random.default_rng(1)
    stores = [
        open_features(write_store(tmp_path / f"few{width}.h5", ids, {"pool5": draw.random((len(ids), width))}))
        for width in widths
    ]
    return stores, {"id": ids, "label": labels} | ({"group": labels} if grouped else {})


def test_more_folds_than_videos_of_any_class(tmp_path):
    (store,), columns = few(tmp_path, 3, 4)
    table = write(tmp_path / "t.csv", columns)
    with pytest.raises(UserError, match="folds: 5, but no class has more than 4 videos"):
        evaluate("custom", store, table=table)
    assert evaluate("custom", store, table=table, folds=4).coverage.used == 12


def test_a_class_of_fewer_videos_than_folds_is_said_once_by_us(tmp_path, recwarn):
    (store,), columns = few(tmp_path, 3, 4)
    columns = {name: values[:-3] for name, values in columns.items()}
    result = evaluate("custom", store, table=write(tmp_path / "t.csv", columns), folds=4)
    assert any("no training video of drive" in warning for warning in result.warnings)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"C": "cv"}, "one class only to train on while C is chosen"),
        ({"weights": "cv"}, "weights: split test: a fold leaves one class only to train on"),
        ({"weights": "cv", "fusion": "late"}, "weights: split test: a fold leaves one class only to train on"),
    ],
)
def test_cross_validation_that_leaves_one_class(tmp_path, options, message):
    stores, columns = few(tmp_path, 3, 4, widths=(6, 5), grouped=True)
    columns |= {"split": ["train"] * 8 + ["test"] * 4}
    table = write(tmp_path / "t.csv", columns)
    with pytest.raises(UserError, match=message):
        evaluate("custom", stores if "weights" in options else stores[0], table=table, **options)


def test_weights_of_one_group(tmp_path):
    stores, columns = few(tmp_path, 3, 4, widths=(6, 5))
    columns |= {"group": ["g"] * 12, "split": ["train"] * 8 + ["test"] * 4}
    with pytest.raises(UserError, match="weights: split test has training videos of one group only"):
        evaluate("custom", stores, table=write(tmp_path / "t.csv", columns), weights="cv")


@pytest.mark.parametrize("task", ["classification", "retrieval", "pairs"])
@pytest.mark.parametrize(("seed", "message"), [(-1, "seed: -1 is negative"), (2**32, "not below 4294967296")])
def test_seeds_out_of_range(study, tmp_path, task, seed, message):
    store, labels, _ = study
    table = write(tmp_path / "t.csv", {"id": store.ids, "label": labels})
    with pytest.raises(UserError, match=message):
        evaluate("custom", store, table=table, task=task, seed=seed)


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("retrieval", {"classifier": "knn"}, "classifier: 'knn' has no effect"),
        ("retrieval", {"C": 10}, "C: 10.0 has no effect"),
        ("retrieval", {"folds": 3}, "folds: 3 has no effect"),
        (
            "classification",
            {"scheme": "left-out", "folds": 3},
            "folds: 3 has no effect: each group",
        ),
        ("pairs", {"scheme": "left-out"}, "scheme: 'left-out' has no effect"),
        ("pairs", {"pca": "3"}, "pca: '3' has no effect"),
        ("classification", {"pairs": 20}, "pairs: 20 has no effect"),
        ("classification", {"negatives": "split"}, "negatives: 'split' has no effect"),
        ("retrieval", {"negatives": "clip"}, "negatives: 'clip' has no effect"),
    ],
)
def test_options_of_another_task(study, tmp_path, task, options, message):
    store, labels, _ = study
    table = write(tmp_path / "t.csv", {"id": store.ids, "label": labels})
    with pytest.raises(UserError, match=message):
        evaluate("custom", store, table=table, task=task, **options)
