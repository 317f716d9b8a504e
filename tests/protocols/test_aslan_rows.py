"""Single similarities and layers, a threshold on the cosine, View 1, and the readings of what is not stated."""

import numpy as np
import pytest
import scipy.io
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.svm import LinearSVC
from typer.testing import CliRunner

from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.annotations import aslan_view1
from p3d_eval.protocols.aslan_rows import best_threshold
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.metrics import roc_points
from p3d_eval.protocols.similarities import SIMILARITIES, pair_similarities
from tests.protocols.test_aslan import vectors
from tests.support import protocol_data as data

TABLE = data.pair_table(folds=4)
ROWS = np.moveaxis(TABLE, 2, 0).reshape(-1, 5).astype(int)
FOLD = np.repeat(np.arange(4), TABLE.shape[0])
SAME = ROWS[:, 2] == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")
    data.aslan_store(folder, TABLE)
    (folder / "View2.mat").write_bytes(data.mat_bytes(TABLE))
    return folder


@pytest.fixture(scope="module")
def result(folder):
    return evaluate("aslan", folder / "aslan.h5", rows=True)


def folds_of(decide):
    """Accuracy of each fold, and all decision values, of who is trained on the other folds."""
    decision = np.empty(len(ROWS))
    for fold in range(4):
        decision[fold == FOLD] = decide(fold != FOLD, fold == FOLD)
    right = (decision > 0) == SAME
    return [right[fold == FOLD].mean() for fold in range(4)], decision


def linear(columns):
    V = vectors(TABLE)[:, columns]

    def decide(train, test):
        scaler = StandardScaler().fit(V[train])
        model = LinearSVC(dual=True, tol=1e-9, max_iter=10**6, random_state=0)
        return model.fit(scaler.transform(V[train]), SAME[train]).decision_function(scaler.transform(V[test]))

    return folds_of(decide)


@pytest.mark.parametrize(
    ("similarity", "layer", "columns"),
    [
        ("L1", "res5c", [12 + 6]),
        ("cosine", "prob", [4]),
        ("symmetric KL, normalised", "all", [9, 21]),
        ("all", "res5c", list(range(12, 24))),
    ],
)
def test_single_rows_against_scikit_learn(result, similarity, layer, columns):
    (found,) = [v for v in result.variants if v.options == {"similarity": similarity, "layer": layer}]
    folds, decision = linear(columns)
    assert found.metrics["accuracy"].value == pytest.approx(np.mean(folds))
    assert found.metrics["accuracy"].standard_error == pytest.approx(np.std(folds, ddof=1) / 2)
    assert found.metrics["auc"].value == pytest.approx(roc_auc_score(SAME, decision), abs=1e-3)


def test_every_cell_is_there_once_with_its_certificate(result, folder):
    cells = [(v.options["similarity"], v.options["layer"]) for v in result.variants if "layer" in v.options]
    expected = {(s, one) for s in (*SIMILARITIES, "all") for one in ("prob", "res5c", "all")} - {("all", "all")}
    assert len(cells) == len(set(cells))
    assert set(cells) == expected
    assert {f"{s} · {one}" for s, one in cells} <= {c.problem for c in result.certificates}
    alone = evaluate("aslan", folder / "aslan.h5", rows=True, layers="prob")
    assert [v.options["similarity"] for v in alone.variants if "layer" in v.options] == list(SIMILARITIES)


def test_cosine_against_a_threshold(result):
    cosines = vectors(TABLE)[:, 4::12].mean(axis=1)

    def decide(train, test):
        edges = np.sort(cosines[train])
        tried = np.concatenate([[edges[0] - 1], (edges[1:] + edges[:-1]) / 2, [edges[-1] + 1]])
        right = [((cosines[train] > edge) == SAME[train]).sum() for edge in tried]
        return cosines[test] - tried[int(np.argmax(right))]

    folds, decision = folds_of(decide)
    (found,) = [v for v in result.variants if v.name == "cosine threshold"]
    assert found.metrics["accuracy"].value == pytest.approx(np.mean(folds))
    assert found.metrics["auc"].value == pytest.approx(roc_auc_score(SAME, decision), abs=1e-9)


@pytest.mark.parametrize(
    ("values", "same", "threshold"),
    [
        ([1, 2, 3, 4], [0, 0, 1, 1], 2.5),
        ([1, 2, 2, 3], [0, 0, 1, 1], 1.5),  # equal values fall on one side: 1.5 and 2.5 have one error each
        ([1, 2], [1, 1], 0.0),
        ([1, 2], [0, 0], 3.0),
    ],
)
def test_best_threshold(values, same, threshold):
    assert best_threshold(np.array(values, float), np.array(same, bool)) == threshold


def layer_values(name="res5c"):
    ids, layers = data.pair_layers(TABLE)
    row = {int(video[-4:]): number for number, video in enumerate(ids)}
    values = layers[name].astype(np.float32).astype(float)
    first, second = (np.array([row[n] for n in ROWS[:, column]]) for column in (0, 1))
    return values, first, second


def expected_vectors(values, first, second):
    return pair_similarities(values[first], values[second])


def decided(V):
    def decide(train, test):
        scaler = StandardScaler().fit(V[train])
        A, B = normalize(scaler.transform(V[train])), normalize(scaler.transform(V[test]))
        return LinearSVC(dual=True, tol=1e-9, max_iter=10**6).fit(A, SAME[train]).decision_function(B)

    return folds_of(decide)[1]


def test_pooling_averages_time_and_space(folder):
    values, first, second = layer_values()
    pooled = normalize(values.mean(axis=(2, 3)))
    result = evaluate("aslan", folder / "aslan.h5", layers="res5c", pooling="avg")
    np.testing.assert_allclose(
        result.scores.scores, decided(expected_vectors(pooled, first, second)), atol=2e-3
    )
    assert "averaged over time and space" in result.choices[0]


def test_signed_roots(folder):
    values, first, second = layer_values()
    roots = normalize(np.sqrt(values.reshape(len(values), -1)))
    result = evaluate("aslan", folder / "aslan.h5", layers="res5c", normalise="signed-sqrt-l2")
    np.testing.assert_allclose(result.scores.scores, decided(expected_vectors(roots, first, second)), atol=2e-3)


@pytest.mark.parametrize("norm", ["l1", "none"])
def test_other_readings_of_the_last_rows(folder, norm):
    """Rows 9 to 12 by their formulas on values divided by another norm; rows 1 to 8 stay."""
    values, first, second = layer_values()
    flat = values.reshape(len(values), -1)
    x, y = (v / (v.sum(1, keepdims=True) if norm == "l1" else 1) for v in (flat[first], flat[second]))
    with np.errstate(all="ignore"):
        last = [
            np.sqrt(((x - y) ** 2).sum(1)),
            ((x - y) * np.log((x + 1e-10) / (y + 1e-10))).sum(1) / 2,
            np.nan_to_num(np.sqrt(np.maximum(x, y)) / np.sqrt(x + y)).sum(1),
            np.minimum(x, y).sum(1) / (x.sum(1) * y.sum(1)),
        ]
    V = np.column_stack([expected_vectors(normalize(flat), first, second)[:, :8], *last])
    result = evaluate("aslan", folder / "aslan.h5", layers="res5c", last_rows=norm)
    np.testing.assert_allclose(result.scores.scores, decided(V), atol=2e-3)


def test_recipes_bundle_normalisation_and_classifier(folder):
    author = evaluate("aslan", folder / "aslan.h5", recipe="p3d-author")
    spelt = evaluate("aslan", folder / "aslan.h5", normalise="signed-sqrt-l2", classifier="libsvm")
    np.testing.assert_array_equal(author.scores.scores, spelt.scores.scores)
    assert "signed square root" in " ".join(author.choices)
    assert "LIBSVM" in " ".join(author.choices)
    named = evaluate("aslan", folder / "aslan.h5", recipe="p3d-author", normalise="signed-sqrt-l2")
    assert named.result_id == author.result_id  # naming what the recipe does is leaving it to the recipe
    other = evaluate("aslan", folder / "aslan.h5", recipe="p3d-author", normalise="l2")
    assert other.options["normalise"] == "l2"
    assert np.abs(other.scores.scores - author.scores.scores).max() > 0.01


# View 1


def view_1(folder, train=ROWS[FOLD != 3], test=ROWS[FOLD == 3], names=("pairs", "x")):
    for name, variable, rows in zip(aslan_view1.FILES, names, (train, test), strict=True):
        scipy.io.savemat(folder / name, {variable: rows.astype(float)}, do_compression=name[1] == "r")


def test_view_1_trains_on_one_list_and_tests_on_the_other(folder, tmp_path):
    view_1(tmp_path)
    result = evaluate("aslan", folder / "aslan.h5", view=1, pairs=tmp_path, layers="res5c")
    V = vectors(TABLE)[:, 12:]
    decision = decided(V)[FOLD == 3]
    np.testing.assert_allclose(result.scores.scores, decision, atol=2e-3)
    assert result.metrics["accuracy"].value == pytest.approx(((decision > 0) == SAME[FOLD == 3]).mean())
    assert result.metrics["accuracy"].method == "Wilson, pairs taken as independent"
    assert "auc_mean_of_folds" not in result.metrics
    assert [(s.name, s.n_train, s.n_test) for s in result.splits] == [("test", 72, 24)]
    assert result.annotations["official"] is False
    assert result.warnings[-1].startswith("View 1 is for choosing options")


def test_view_1_as_typed(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "none"))
    view_1(tmp_path)
    arguments = ["aslan", "--features", str(folder / "aslan.h5"), "--view", "1"]
    lost = CliRunner().invoke(app, arguments)
    assert (lost.exit_code, "train_pairs.mat, test_pairs.mat" in lost.output) == (2, True)
    shown = CliRunner().invoke(app, [*arguments, "--pairs", ".", "--rows"], env={"COLUMNS": "50"})
    assert shown.exit_code == 0, shown.output
    assert "accuracy (AUC) of single similarities and layers" in shown.output
    assert "symmetric KL, normalised" in shown.output  # whole, at any width
    wrong = CliRunner().invoke(app, [*arguments, "--pairs", str(folder / "View2.mat"), "--overwrite"])
    assert (wrong.exit_code, "Give the folder with train_pairs.mat" in wrong.output) == (2, True)


def test_annotations_of_view_1_are_embedded_under_their_own_name(tmp_path):
    data.aslan_store(tmp_path, TABLE)
    view_1(tmp_path)
    shown = CliRunner().invoke(app, ["annotate", str(tmp_path / "aslan.h5"), "aslan-view1", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    result = evaluate("aslan", open_features(tmp_path / "aslan.h5"), view="1")
    assert result.annotations["source"].startswith("embedded in")


def test_view_1_that_meets_the_published_counts(monkeypatch, tmp_path):
    view_1(tmp_path)
    pairs = aslan_view1.parse({name: (tmp_path / name).read_bytes() for name in aslan_view1.FILES})
    assert aslan_view1.deviations(pairs) == (
        "not 1200 train pairs, half of them same",
        "not 600 test pairs, half of them same",
    )
    monkeypatch.setattr(aslan_view1, "PAIRS", {"train": 72, "test": 24})
    assert aslan_view1.deviations(pairs) == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": TABLE}, "train_pairs.mat: pairs is 24 × 5 × 4, not pairs × 5"),
        ({"test": ROWS[:, :4]}, "test_pairs.mat: x is 96 × 4, not pairs × 5"),
        ({"test": ROWS[:5] + 0.5}, "not whole numbers"),
        ({"test": ROWS * [0, 1, 1, 1, 1]}, "sample number 0, numbers start at 1"),
        ({"test": ROWS + np.array([0, 0, 2, 0, 0])}, "label '2' of a pair is neither 0 nor 1"),
        ({"train": ROWS[SAME]}, "leaves pairs of one label only to train on"),
    ],
)
def test_wrong_lists_of_view_1(folder, tmp_path, change, message):
    view_1(tmp_path, **change)
    with pytest.raises(UserError, match=message):
        evaluate("aslan", folder / "aslan.h5", view="1", pairs=tmp_path)


def test_files_that_are_no_lists_of_view_1(folder, tmp_path):
    view_1(tmp_path)
    for content, message in (
        (b"MATLAB 7.3 MAT-file, Platform: GLNXA64", "a MATLAB 7.3 file"),
        (b"not MATLAB", "not a readable MATLAB file"),
        (data.mat_bytes(TABLE)[:128], "no array in this file"),
    ):
        (tmp_path / "train_pairs.mat").write_bytes(content)
        with pytest.raises(UserError, match=message):
            evaluate("aslan", folder / "aslan.h5", view="1", pairs=tmp_path)
    (tmp_path / "train_pairs.mat").unlink()
    with pytest.raises(UserError, match=r"train_pairs\.mat: no such file"):
        evaluate("aslan", folder / "aslan.h5", view="1", pairs=tmp_path)


def test_view_1_has_no_fold_to_choose_c_on(folder, tmp_path):
    view_1(tmp_path)
    with pytest.raises(UserError, match="none to leave out while C is chosen") as caught:
        evaluate("aslan", folder / "aslan.h5", view="1", pairs=tmp_path, C="cv")
    assert "--C 1" in caught.value.hint


# ROC curve, leaks, undefined numbers


def test_roc_points_against_scikit_learn():
    generator = np.random.default_rng(0)
    scores, labels = np.round(generator.normal(size=200), 1), generator.random(200) < 0.4
    false, true, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(roc_points(scores, labels), np.column_stack([false, true, thresholds]))


def test_averaged_roc_is_the_pooled_one_where_folds_are_alike(result):
    saved = result.scores
    points = roc_points(saved.scores, saved.labels, saved.split)
    np.testing.assert_allclose(points, roc_points(saved.scores, saved.labels))
    assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(result.metrics["auc"].value, abs=1e-6)
    uneven = saved.split == (np.arange(len(saved.split)) % 3 > 0)
    curves = [
        roc_curve(saved.labels[uneven == k], saved.scores[uneven == k], drop_intermediate=False) for k in (0, 1)
    ]
    averaged = roc_points(saved.scores, saved.labels, uneven)
    for false, true, threshold in averaged[1::7]:
        at = [(c[0][c[2] >= threshold][-1], c[1][c[2] >= threshold][-1]) for c in curves]
        assert (false, true) == pytest.approx(np.mean(at, axis=0))
    with pytest.raises(UserError, match="no positive or no negative"):
        roc_points([1.0, 2.0], [True, False], [0, 1])


def test_a_video_under_two_numbers_in_two_folds_is_named(tmp_path):
    ids, _ = data.pair_layers(TABLE)
    values = np.abs(np.random.default_rng(0).normal(size=(len(ids), 600)))
    values[-1] = values[0]
    path = write_store(
        tmp_path / "f.h5", ids, {"fc7": values}, provenance={"aslan_layers": ["fc7"], "trained_on": "ASLAN"}
    )
    (tmp_path / "View2.mat").write_bytes(data.mat_bytes(TABLE))
    result = evaluate("aslan", path)
    (copies,) = [one for one in result.warnings if "near copy" in one]
    first, last = (int(ids[row][-4:]) for row in (0, -1))
    assert copies.startswith("LEAK: folds: 2 test videos have a near copy in training")
    assert f"{first} and {last} (1.00000)" in copies
    assert any("trained on 'ASLAN'" in one for one in result.warnings)


def test_undefined_numbers_leave_the_table_narrow(tmp_path, folder, monkeypatch):
    """A fold of one label has no AUC: a dash in the table, the reason below it."""
    monkeypatch.chdir(tmp_path)
    rows = ["fold,id1,id2,same"]
    rows += [f"{f + 1},{a},{b},{s}" for f, (a, b, s, *_) in zip(FOLD, ROWS, strict=True) if f or s]
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    shown = CliRunner().invoke(
        app, ["aslan", "--features", str(folder / "aslan.h5"), "--pairs", "pairs.csv"], env={"COLUMNS": "80"}
    )
    assert shown.exit_code == 0, shown.output
    assert "…" not in shown.output.partition("Choices")[0]
    (line,) = [line for line in shown.output.splitlines() if line.startswith("fold 1")]
    assert line.split()[-3:] == ["–", "72", "12"]
    assert "one label" not in line
    assert "– auc: pairs of one label only (1)" in shown.output
    assert "– auc_mean_of_folds: undefined in 1 of 4 folds (all, " in shown.output
