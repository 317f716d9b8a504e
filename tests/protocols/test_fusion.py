"""Early and late fusion of two feature files against scikit-learn, and weights chosen without the test."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC
from typer.testing import CliRunner

from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols import task_features
from p3d_eval.protocols.coordinates import coordinates
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.fusion import fuse_scores, weight_grid
from tests.support import protocol_data as data


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Return two files of the same videos: the second in another order, under other folders, as 'fv'."""
    folder = tmp_path_factory.mktemp("fusion")
    first = data.ucf_store(folder, spread=0.7)
    draw = np.random.default_rng(5)
    ids = draw.permutation(list(first.ids)).tolist()
    actions = sorted({video.split("/")[0] for video in ids})
    centres = draw.normal(size=(len(actions), 10))
    values = np.array([centres[actions.index(video.split("/")[0])] for video in ids])
    values = np.abs(0.7 * values + draw.normal(size=values.shape))
    names = [f"idt/{video}" for video in ids]
    provenance = {"backbone": "idt"}
    second = open_features(write_store(folder / "idt.h5", names, {"fv": values}, provenance=provenance))
    return first, second


def blocks(stores):
    """Both files' rows in the first one's order, normalised; labels and split 1's test rows."""
    first, second = stores
    ids = list(first.ids)
    X = normalize(first["pool5"].rows(ids).astype(float))
    Y = normalize(second["fv"].rows([f"idt/{video}" for video in ids]).astype(float))
    y = np.array([video.split("/")[0] for video in ids])
    group = np.array([int(video.split("_g")[-1][:2]) for video in ids])
    return X, Y, y, group <= 7


def decisions(X, y, test):
    model = LinearSVC(dual=True, tol=1e-10, max_iter=10**6, random_state=0).fit(X[~test], y[~test])
    return model.decision_function(X[test])


def in_order(result, stores, test):
    """Scores of split 1 in the first file's order."""
    place = {video: row for row, video in enumerate(result.scores.ids.tolist())}
    return result.scores.scores[[place[video] for video in np.array(stores[0].ids)[test]]]


def test_early_fusion_is_one_classifier_on_both_blocks(stores):
    X, Y, y, test = blocks(stores)
    result = evaluate("ucf101", stores, layer="pool5,fv", split=1)
    expected = decisions(np.hstack([X, Y]), y, test)
    np.testing.assert_allclose(in_order(result, stores, test), expected, atol=1e-4)
    weighted = evaluate("ucf101", stores, layer="pool5,fv", split=1, weights="3,1")
    expected = decisions(np.hstack([X * np.sqrt(1.5), Y * np.sqrt(0.5)]), y, test)
    np.testing.assert_allclose(in_order(weighted, stores, test), expected, atol=1e-4)
    assert result.label == f"{stores[0].label} + idt"
    assert [part["layers"] for part in result.features["parts"]] == [["pool5"], ["fv"]]
    assert (result.options["fusion"], result.options["weights"]) == ("early", [0.5, 0.5])
    assert result.result_id != weighted.result_id


def test_late_fusion_averages_scores(stores):
    X, Y, y, test = blocks(stores)
    own = [decisions(block, y, test) for block in (X, Y)]
    late = evaluate("ucf101", stores, layer="pool5,fv", split=1, fusion="late", weights="0.25,0.75")
    np.testing.assert_allclose(in_order(late, stores, test), 0.25 * own[0] + 0.75 * own[1], atol=1e-4)
    soft = evaluate("ucf101", stores, layer="pool5,fv", split=1, fusion="late-softmax")
    expected = (softmax(own[0], axis=1) + softmax(own[1], axis=1)) / 2
    np.testing.assert_allclose(in_order(soft, stores, test), expected, atol=1e-4)
    assert len(late.certificates) == 2
    assert late.converged


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_weights_are_chosen_on_training_videos_alone(stores, fusion):
    """What the test videos hold changes no choice: with their features overwritten the weights are the same."""
    one, two = stores
    result = evaluate("ucf101", stores, layer="pool5,fv", split=1, fusion=fusion, weights="cv")
    (split,) = result.splits
    tried = split.chosen["weights tried"]
    assert len(tried) == 11
    best = max(tried.values())
    even_first = sorted((w for w, share in tried.items() if share == best), key=lambda w: _unevenness(w))
    assert split.chosen["weights"] == [float(weight) for weight in even_first[0].split()]
    assert any("cross validation of weights" in one.problem for one in result.certificates)
    first, second = split.chosen["weights"]
    assert f"weights chosen for split 1: {first:g}, {second:g}" in result.choices

    values = np.asarray(two["fv"], np.float64).copy()
    tested = [int(video.split("_g")[-1][:2]) <= 7 for video in two.ids]
    values[tested] = np.random.default_rng(1).random(values[tested].shape)
    other = write_store(two.path.with_name(f"{fusion}.h5"), two.ids, {"fv": values})
    changed = evaluate("ucf101", [one, other], layer="pool5,fv", split=1, fusion=fusion, weights="cv")
    assert changed.splits[0].chosen["weights tried"] == tried


def _unevenness(text):
    weights = [float(weight) for weight in text.split()]
    return (round(sum(weight**2 for weight in weights), 9), weights)


def test_leave_one_out_fuses_too(stores):
    from p3d_eval.protocols.leave_one_out import leave_one_out

    X, Y, y, test = blocks(stores)
    keep = np.flatnonzero(test)
    ids = [stores[0].ids[row] for row in keep]
    folder = stores[0].path.parent
    parts = [
        write_store(folder / f"part{number}.h5", ids, {"pool5": block[keep]})
        for number, block in enumerate((X, Y))
    ]
    result = evaluate("scenes", parts)
    found = leave_one_out(normalize(np.hstack([X[keep], Y[keep]]), axis=1) * np.sqrt(2), y[keep])
    np.testing.assert_allclose(result.scores.scores, found.values, atol=1e-5)


def _lists(folder, ids):
    """Write the official lists of these videos."""
    for name, content in data.ucf_lists(list(ids)).items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("fusion", ["early", "late"])
def test_huge_layers_are_fused_by_coordinates(stores, monkeypatch, fusion):
    """Of layers that are never held, fusion gives what it gives of held ones."""
    options = {"layer": "pool5,fv", "split": 1, "fusion": fusion, "weights": "0.3,0.7"}
    held = evaluate("ucf101", stores, **options)
    made = []
    monkeypatch.setattr(task_features, "_HELD_BYTES", 0)
    monkeypatch.setattr(task_features, "_WIDER", 0)
    monkeypatch.setattr(task_features, "coordinates", lambda gram: made.append(gram.shape) or coordinates(gram))
    unheld = evaluate("ucf101", stores, **options)
    assert made == [(200, 200)] * 2
    np.testing.assert_allclose(unheld.scores.scores, held.scores.scores, atol=1e-5)


def test_a_video_that_one_file_lacks_is_missing(stores, tmp_path):
    folder = tmp_path
    first, second = stores
    kept = [video for video in second.ids if not video.endswith("YoYo_g03_c01")]
    less = write_store(second.path.with_name("less.h5"), kept, {"fv": second["fv"].rows(kept)})
    told = "less.h5: 1 of 200 videos of the splits have no features: YoYo/v_YoYo_g03_c01"
    with pytest.raises(UserError, match=told) as refused:
        evaluate("ucf101", [first, less], layer="pool5,fv")
    assert str(first.path) not in refused.value.message
    with pytest.raises(UserError, match=told):
        evaluate("ucf101", [less, first], layer="fv,pool5", splits=_lists(folder, first.ids))
    result = evaluate("ucf101", [first, less], layer="pool5,fv", allow_missing="excluded", split=1)
    assert result.coverage.missing == ("YoYo/v_YoYo_g03_c01",)


def test_random_weights_of_one_file_are_said(stores):
    weights = {"source": "random", "sha256": "0" * 64, "random": True}
    first, second = stores
    path = second.path.with_name("random.h5")
    random = write_store(path, second.ids, {"fv": np.asarray(second["fv"])}, provenance={"weights": weights})
    result = evaluate("ucf101", [first, random], layer="pool5,fv", split=1)
    assert any("random weights" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layer": "pool5"}, "unknown layer in .*idt.h5 'pool5'"),
        ({"layer": "pool5,fv,x"}, "3 names in 'pool5,fv,x' for 2 feature files"),
        ({"layer": "pool5,fv", "fusion": "erly"}, "unknown fusion 'erly'"),
        ({"layer": "pool5,fv", "weights": "1"}, "1 in '1' for 2 feature files"),
        ({"layer": "pool5,fv", "weights": "1,a"}, "'1,a' are no numbers"),
        ({"layer": "pool5,fv", "weights": "1,-1"}, "must not be negative"),
        ({"layer": "pool5,fv", "weights": "0,0"}, "nor all zero"),
        ({"layer": "pool5,fv", "weights": "1,nan"}, "must not be negative, nor all zero"),
        (
            {"layer": "pool5,fv", "weights": "1,3", "normalise": "zscore"},
            "zscore after early fusion undoes them",
        ),
    ],
)
def test_bad_options(stores, options, message):
    with pytest.raises(UserError, match=message):
        evaluate("ucf101", stores, **options)


def test_one_file_or_the_same_twice(stores):
    with pytest.raises(UserError, match="fusion needs two feature files"):
        evaluate("ucf101", stores[0], fusion="late")
    with pytest.raises(UserError, match="holds the same features as a file before it"):
        evaluate("ucf101", [stores[0], stores[0].path])
    with pytest.raises(UserError, match="aslan takes one feature file, not 2"):
        evaluate("aslan", stores)
    with pytest.raises(UserError, match="weights: cv is not possible where videos are left out in turn"):
        evaluate("scenes", stores, layer="pool5,fv", weights="cv")


def test_the_command(stores, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    files = [word for store in stores for word in ("--features", str(store.path))]
    out = tmp_path / "fused.json"
    words = ["ucf101", *files, "--layer", "pool5,fv", "--fusion", "late", "--out", str(out)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "late fusion: weighted mean of the classifiers' scores; weights 0.5, 0.5" in out.read_text()
    assert "+ idt" in done.output


def test_the_grid_of_weights():
    assert weight_grid(2)[0] == (0.5, 0.5)
    assert set(weight_grid(2)) == {(k / 10, (10 - k) / 10) for k in range(11)}
    assert all(sum(weights) == pytest.approx(1) for weights in weight_grid(4))


@pytest.mark.filterwarnings("error")
def test_a_class_that_no_file_was_taught_is_never_guessed():
    one, two = np.array([[0.5, -np.inf, -2.0]]), np.array([[1.5, -np.inf, 4.0]])
    for weights in ((0.5, 0.5), (1.0, 0.0), (0.0, 1.0)):
        found = fuse_scores([one, two], weights, "late")
        np.testing.assert_array_equal(found[0, 1], -np.inf)
        np.testing.assert_allclose(found[0, ::2], weights[0] * one[0, ::2] + weights[1] * two[0, ::2])
    np.testing.assert_allclose(fuse_scores([one, two], (0.5, 0.5), "late-softmax").sum(), 1)


def test_late_fusion_says_the_c_of_each_file(stores):
    result = evaluate("ucf101", stores, layer="pool5,fv", split=1, fusion="late", C="0.001,100")
    first, second = (part["C"] for part in result.splits[0].chosen["parts"])
    assert any(f"(1: {first:g} and {second:g})" in choice for choice in result.choices)
