"""Retrieval on the splits of UCF101 and HMDB51 against a loop over the queries."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.evaluation import evaluate
from tests.support import protocol_data as data


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return data.ucf_store(tmp_path_factory.mktemp("ucf"), spread=1.2)


def loop(X, y, test, train):
    """R@k and AP of each test row, by sorting its cosines in Python."""
    cosines = cosine_similarity(X[test], X[train])
    hits, precisions = [], []
    for row, label in zip(cosines, y[test], strict=True):
        order = sorted(range(len(row)), key=lambda at: -row[at])
        hits.append([any(y[train][at] == label for at in order[:k]) for k in (1, 5, 10, 20, 50)])
        precisions.append(average_precision_score(y[train] == label, row))
    return np.array(hits), np.array(precisions)


def parts(store, split):
    ids = list(store.ids)
    group = np.array([int(video.split("_g")[-1][:2]) for video in ids])
    y = np.array([video.split("/")[0] for video in ids])
    test = (group > 7 * (split - 1)) & (group <= 7 * split)
    return np.asarray(store["pool5"], np.float64), y, test, ~test


def test_split_1_of_ucf101(store):
    result = evaluate("retrieval", store)
    hits, precisions = loop(*parts(store, 1))
    for column, k in enumerate((1, 5, 10, 20, 50)):
        assert result.metrics[f"r{k}"].value == pytest.approx(hits[:, column].mean())
    assert 0.3 < result.metrics["r1"].value < 1, "the comparison needs some errors"
    assert result.metrics["map"].value == pytest.approx(precisions.mean())
    assert result.metrics["r1"].low < result.metrics["r1"].value < result.metrics["r1"].high
    (split,) = result.splits
    assert (split.name, split.n_train, split.n_test) == ("1", 144, 56)
    guess = result.scores.classes[result.scores.scores.argmax(1)]
    truth = result.scores.classes[result.scores.labels]
    assert (guess == truth).mean() == pytest.approx(result.metrics["r1"].value)
    for action in data.ACTIONS:
        assert result.per_class[action].value == pytest.approx((guess == truth)[truth == action].mean())


def test_all_splits_are_averaged(store):
    result = evaluate("retrieval", store, split="all")
    each = [loop(*parts(store, split)) for split in (1, 2, 3)]
    assert result.metrics["r5"].value == pytest.approx(np.mean([hits[:, 1].mean() for hits, _ in each]))
    assert result.metrics["map"].value == pytest.approx(np.mean([ap.mean() for _, ap in each]))


def test_z_scores_are_learned_on_the_gallery(store):
    X, y, test, train = parts(store, 2)
    scaled = (X - X[train].mean(0)) / X[train].std(0)
    hits, _ = loop(scaled, y, test, train)
    result = evaluate("retrieval", store, split="2", normalise="zscore")
    assert result.metrics["r1"].value == pytest.approx(hits[:, 0].mean())


def test_hmdb51_needs_its_lists(store, tmp_path):
    with pytest.raises(UserError, match=r"no annotations: --splits not given"):
        evaluate("retrieval", store, dataset="hmdb51")
    draw = np.random.default_rng(0)
    ids = [f"{action}/{action}_{number}" for action in ("run", "walk") for number in range(10)]
    own = open_features(write_store(tmp_path / "h.h5", ids, {"pool5": draw.random((20, 4))}))
    folder = tmp_path / "lists"
    folder.mkdir()
    for action in ("run", "walk"):
        for split in (1, 2, 3):
            uses = [1] * 6 + [2] * 3 + [0]
            lines = [f"{action}_{number}.avi {use}" for number, use in enumerate(uses)]
            (folder / f"{action}_test_split{split}.txt").write_text("\n".join(lines))
    result = evaluate("retrieval", own, dataset="hmdb51", splits=folder)
    y = np.array([video.split("/")[0] for video in ids])
    number = np.array([int(video.rsplit("_", 1)[1]) for video in ids])
    hits, precisions = loop(np.asarray(own["pool5"], np.float64), y, (number > 5) & (number < 9), number < 6)
    assert result.metrics["r1"].value == pytest.approx(hits[:, 0].mean())
    assert result.metrics["map"].value == pytest.approx(precisions.mean())


def test_missing_queries(tmp_path):
    gone = "YoYo/v_YoYo_g03_c01"
    ids = [video for video in data.ucf_ids() if video != gone]
    store = data.ucf_store(tmp_path, ids, failed={gone: "broken"})
    with pytest.raises(UserError, match="1 of 200 videos"):
        evaluate("retrieval", store)
    wrong, excluded = (evaluate("retrieval", store, allow_missing=how) for how in ("wrong", "excluded"))
    for name, metric in wrong.metrics.items():
        assert metric.value * 56 == pytest.approx(excluded.metrics[name].value * 55)


def test_a_query_that_is_in_the_gallery_under_another_name_is_warned_of(tmp_path):
    ids = data.ucf_ids()
    values = np.random.default_rng(2).random((len(ids), 24))
    query, copy = "YoYo/v_YoYo_g03_c01", "YoYo/v_YoYo_g20_c02"
    values[ids.index(query)] = values[ids.index(copy)]
    provenance = {"trained_on": "UCF101 split 1"}
    store = open_features(write_store(tmp_path / "c.h5", ids, {"pool5": values}, provenance=provenance))
    result = evaluate("retrieval", store)
    assert any(f"{query} and {copy} (1.00000)" in warning for warning in result.warnings)
    assert any("LEAK: the weights were trained on 'UCF101 split 1'" in warning for warning in result.warnings)


def test_a_negative_seed(store):
    with pytest.raises(UserError, match="seed: -1 is negative"):
        evaluate("retrieval", store, seed=-1)
