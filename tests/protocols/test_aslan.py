"""ASLAN against a plain reimplementation from the papers' words."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols import pair_vectors
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.reports.labels import departures
from tests.protocols.test_similarities import by_definition
from tests.support import protocol_data as data

TABLE = data.pair_table(folds=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aslan")
    data.aslan_store(folder, TABLE)
    (folder / "View2.mat").write_bytes(data.mat_bytes(TABLE))
    return folder


@pytest.fixture(scope="module")
def result(folder):
    return evaluate("aslan", folder / "aslan.h5")


def vectors(table, eps=1e-10, normalised=True):
    """48-d vectors by the definitions, one pair after the other: (pairs, 12 × layers)."""
    ids, layers = data.pair_layers(table)
    row = {int(name[-4:]): position for position, name in enumerate(ids)}
    flat = [v.reshape(len(ids), -1).astype(np.float32).astype(float) for v in layers.values()]
    if normalised:
        flat = [normalize(v) for v in flat]
    rows = np.moveaxis(table, 2, 0).reshape(-1, 5).astype(int)
    return np.array(
        [[v for layer in flat for v in by_definition(layer[row[a]], layer[row[b]], eps)] for a, b, *_ in rows]
    )


def brute_force(table, vector, drop=(), C=1.0, **how):
    """Decision values of every pair, each from the classifier that did not see its fold."""
    V = vectors(table, **how)
    rows = np.moveaxis(table, 2, 0).reshape(-1, 5).astype(int)
    fold = np.repeat(np.arange(table.shape[2]), table.shape[0])
    known = ~np.isin(rows[:, :2], drop).any(axis=1)
    decision = np.full(len(V), np.nan)
    for k in range(table.shape[2]):
        train, test = (fold != k) & known, (fold == k) & known
        A, B = V[train], V[test]
        if "zscore" in vector:
            scaler = StandardScaler().fit(A)
            A, B = scaler.transform(A), scaler.transform(B)
        if "l2" in vector:
            A, B = normalize(A), normalize(B)
        model = LinearSVC(C=C, dual=True, tol=1e-9, max_iter=10**6, random_state=3).fit(A, rows[train, 2])
        decision[test] = model.decision_function(B)
    return decision, rows[:, 2] == 1, fold


@pytest.mark.parametrize("vector", ["zscore+l2", "zscore", "l2"])
def test_against_scikit_learn(result, vector):
    decision, same, fold = brute_force(TABLE, vector)
    (variant,) = [v for v in result.variants if v.name == vector]
    folds = [((decision > 0) == same)[fold == k].mean() for k in range(5)]
    areas = [roc_auc_score(same[fold == k], decision[fold == k]) for k in range(5)]
    assert 0.5 < np.mean(folds) < 1, "the comparison needs some errors"
    assert variant.metrics["accuracy"].value == pytest.approx(np.mean(folds))
    assert variant.metrics["accuracy"].standard_error == pytest.approx(np.std(folds, ddof=1) / math.sqrt(5))
    assert variant.metrics["auc"].value == pytest.approx(roc_auc_score(same, decision), abs=1e-4)
    assert variant.metrics["auc_mean_of_folds"].value == pytest.approx(np.mean(areas), abs=1e-3)
    assert variant.headline == (vector == "zscore+l2")


def test_headline_folds_and_scores(result):
    decision, same, fold = brute_force(TABLE, "zscore+l2")
    (headline,) = [v for v in result.variants if v.headline]
    assert result.metrics == headline.metrics
    np.testing.assert_allclose(result.scores.scores, decision, atol=1e-3)
    np.testing.assert_array_equal(result.scores.labels, same)
    np.testing.assert_array_equal(result.scores.split, fold)
    rows = np.moveaxis(TABLE, 2, 0).reshape(-1, 5).astype(int)
    assert result.scores.ids[:, 0].tolist() == [f"clips/xyz 12 {n:04d}" for n in rows[:, 0]]
    assert [(s.name, s.n_train, s.n_test) for s in result.splits] == [(str(k), 96, 24) for k in range(1, 6)]


@pytest.mark.parametrize(
    ("options", "how"),
    [
        ({"C": 10}, {"C": 10.0}),
        ({"eps": 1e-3}, {"eps": 1e-3}),
        ({"normalise": "none"}, {"normalised": False}),
    ],
)
def test_options_against_scikit_learn(folder, result, options, how):
    """Decision values of each option, which are not those of its default."""
    other = evaluate("aslan", folder / "aslan.h5", **options)
    decision, same, fold = brute_force(TABLE, "zscore+l2", **how)
    np.testing.assert_allclose(other.scores.scores, decision, atol=1e-3)
    assert np.abs(result.scores.scores - decision).max() > 0.02
    folds = [((decision > 0) == same)[fold == k].mean() for k in range(5)]
    assert other.metrics["accuracy"].value == pytest.approx(np.mean(folds))


def test_certificates_for_every_fit(result):
    assert len(result.certificates) == 3 * 5
    assert {c.problem for c in result.certificates} >= {"fold 1, zscore+l2", "fold 5, l2"}
    assert result.converged


@pytest.mark.parametrize(
    ("recipe", "headline"), [("p3d", "zscore+l2"), ("p3d-literal", "l2"), ("c3d", "zscore")]
)
def test_recipes_choose_the_headline_only(folder, result, recipe, headline):
    other = evaluate("aslan", folder / "aslan.h5", recipe=recipe)
    assert [v.name for v in other.variants if v.headline] == [headline]
    assert {v.name: v.metrics for v in other.variants} == {v.name: v.metrics for v in result.variants}


def test_every_choice_is_said(result):
    said = " ".join(result.choices)
    for word in (
        "prob (7)",
        "res5c (2 × 3 × 3)",
        "L2-normalised per video",
        "1e-10",
        "24 values",
        "C = 1",
        "5 given",
    ):
        assert word in said


def test_source_and_official(result, folder):
    assert result.annotations["source"] == str(folder / "View2.mat")
    assert result.annotations["official"] is False
    assert "not 10 folds of 600 pairs" in result.annotations["deviations"]
    assert result.coverage.counted_as == "complete"


def test_layers_are_read_in_blocks_without_a_difference(folder, result, monkeypatch):
    monkeypatch.setattr(pair_vectors, "_KEPT_BYTES", 0)
    monkeypatch.setattr(pair_vectors, "_READ_BYTES", 20 * len(open_features(folder / "aslan.h5").ids))
    blocked = evaluate("aslan", folder / "aslan.h5")  # 18 columns in four blocks
    np.testing.assert_allclose(blocked.scores.scores, result.scores.scores, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eps": 0}, "eps: 0.0 is not positive"),
        ({"eps": float("inf")}, "eps: inf is not finite"),
        ({"eps": float("nan")}, "eps: nan is not positive"),
        ({"seed": 2**32}, "seed: 4294967296 is not below"),
        ({"seed": -1}, "seed: -1 is negative"),
        ({"C": 1e13}, "C: 10000000000000.0 is not between"),
        ({"C": "1e-13,1"}, "C: 1e-13 is not between"),
        ({"tol": 1.5}, "tol: 1.5 is not below 1"),
        ({"tol": 0}, "tol: 0.0 is not positive"),
    ],
)
def test_numbers_out_of_range(folder, options, message):
    with pytest.raises(UserError, match=message) as caught:
        evaluate("aslan", folder / "aslan.h5", **options)
    assert "\n" not in caught.value.message


def test_chosen_layers_and_their_order(folder):
    store = open_features(folder / "aslan.h5")
    result = evaluate("aslan", store, layers="res5c")
    assert "12 values" in " ".join(result.choices)
    assert result.features["layers"] == ["res5c"]
    for layers, message in (("res5d", "unknown layer"), ("prob,,res5c", "empty name"), ("prob,prob", "twice")):
        with pytest.raises(UserError, match=message):
            evaluate("aslan", store, layers=layers)


def test_naming_the_registered_layers_is_the_default(folder, result):
    named, turned, fewer = (
        evaluate("aslan", folder / "aslan.h5", layers=text) for text in ("prob, res5c", "res5c,prob", " prob")
    )
    assert named.result_id == result.result_id
    assert named.metrics == result.metrics
    assert departures(named) == departures(result) == ""
    assert turned.options["layers"] == "res5c,prob"
    assert fewer.options["layers"] == "prob"
    assert len({one.result_id for one in (result, turned, fewer)}) == 3
    assert fewer.result_id == evaluate("aslan", folder / "aslan.h5", layers="prob").result_id
    assert "layers = prob (not given by default)" in departures(fewer)


def test_a_backbone_without_registered_layers(tmp_path):
    store = data.aslan_store(tmp_path, TABLE, provenance={"aslan_layers": []})
    (tmp_path / "View2.mat").write_bytes(data.mat_bytes(TABLE))
    with pytest.raises(UserError, match="registers no layers for ASLAN") as caught:
        evaluate("aslan", store)
    assert "--layers prob,res5c" in caught.value.hint


def test_registered_layers_that_were_not_extracted_are_named_with_those_that_were(tmp_path):
    store = data.aslan_store(tmp_path, TABLE, provenance={"aslan_layers": ["prob", "res4b", "pool5"]})
    (tmp_path / "View2.mat").write_bytes(data.mat_bytes(TABLE))
    with pytest.raises(UserError, match="holds no res4b, pool5 of the network's layers") as caught:
        evaluate("aslan", store)
    assert caught.value.hint.endswith("--layers prob")


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A layer with negative values."""
    folder = tmp_path_factory.mktemp("signed")
    ids, layers = data.pair_layers(TABLE)
    tokens = layers["res5c"].reshape(len(ids), -1) - 0.3
    positive = np.concatenate([np.maximum(tokens, 0), np.maximum(-tokens, 0)], axis=1)
    write_store(folder / "s.h5", ids, {"token": tokens, "both": positive, "clipped": np.maximum(tokens, 0)})
    (folder / "View2.mat").write_bytes(data.mat_bytes(TABLE))
    return folder / "s.h5"


def test_negative_values_are_refused_by_name(signed):
    with pytest.raises(
        UserError, match=r"s.h5: layer 'token' of 'clips/xyz 12 \d{4}' has the negative value -0"
    ) as caught:
        evaluate("aslan", signed, layers="token")
    assert "--negatives split" in caught.value.hint


@pytest.mark.parametrize(("negatives", "same_as"), [("split", "both"), ("clip", "clipped")])
def test_negative_values_split_or_clipped(signed, negatives, same_as):
    result = evaluate("aslan", signed, layers="token", negatives=negatives)
    expected = evaluate("aslan", signed, layers=same_as)
    np.testing.assert_allclose(result.scores.scores, expected.scores.scores, atol=1e-4)


MISSING = (1, 30)


@pytest.fixture(scope="module")
def partial(tmp_path_factory):
    folder = tmp_path_factory.mktemp("partial")
    present = [name for name in data.pair_layers(TABLE)[0] if int(name[-4:]) not in MISSING]
    data.aslan_store(folder, TABLE, ids=set(present))
    (folder / "View2.mat").write_bytes(data.mat_bytes(TABLE))
    return folder / "aslan.h5"


def test_missing_videos_are_counted_and_named(partial):
    with pytest.raises(UserError, match=r"2 of \d+ videos of the pairs have no features: 1, 30"):
        evaluate("aslan", partial)


@pytest.mark.parametrize("how", ["wrong", "excluded"])
def test_allowed_missing_videos(partial, how):
    result = evaluate("aslan", partial, allow_missing=how)
    decision, same, fold = brute_force(TABLE, "zscore+l2", drop=MISSING)
    known = ~np.isnan(decision)
    assert 0 < (~known).sum() < 20
    right = np.where(known, (decision > 0) == same, False)
    counted = known | (how == "wrong")
    folds = [right[counted & (fold == k)].mean() for k in range(5)]
    assert result.metrics["accuracy"].value == pytest.approx(np.mean(folds))
    worst = np.where(known, decision, np.where(same, -1e9, 1e9))
    assert result.metrics["auc"].value == pytest.approx(roc_auc_score(same[counted], worst[counted]), abs=1e-3)
    assert result.coverage.missing == ("1", "30")
    assert result.coverage.counted_as == how
    assert result.annotations["official"] is False


def test_video_ids_in_a_csv(tmp_path, folder, result):
    """Ids instead of numbers give the same result."""
    rows = ["fold,id1,id2,same"]
    for k in range(5):
        rows += [
            f"{k + 1},xyz 12 {a:04d}.mp4,clips/xyz 12 {b:04d},{s}" for a, b, s, *_ in TABLE[:, :, k].astype(int)
        ]
    # The same video must be called by one name.
    text = "\n".join(rows).replace("clips/", "").replace(".mp4", "")
    (tmp_path / "pairs.csv").write_text(text)
    other = evaluate("aslan", folder / "aslan.h5", pairs=tmp_path / "pairs.csv")
    np.testing.assert_allclose(other.scores.scores, result.scores.scores, atol=1e-3)
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    with pytest.raises(UserError, match="both mean the video"):
        evaluate("aslan", folder / "aslan.h5", pairs=tmp_path / "pairs.csv")


def test_actions_shared_between_folds_are_warned_of(tmp_path, folder):
    table = TABLE.copy()
    table[:, 3:, 1] -= 4
    (tmp_path / "shared.mat").write_bytes(data.mat_bytes(table))
    result = evaluate("aslan", folder / "aslan.h5", pairs=tmp_path / "shared.mat")
    assert any(warning.startswith("4 actions occur in more than one fold") for warning in result.warnings)


def test_nothing_leaks_from_the_tested_fold(tmp_path, folder, result):
    """Relabelling the pairs of fold 1 changes the other folds' classifiers, never the decisions on fold 1."""
    table = TABLE.copy()
    table[:, 2, 0] = 1 - table[:, 2, 0]
    rows = ["fold,id1,id2,same"]
    for k in range(5):
        rows += [f"{k + 1},{a},{b},{s}" for a, b, s, *_ in table[:, :, k].astype(int)]
    (tmp_path / "pairs.csv").write_text("\n".join(rows))
    other = evaluate("aslan", folder / "aslan.h5", pairs=tmp_path / "pairs.csv")
    first = result.scores.split == 0
    np.testing.assert_array_equal(other.scores.scores[first], result.scores.scores[first])
    assert (other.scores.scores[~first] != result.scores.scores[~first]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"layers": "prob, res4b35"}, "unknown layer"), ({"device": "cuda:99"}, "device: 'cuda:99'")],
)
def test_other_mistakes_are_told_before_an_existing_result(folder, tmp_path, options, message):
    (tmp_path / "r.json").write_text("mine")
    with pytest.raises(UserError, match=message):
        evaluate("aslan", folder / "aslan.h5", tmp_path / "r.json", **options)
    with pytest.raises(UserError, match=r"r\.json exists"):
        evaluate("aslan", folder / "aslan.h5", tmp_path / "r.json")
    store = open_features(folder / "aslan.h5")
    part = {layer: np.asarray(store[layer])[1:] for layer in store.layers}
    provenance = {"aslan_layers": list(store.layers)}
    lacking = write_store(tmp_path / "part.h5", store.ids[1:], part, provenance=provenance)
    with pytest.raises(UserError, match="1 of .* have no features"):
        evaluate("aslan", lacking, tmp_path / "r.json", pairs=folder / "View2.mat")
