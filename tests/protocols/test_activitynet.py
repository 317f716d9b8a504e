"""ActivityNet against a plain rendering of the official rules, on lists with ties, repetitions and gaps."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.activitynet_rules import Predictions, average_precision, hits_at_k
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.metrics import activitynet_average_precision, activitynet_hit_at_k

LABELS = ("Archery", "Ballet", "Curling")


def oracle_hits(rows, truth, k):
    """Hit@k and average Hit@k, from lists of (video, label, score) as the facts tell them."""
    shares = []
    for video, own in truth.items():
        listed = [(score, place, label) for place, (name, label, score) in enumerate(rows) if name == video]
        top = [label for _, _, label in sorted(listed, reverse=True)[:k]]
        shares.append(sum(label in top for label in own) / len(own))
    return sum(map(math.ceil, shares)) / len(shares), sum(shares) / len(shares)


def oracle_ap(rows, truth, label):
    """All-point interpolated average precision of one class."""
    positives = {video for video, own in truth.items() if label in own}
    ranked = sorted(((score, place, name) for place, (name, own, score) in enumerate(rows) if own == label))[
        ::-1
    ]
    met, true = set(), []
    for _, _, name in ranked:
        true.append(name in positives and name not in met)
        if true[-1]:
            met.add(name)
    recall, precision = [0.0], [0.0]
    for rank in range(1, len(true) + 1):
        recall.append(sum(true[:rank]) / len(positives))
        precision.append(sum(true[:rank]) / rank)
    recall, precision = [*recall, 1.0], [*precision, 0.0]
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    return sum((recall[i] - recall[i - 1]) * precision[i] for i in range(1, len(recall)))


def as_arrays(rows, truth):
    videos, classes = list(truth), list(dict.fromkeys(label for own in truth.values() for label in own))
    wanted = np.array([[label in own for label in classes] for own in truth.values()])
    numbers = [(videos.index(v) if v in truth else -1, classes.index(label), score) for v, label, score in rows]
    columns = list(zip(*numbers, strict=True)) or [(), (), ()]
    return (
        Predictions(np.array(columns[0], int), np.array(columns[1], int), np.array(columns[2], float)),
        wanted,
        classes,
    )


truths = st.lists(
    st.lists(st.sampled_from(LABELS), min_size=1, max_size=3, unique=True), min_size=1, max_size=8
)


@settings(deadline=None, max_examples=150)
@given(truths, st.data())
def test_rules_on_any_list(labels, data):
    """Few distinct scores make ties; names may be unknown, pairs repeated, videos left out."""
    truth = {f"v{n}": own for n, own in enumerate(labels)}
    known = sorted({label for own in labels for label in own})
    row = st.tuples(
        st.sampled_from([*truth, "elsewhere"]), st.sampled_from(known), st.sampled_from([-1.0, 0.0, 0.5, 2.0])
    )
    rows = data.draw(st.lists(row, max_size=40))
    predictions, wanted, classes = as_arrays(rows, truth)
    for k in (1, 3):
        shares = hits_at_k(predictions, wanted, k)
        hit, average = oracle_hits(rows, truth, k)
        assert np.ceil(shares).mean() == pytest.approx(hit, abs=1e-12)
        assert shares.mean() == pytest.approx(average, abs=1e-12)
    for label, value in zip(classes, average_precision(predictions, wanted), strict=True):
        assert value == pytest.approx(oracle_ap(rows, truth, label), abs=1e-12)


def test_list_and_matrix_agree():
    generator = np.random.default_rng(0)
    scores, wanted = generator.integers(5, size=(50, 4)).astype(float), generator.random((50, 4)) < 0.3
    wanted[~wanted.any(axis=1), 0] = True
    scores[generator.random((50, 4)) < 0.2] = -np.inf
    video, label = np.nonzero(scores > -np.inf)
    predictions = Predictions(video, label, scores[video, label])
    np.testing.assert_array_equal(predictions.matrix(50, 4), scores)
    np.testing.assert_allclose(
        average_precision(predictions, wanted), activitynet_average_precision(scores, wanted)
    )
    for k in (1, 3):
        shares = hits_at_k(predictions, wanted, k)
        assert activitynet_hit_at_k(scores, wanted, k) == pytest.approx((np.ceil(shares).mean(), shares.mean()))


def document(truth, train):
    """Official form: segments repeat labels, testing videos have none."""
    database = {}
    for subset, videos in (("training", train), ("validation", truth)):
        for video, own in videos.items():
            annotations = [{"label": label, "segment": [0.0, 1.0]} for label in (*own, own[0])]
            database[video] = {"subset": subset, "annotations": annotations, "duration": 1.0, "url": "u"}
    database["hidden"] = {"subset": "testing", "annotations": []}
    return {"database": database, "taxonomy": [], "version": "VERSION 1.3"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """30 training and 24 validation videos of three classes, every sixth of two."""
    folder = tmp_path_factory.mktemp("activitynet")
    generator = np.random.default_rng(1)

    def labels(n):
        return (LABELS[n % 3], LABELS[(n + 1) % 3]) if n % 6 == 5 else (LABELS[n % 3],)

    train = {f"train{n:06d}": labels(n) for n in range(30)}
    truth = {f"valid{n:06d}": labels(n) for n in range(24)}
    (folder / "activity_net.v1-3.min.json").write_text(json.dumps(document(truth, train)))
    both = train | truth
    shown = np.array([[label in own for label in LABELS] for own in both.values()])
    X = np.abs(shown @ generator.normal(size=(3, 10)) + 1.2 * generator.normal(size=(54, 10)))
    path = write_store(folder / "a.h5", [f"anet/v_{video}" for video in both], {"pool5": X})
    return open_features(path), folder, truth, X, shown


def test_against_scikit_learn_and_the_oracle(made):
    store, _, truth, X, shown = made
    result = evaluate("activitynet", store)
    model = OneVsRestClassifier(LinearSVC(dual=True, tol=1e-9, max_iter=10**6))
    X = normalize(X)
    scores = model.fit(X[:30], shown[:30]).decision_function(X[30:])
    np.testing.assert_allclose(result.scores.scores, scores, atol=1e-4)
    rows = [
        (video, label, score)
        for video, own in zip(truth, result.scores.scores.tolist(), strict=True)
        for label, score in zip(LABELS, own, strict=True)
    ]
    for k in (1, 3):
        hit, average = oracle_hits(rows, truth, k)
        assert result.metrics[f"top{k}"].value == pytest.approx(hit)
        assert result.metrics[f"avg_top{k}"].value == pytest.approx(average)
    precisions = [oracle_ap(rows, truth, label) for label in LABELS]
    assert [result.per_class[label].value for label in LABELS] == pytest.approx(precisions)
    assert result.metrics["map"].value == pytest.approx(np.mean(precisions))
    sklearn_map = np.mean(
        [average_precision_score(shown[30:, c], result.scores.scores[:, c]) for c in range(3)]
    )
    assert result.metrics["map_sklearn"].value == pytest.approx(sklearn_map)
    assert 0.4 < result.metrics["map"].value < 1
    assert result.metrics["map"].low < result.metrics["map"].value < result.metrics["map"].high
    assert (result.splits[0].n_train, result.splits[0].n_test) == (30, 24)
    assert not result.annotations["official"]
    assert result.annotations["deviations"][0] == "30 training videos of 10,024"


def test_written_predictions_give_the_same_numbers(made, tmp_path):
    store, folder, truth, *_ = made
    path = tmp_path / "pred.json"
    result = evaluate("activitynet", store, write_predictions=path)
    content = json.loads(path.read_text())
    assert set(content) == {"version", "results", "external_data"}
    assert list(content["results"]) == list(truth), "YouTube ids, without v_"
    assert all(len(own) == 3 for own in content["results"].values())
    judged = evaluate("activitynet", predictions=path, annotations=folder / "activity_net.v1-3.min.json")
    assert judged.metrics == result.metrics
    assert judged.per_class == result.per_class
    assert judged.label == "pred"
    np.testing.assert_array_equal(judged.scores.scores, result.scores.scores)
    with pytest.raises(UserError, match="exists"):
        evaluate("activitynet", store, write_predictions=path)
    again = evaluate("activitynet", predictions=path, annotations=folder)
    assert again.result_id == judged.result_id != result.result_id


def test_videos_gone_from_the_web(made, tmp_path):
    store, folder, _truth, X, _ = made
    gone = {"anet/v_valid000003", "anet/v_valid000004", "anet/v_train000007"}
    keep = [row for row, video in enumerate(store.ids) if video not in gone]
    path = write_store(tmp_path / "part.h5", [store.ids[row] for row in keep], {"pool5": X[keep]})
    with pytest.raises(UserError, match="3 of 54 videos"):
        evaluate("activitynet", path, annotations=folder)
    wrong = evaluate("activitynet", path, annotations=folder, allow_missing="wrong")
    excluded = evaluate("activitynet", path, annotations=folder, allow_missing="excluded")
    assert [variant.name for variant in wrong.variants] == ["missing videos excluded"]
    assert wrong.variants[0].metrics == excluded.metrics
    assert excluded.variants[0].metrics == wrong.metrics
    assert wrong.metrics["top1"].value == pytest.approx(excluded.metrics["top1"].value * 22 / 24)
    assert (wrong.splits[0].n_test, excluded.splits[0].n_test) == (24, 22)
    written = tmp_path / "pred.json"
    evaluate("activitynet", path, annotations=folder, allow_missing="wrong", write_predictions=written)
    for how, expected in (("wrong", wrong), ("excluded", excluded)):
        judged = evaluate("activitynet", predictions=written, annotations=folder, allow_missing=how)
        assert judged.metrics == expected.metrics
        assert judged.variants[0].metrics == expected.variants[0].metrics
        assert judged.coverage.missing == ("valid000003", "valid000004")


def predictions_of(truth, **more):
    results = {video: [{"label": label, "score": 0.5} for label in LABELS] for video in truth}
    return {"version": "VERSION 1.3", "results": results | more, "external_data": {}}


def test_lists_that_a_matrix_cannot_hold(made, tmp_path):
    _, folder, truth, *_ = made
    video = next(iter(truth))
    repeated = [
        {"label": "Ballet", "score": 2},
        {"label": "Ballet", "score": 1},
        {"label": "Archery", "score": 0},
    ]
    path = tmp_path / "odd.json"
    elsewhere = {"somewhere_e": [{"label": "Archery", "score": 9}]}
    path.write_text(json.dumps(predictions_of(truth, **{video: repeated}, **elsewhere)))
    result = evaluate("activitynet", predictions=path, annotations=folder)
    rows = [
        (v, e["label"], e["score"]) for v, own in json.loads(path.read_text())["results"].items() for e in own
    ]
    assert result.metrics["top1"].value == pytest.approx(oracle_hits(rows, truth, 1)[0])
    assert result.metrics["avg_top3"].value == pytest.approx(oracle_hits(rows, truth, 3)[1])
    assert result.metrics["map"].value == pytest.approx(np.mean([oracle_ap(rows, truth, c) for c in LABELS]))
    assert "no interval" in result.metrics["map"].method
    assert any("1 prediction repeats a label of its video" in warning for warning in result.warnings)
    assert any("1 prediction is of a video that is not tested" in warning for warning in result.warnings)


@pytest.mark.parametrize("seed", range(4))
def test_equal_scores_are_ranked_by_their_places_in_the_file(made, tmp_path, seed):
    """As the official evaluation does of up to 16 predictions of a class, where its sort is stable."""
    _, folder, truth, *_ = made
    generator = np.random.default_rng(seed)
    videos = generator.permutation(list(truth))[:15].tolist()
    results = {v: [{"label": c, "score": float(generator.integers(2))} for c in LABELS] for v in videos}
    path = tmp_path / "tied.json"
    path.write_text(json.dumps(predictions_of({}, **results)))
    result = evaluate("activitynet", predictions=path, annotations=folder)
    rows = [(v, e["label"], e["score"]) for v, own in results.items() for e in own]
    expected = [oracle_ap(rows, truth, label) for label in LABELS]
    assert [result.per_class[label].value for label in LABELS] == pytest.approx(expected, abs=1e-12)
    assert result.metrics["map"].value == pytest.approx(np.mean(expected), abs=1e-12)


def test_a_class_without_videos_is_no_part_of_the_mean_of_a_list_that_repeats(made, tmp_path):
    _, folder, truth, *_ = made
    video = next(video for video, own in truth.items() if own == ("Archery",))
    twice = [{"label": "Archery", "score": 1}, {"label": "Archery", "score": 2}]
    path = tmp_path / "one.json"
    path.write_text(json.dumps(predictions_of({}, **{video: twice})))
    result = evaluate("activitynet", predictions=path, annotations=folder, allow_missing="excluded")
    assert result.metrics["map"].value == 1
    assert result.per_class["Ballet"].value is None
    assert result.per_class["Ballet"].reason == "no videos of this class"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 10**6, "nested too deeply"),
        ("{", "not JSON"),
        ("[]", "is not a JSON object"),
        ('{"results": {}}', "no 'version' and no 'external_data'"),
        (predictions_of({}), "no prediction of any of the 24 tested videos"),
        (
            predictions_of({"valid000001": 0}, valid000001=[{"label": "Balet", "score": 1}]),
            "unknown label 'Balet'",
        ),
        (
            predictions_of({}, valid000001=[{"label": "Ballet", "score": math.nan}]),
            "NaN is not a finite number",
        ),
        (predictions_of({}, valid000001=[{"label": "Ballet", "score": math.inf}]), "Infinity is not a finite"),
        (predictions_of({}, valid000001=[{"label": "Ballet", "score": 10**400}]), "not a finite number"),
        (predictions_of({}, valid000001=[{"label": "Ballet", "score": "1"}]), "'1', not a number"),
        (predictions_of({}, valid000001=[{"label": "Ballet", "score": True}]), "'True', not a number"),
        (predictions_of({}, valid000001=[{"label": "Ballet"}]), "'None', not a number"),
        (predictions_of({}, valid000001=[{"score": 1}]), "a label of video 'valid000001' is 'None'"),
        (predictions_of({}, valid000001={"label": "Ballet"}), "is not a JSON list"),
        (predictions_of({"v_valid000001": 0, "valid000001": 0}), "are one video"),
        ('{"version": 1, "results": {"a": [], "a": []}, "external_data": 0}', "'a' is listed twice"),
        (b"\xff\xfe{\x00}\x00", "not a text file"),
    ],
)
def test_wrong_predictions(made, tmp_path, content, message):
    path = tmp_path / "bad.json"
    text = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=message) as caught:
        evaluate("activitynet", predictions=path, annotations=made[1])
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400


def test_what_does_not_go_together(made, tmp_path):
    store, folder, *_ = made
    (tmp_path / "p.json").write_text(json.dumps(predictions_of({})))
    with pytest.raises(UserError, match="a feature file is needed"):
        evaluate("activitynet")
    with pytest.raises(UserError, match="without features"):
        evaluate("activitynet", store, predictions=tmp_path / "p.json")
    with pytest.raises(UserError, match="C: 10.0 has no effect: a file of predictions") as caught:
        evaluate("activitynet", predictions=tmp_path / "p.json", annotations=folder, C=10)
    assert caught.value.hint == "Leave --C out"
    with pytest.raises(UserError, match="no official file of predictions"):
        evaluate("ucf101", store, predictions=tmp_path / "p.json")
    with pytest.raises(UserError, match="cannot be read"):
        evaluate("activitynet", predictions=tmp_path / "absent.json", annotations=folder)
    with pytest.raises(UserError, match="is named for two outputs"):
        evaluate("activitynet", store, out=tmp_path / "o.json", write_predictions=tmp_path / "o.json")
    with pytest.raises(UserError, match="its labels are withheld"):
        evaluate("activitynet", store, subset="testing")


def test_predictions_without_annotations_are_not_taken_for_a_feature_file(tmp_path, monkeypatch):
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "nothing"))
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"version": "VERSION 1.3", "results": {}, "external_data": {}}))
    with pytest.raises(UserError, match="no annotations: --annotations not given, no activity_net") as caught:
        evaluate("activitynet", predictions=path)
    assert caught.value.hint.startswith("Give --annotations; official file:")
