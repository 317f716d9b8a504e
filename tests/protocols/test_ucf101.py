"""UCF101 against a plain scikit-learn reimplementation, and what happens to missing videos."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.classifiers.squared_hinge import solve_squared_hinge
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.result import Result
from tests.support import protocol_data as data


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return data.ucf_store(tmp_path_factory.mktemp("ucf"))


@pytest.fixture(scope="module")
def result(store):
    return evaluate("ucf101", store)


def brute_force(store, split):
    """Predictions on one split's test videos, written anew: L2, LinearSVC at a tight tolerance."""
    ids = list(store.ids)
    X = normalize(store["pool5"].rows(ids).astype(float))
    y = np.array([video.split("/")[-2] for video in ids])
    group = np.array([int(video.split("_g")[-1][:2]) for video in ids])
    test = (group > 7 * (split - 1)) & (group <= 7 * split)
    model = LinearSVC(dual=True, tol=1e-9, max_iter=10**6, random_state=1).fit(X[~test], y[~test])
    return np.array(ids)[test], model.predict(X[test]), y[test], model.decision_function(X[test])


def test_against_scikit_learn(store, result):
    accuracies = []
    for number, split in enumerate(result.splits, 1):
        _, predicted, truth, _ = brute_force(store, number)
        accuracies.append((predicted == truth).mean())
        assert split.metrics["accuracy"].value == pytest.approx(accuracies[-1])
        assert (split.name, split.n_train, split.n_test) == (str(number), 144, 56)
    assert 0.5 < min(accuracies) < 1, "the comparison needs some errors"
    assert result.metrics["accuracy"].value == pytest.approx(np.mean(accuracies))
    assert result.converged
    assert len(result.certificates) == 3
    assert all(c.problems == 4 and c.relative_gap <= 1e-6 for c in result.certificates)


def test_scores_are_the_decision_values(store, result):
    saved = result.scores
    assert saved.classes.tolist() == sorted(data.ACTIONS)
    for number in (1, 2, 3):
        ids, _, truth, expected = brute_force(store, number)
        rows = saved.split == number - 1
        order = np.argsort(saved.ids[rows])
        np.testing.assert_array_equal(saved.ids[rows][order], np.sort(ids))
        np.testing.assert_allclose(saved.scores[rows][order], expected[np.argsort(ids)], atol=1e-4)
        np.testing.assert_array_equal(saved.classes[saved.labels[rows]][order], truth[np.argsort(ids)])


def test_per_class_pools_the_splits(store, result):
    outcomes = [brute_force(store, number) for number in (1, 2, 3)]
    predicted, truth = (np.concatenate([outcome[k] for outcome in outcomes]) for k in (1, 2))
    for action in data.ACTIONS:
        of_class = truth == action
        assert result.per_class[action].value == pytest.approx((predicted[of_class] == action).mean())
        assert result.per_class[action].n == of_class.sum() == 42


def test_interval_names_its_clusters(result):
    metric = result.metrics["accuracy"]
    assert metric.low < metric.value < metric.high
    assert "84 (class, group) clusters" in metric.method  # 4 classes × 21 tested groups


def test_lists_and_names_agree(store, tmp_path):
    """The official lists, with CRLF and the HandStandPushups quirk, give what the names give."""
    for name, text in data.ucf_lists(data.ucf_ids()).items():
        (tmp_path / name).write_bytes(text)
    by_list = evaluate("ucf101", store, splits=tmp_path)
    by_name = evaluate("ucf101", store)
    assert by_list.metrics["accuracy"].value == by_name.metrics["accuracy"].value
    assert by_list.annotations["split_hashes"] == by_name.annotations["split_hashes"]
    assert by_list.annotations["source"] == f"--splits {tmp_path}"
    assert by_list.annotations["official"] is by_name.annotations["official"] is False
    assert by_list.annotations["sha256"] != by_name.annotations["sha256"]


def test_one_split_and_options(store):
    result = evaluate("ucf101", store, split=2, C=10, normalise="none")
    assert [split.name for split in result.splits] == ["2"]
    assert result.options["C"] == 10.0
    X = np.asarray(store["pool5"], float)
    group = np.array([int(video.split("_g")[-1][:2]) for video in store.ids])
    y = np.array([video.split("/")[0] for video in store.ids])
    test = (group > 7) & (group <= 14)
    model = LinearSVC(C=10, dual=True, tol=1e-9, max_iter=10**6, random_state=1).fit(X[~test], y[~test])
    assert result.metrics["accuracy"].value == pytest.approx((model.predict(X[test]) == y[test]).mean())


def gone(video):
    """Two test videos of split 1 and a training video."""
    return video.endswith(("YoYo_g03_c01", "YoYo_g03_c02", "Biking_g24_c01"))


@pytest.fixture(scope="module")
def partial(tmp_path_factory):
    return data.ucf_store(
        tmp_path_factory.mktemp("partial"),
        [video for video in data.ucf_ids() if not gone(video)],
        failed={video: "broken" for video in data.ucf_ids() if gone(video)},
    )


def test_missing_videos_are_counted_and_named(partial):
    with pytest.raises(UserError, match="3 of 200 videos") as caught:
        evaluate("ucf101", partial)
    assert "YoYo/v_YoYo_g03_c01" in caught.value.message
    assert "--allow-missing" in caught.value.hint


@pytest.mark.parametrize("how", ["wrong", "excluded"])
def test_allowed_missing_videos(partial, how):
    result = evaluate("ucf101", partial, allow_missing=how)
    _, predicted, truth, _ = brute_force(partial, 1)
    n = len(truth) + (2 if how == "wrong" else 0)
    assert len(truth) == 54
    assert result.splits[0].n_test == n
    assert result.splits[0].n_train == 143
    assert result.splits[0].metrics["accuracy"].value == pytest.approx((predicted == truth).sum() / n)
    assert result.coverage.counted_as == how
    assert (result.coverage.expected, result.coverage.used) == (200, 197)
    assert set(result.coverage.missing) == {video for video in data.ucf_ids() if gone(video)}
    assert len(result.scores.ids) == 3 * 56 - 2


def test_random_weights_are_said(tmp_path):
    weights = {"source": "random", "sha256": "0" * 64, "random": True}
    store = data.ucf_store(tmp_path, provenance={"weights": weights, "backbone": "p3d199"})
    result = evaluate("ucf101", store, split=1, label="mine")
    assert result.label == "mine (random weights)"
    assert evaluate("ucf101", store, split=1, label="random crops").label == "random crops (random weights)"
    assert evaluate("ucf101", store, split=1, label="Random weights").label == "Random weights"
    assert any("random weights" in warning for warning in result.warnings)


def test_a_class_without_training_videos_is_wrong_and_said(tmp_path):
    ids = [v for v in data.ucf_ids() if not (v.startswith("YoYo/") and int(v[-6:-4]) > 7)]
    result = evaluate("ucf101", data.ucf_store(tmp_path, ids), split=1)
    assert result.per_class["YoYo"].value == 0
    assert any("no training video of YoYo" in warning for warning in result.warnings)


def test_unconverged_fits_are_loud(store, monkeypatch):
    def rough(*args, **more):
        found = solve_squared_hinge(*args, **more)
        return replace(found, relative_gaps=found.relative_gaps + 2e-6)

    monkeypatch.setattr("p3d_eval.protocols.classifiers.choice.solve_squared_hinge", rough)
    result = evaluate("ucf101", store, split=1)
    assert not result.converged
    assert any(
        warning.startswith("NOT CONVERGED: split 1: relative duality gap 2.0e-06 is above 1.0e-06")
        for warning in result.warnings
    )


def test_saved_result(store, tmp_path):
    out = tmp_path / "new" / "ucf.json"
    result = evaluate("ucf101", store, out=out, split=1)
    loaded = Result.load(out)
    assert loaded.metrics == result.metrics
    assert loaded.result_id == result.result_id
    np.testing.assert_array_equal(loaded.load_scores(out).scores, result.scores.scores)
    np.testing.assert_array_equal(result.load_scores(out).scores, result.scores.scores)
    assert result.scores_file == loaded.scores_file
    with pytest.raises(UserError, match="exists"):
        evaluate("ucf101", store, out=out, split=1)
    assert evaluate("ucf101", store, out=out, split=2, overwrite=True).result_id != result.result_id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "pool6"}, "unknown layer"),
        ({"split": 4}, "unknown value of split '4'"),
        ({"speed": 3}, "unknown option of ucf101 'speed'"),
        ({"C": "high"}, "C: 'high' is not a float"),
        ({"C": -1}, "C: -1.0 is not positive"),
        ({"tol": 0}, "tol: 0.0 is not positive"),
        ({"tol": 1}, "tol: 1.0 is not below 1"),
        ({"tol": float("nan")}, "tol: nan is not positive"),
        ({"C": "0.1,inf"}, "C: inf is not finite"),
        ({"C": 10**400}, "C: a number of 1329 bits is too large"),
        ({"C": 9e-13}, "C: 9e-13 is not between 1e-12 and 1e\\+12"),
        ({"C": "1,2e12"}, "C: 2000000000000.0 is not between"),
        ({"seed": -1}, "seed: -1 is negative"),
        ({"seed": 2**32}, "seed: 4294967296 is not below 4294967296"),
        ({"seed": True}, "seed: True is not an int"),
        ({"splits": "/nowhere"}, "/nowhere: no such file or folder"),
    ],
)
def test_wrong_options(store, options, message):
    with pytest.raises(UserError, match=message) as caught:
        evaluate("ucf101", store, **options)
    assert "\n" not in caught.value.message


def test_incomplete_and_nan_features(tmp_path):
    """NaN can be in a file only by writing past the checks."""
    path = data.ucf_store(tmp_path).path
    whole = bytearray(path.read_bytes())
    first = np.asarray(open_features(path)["pool5"])[0].tobytes()
    at = whole.index(first)
    whole[at : at + 4] = np.float32(np.nan).tobytes()
    path.write_bytes(whole)
    with pytest.raises(UserError, match=r"ucf.h5: .*'ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01' has NaN"):
        evaluate("ucf101", path)
    with pytest.raises(UserError, match="nowhere.h5"):
        evaluate("ucf101", tmp_path / "nowhere.h5")


def test_ambiguous_ids(tmp_path):
    ids = [*data.ucf_ids(), "copy/YoYo/v_YoYo_g01_c01"]
    path = write_store(tmp_path / "twice.h5", ids, {"pool5": np.ones((len(ids), 2))})
    with pytest.raises(UserError, match="are this video"):
        evaluate("ucf101", path)
