"""Scene recognition against loops over the videos with scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import LeaveOneGroupOut, LeaveOneOut
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.leave_one_out import leave_one_out

CLASSES = ("beach", "elevator", "forest fire", "sky-clouds")


def make_store(folder, per_class=7, seed=0, ids=None, **more):
    """Videos CLASS/NN with 12 non-negative values; classes overlap."""
    draw = np.random.default_rng(seed)
    names = [f"{name}/{name}_{number:02}" for name in CLASSES for number in range(per_class)]
    centres = 0.9 * draw.normal(size=(len(CLASSES), 12))
    values = np.abs(np.repeat(centres, per_class, 0) + draw.normal(size=(len(names), 12)))
    keep = [row for row, name in enumerate(names) if ids is None or name in ids]
    chosen = [names[row] for row in keep]
    return open_features(write_store(folder / "scenes.h5", chosen, {"pool5": values[keep]}, **more))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("scenes"))


def svc(C=1.0):
    return LinearSVC(C=C, dual=True, tol=1e-10, max_iter=10**7, random_state=0)


def loop(store, fit_predict, groups=None):
    """Decision values or predictions of every video by who has not seen its group."""
    X = normalize(np.asarray(store["pool5"], np.float64))
    y = np.array([video.split("/")[0] for video in store.ids])
    splitter = LeaveOneOut() if groups is None else LeaveOneGroupOut()
    found = [None] * len(y)
    for train, test in splitter.split(X, y, groups):
        for row, value in zip(test, fit_predict(X[train], y[train], X[test]), strict=True):
            found[row] = value
    return np.array(found), y


def test_each_video_is_judged_by_a_classifier_that_has_not_seen_it(store):
    result = evaluate("scenes", store)
    values, y = loop(store, lambda X, t, held: svc().fit(X, t).decision_function(held))
    np.testing.assert_allclose(result.scores.scores, values, atol=2e-5)  # LinearSVC's own tolerance
    right = np.array(CLASSES)[values.argmax(1)] == y
    assert 0.3 < right.mean() < 1, "the comparison needs some errors"
    accuracy = result.metrics["accuracy"]
    assert accuracy.value == pytest.approx(right.mean())
    assert accuracy.low < accuracy.value < accuracy.high
    for name in CLASSES:
        assert result.per_class[name].value == pytest.approx(right[y == name].mean())
    assert result.scores.ids.tolist() == list(store.ids)
    (split,) = result.splits
    assert (split.n_train, split.n_test) == (27, 28)
    (certificate,) = result.certificates
    assert certificate.converged
    assert certificate.problems == 28 * 4
    assert certificate.measure == "KKT residual"
    assert any("each video left out in turn: 28 folds, 112 binary problems" in c for c in result.choices)


def test_videos_of_a_group_leave_together(store, tmp_path):
    groups = [f"{video.split('/')[0]} {int(video[-2:]) // 2}" for video in store.ids]
    rows = [f"{v}.avi,{v.split('/')[0]},{g}" for v, g in zip(store.ids, groups, strict=True)]
    table = tmp_path / "mine.csv"
    table.write_text("id,label,group\n" + "\n".join(rows))
    result = evaluate("scenes", store, labels=table)
    values, y = loop(store, lambda X, t, held: svc().fit(X, t).decision_function(held), groups)
    np.testing.assert_allclose(result.scores.scores, values, atol=2e-5)
    assert result.metrics["accuracy"].value == pytest.approx((np.array(CLASSES)[values.argmax(1)] == y).mean())
    assert "16 group clusters" in result.metrics["accuracy"].method
    assert any("each group of videos left out in turn: 16 folds" in c for c in result.choices)


def test_what_is_learned_is_learned_in_each_fold(store):
    def standardised(X, t, held):
        scaler = StandardScaler().fit(X)
        return svc().fit(scaler.transform(X), t).decision_function(scaler.transform(held))

    raw = open_features(store.path)
    result = evaluate("scenes", raw, normalise="zscore")
    X = np.asarray(raw["pool5"], np.float64)
    y = np.array([video.split("/")[0] for video in raw.ids])
    values = np.array(
        [standardised(X[train], y[train], X[test])[0] for train, test in LeaveOneOut().split(X, y)]
    )
    np.testing.assert_allclose(result.scores.scores, values, atol=1e-4)
    assert any("28 folds: each trained on its own" in c for c in result.choices)
    assert result.converged


def test_other_classifiers_and_components_go_by_a_loop(store):
    def neighbours(X, t, held):
        return KNeighborsClassifier(1).fit(X, t).predict(held)

    predicted, y = loop(store, neighbours)
    result = evaluate("scenes", store, classifier="knn", neighbours=1)
    assert result.metrics["accuracy"].value == pytest.approx((predicted == y).mean())

    def components(X, t, held):
        pca = PCA(3, svd_solver="full").fit(X)
        return svc().fit(pca.transform(X), t).predict(pca.transform(held))

    predicted, y = loop(store, components)
    swept = evaluate("scenes", store, pca="5,3")
    (five, three) = swept.variants
    assert (five.name, three.name) == ("pca 5", "pca 3")
    assert three.metrics["accuracy"].value == pytest.approx((predicted == y).mean())
    assert swept.converged
    assert swept.metrics["accuracy"].value == evaluate("scenes", store).metrics["accuracy"].value


def test_c_is_chosen_in_each_fold(store):
    result = evaluate("scenes", store, C="0.1,10", pca="2")
    (split,) = result.splits
    counts = split.chosen["folds"]
    assert sum(counts.values()) == 28
    told = ", ".join(f"{C} in {count} fold{'s' if count > 1 else ''}" for C, count in counts.items())
    assert result.choices[2].endswith(f"the smaller of equals (leave one out: {told})")
    assert sum(result.variants[0].options["chosen"]["leave one out"]["folds"].values()) == 28


def test_missing_videos(tmp_path):
    gone = "beach/beach_03"
    everything = [f"{name}/{name}_{number:02}" for name in CLASSES for number in range(7)]
    store = make_store(tmp_path, ids=set(everything) - {gone}, failed={gone: "broken"})
    with pytest.raises(UserError, match=f"1 of 28 videos of the splits have no features: {gone}"):
        evaluate("scenes", store)
    wrong = evaluate("scenes", store, allow_missing="wrong")
    excluded = evaluate("scenes", store, allow_missing="excluded")
    assert wrong.metrics["accuracy"].value * 28 == pytest.approx(excluded.metrics["accuracy"].value * 27)


def test_sets_of_a_known_size_say_when_it_is_another(store, tmp_path):
    result = evaluate("yupenn", store)
    assert result.annotations["official"] is False
    assert any("YUPENN has 14 classes of 30 videos, here are 4 with 28 videos" in w for w in result.warnings)
    names = [f"{k:02}/{v}" for k in range(13) for v in range(10)]
    values = np.abs(np.random.default_rng(0).normal(size=(130, 8)))
    whole = open_features(write_store(tmp_path / "d.h5", names, {"pool5": values}))
    found = evaluate("dynamic-scenes", whole)
    assert found.annotations["official"] is True
    assert not any("Dynamic Scene has" in warning for warning in found.warnings)


def test_bad_input(tmp_path):
    loose = open_features(write_store(tmp_path / "a.h5", ["a", "b/c"], {"pool5": np.eye(2)}))
    with pytest.raises(UserError, match="1 video lies in no folder that could be their class: a"):
        evaluate("scenes", loose)
    single = open_features(write_store(tmp_path / "b.h5", ["x/1", "x/2", "y/1"], {"pool5": np.eye(3)}))
    with pytest.raises(UserError, match="without the video 'y/1' only one class remains"):
        evaluate("scenes", single)
    table = tmp_path / "t.csv"
    for text, message in (
        ("id,label\nx/1,a\n", "one video alone, 'x/1'"),
        ("id,label\nx/1,a\nx/2,a\n", "all videos are of one class, 'a'"),
    ):
        table.write_text(text)
        with pytest.raises(UserError, match=message):
            evaluate("scenes", single, labels=table)
    table.write_text("id,label,group\nx/1,a,g\nx/2,b,g\ny/1,b,g\n")
    with pytest.raises(UserError, match="all videos are of the group 'g'"):
        evaluate("scenes", single, labels=table)


def test_a_residual_that_is_missed_is_loud_by_its_name(store, monkeypatch):
    def rough(*arguments, **options):
        return replace(leave_one_out(*arguments, **options), residual=3e-10)

    monkeypatch.setattr("p3d_eval.protocols.left_out.leave_one_out", rough)
    result = evaluate("scenes", store)
    assert not result.converged
    assert any(
        one.startswith("NOT CONVERGED: leave one out: KKT residual 3.0e-10 is above 1.0e-10")
        for one in result.warnings
    )
