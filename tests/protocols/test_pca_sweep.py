"""UCF101 on fewer and fewer principal components, against an explicit loop; what test videos may not change."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.pca_sweep import FIGURE_6, describe_sweep, parse_dimensions, project
from p3d_eval.protocols.result import Result
from tests.support import protocol_data as data

POINTS = (20, 7, 3)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return data.ucf_store(tmp_path_factory.mktemp("ucf"))


@pytest.fixture(scope="module")
def result(store):
    return evaluate("ucf101", store, pca="7,20,3")


def loop(store, split, dimensions):
    """One split at one number of dimensions: L2, PCA on training rows, LinearSVC, each made anew."""
    ids = list(store.ids)
    X = normalize(store["pool5"].rows(ids).astype(float))
    y = np.array([video.split("/")[0] for video in ids])
    group = np.array([int(video.split("_g")[-1][:2]) for video in ids])
    test = (group > 7 * (split - 1)) & (group <= 7 * split)
    reduced = PCA(dimensions, svd_solver="full").fit(X[~test])
    train, held_out = reduced.transform(X[~test]), reduced.transform(X[test])
    model = LinearSVC(dual=True, tol=1e-8, max_iter=10**5, random_state=1).fit(train, y[~test])
    return (model.predict(held_out) == y[test]).mean()


def test_equals_an_explicit_loop(store, result):
    assert [variant.name for variant in result.variants] == ["pca 20", "pca 7", "pca 3"]
    values = []
    for variant, dimensions in zip(result.variants, POINTS, strict=True):
        expected = np.mean([loop(store, split, dimensions) for split in (1, 2, 3)])
        values.append(variant.metrics["accuracy"].value)
        assert values[-1] == pytest.approx(expected)
        assert variant.options == {"pca": dimensions}
        assert variant.metrics["accuracy"].low < values[-1] < variant.metrics["accuracy"].high
    assert values[0] > values[-1], "three dimensions cannot hold four classes as well as twenty"


def test_every_point_has_certificates_and_the_headline_is_without(store, result):
    named = {certificate.problem for certificate in result.certificates}
    points = {f"split {n}, pca {d}" for n in (1, 2, 3) for d in POINTS}
    assert named == points | {"split 1", "split 2", "split 3"}
    assert result.converged
    plain = evaluate("ucf101", store)
    assert result.metrics == plain.metrics
    assert plain.variants == ()
    assert result.result_id != plain.result_id
    assert any(
        choice.startswith("pca: exact, centred, found on each split's training") for choice in result.choices
    )
    assert "pca" in result.seconds


def test_every_point_tells_the_c_that_was_chosen_on_its_components(store):
    found = evaluate("ucf101", store, pca="6,3", C="0.01,1", seed=2)
    for variant in found.variants:
        assert list(variant.options["chosen"]) == ["1", "2", "3"]
        for split, chosen in variant.options["chosen"].items():
            assert (chosen["values"], chosen["folds"], chosen["seed"]) == ((0.01, 1.0), 5, 2)
            assert chosen["C"] == chosen["values"][int(np.argmax(chosen["accuracies"]))]
            (fit,) = [one for one in found.certificates if one.problem == f"split {split}, {variant.name}"]
            assert fit.solver.endswith(f"C = {chosen['C']:g}")


def test_sweep_saves_and_loads(store, tmp_path):
    found = evaluate("ucf101", store, out=tmp_path / "r.json", split=1, pca="5")
    assert Result.load(tmp_path / "r.json").variants == found.variants


def test_test_videos_do_not_influence_the_fit(store, tmp_path):
    """Other features of the test videos leave every training projection as it was, bit for bit."""
    generator = np.random.default_rng(5)
    features = normalize(np.asarray(store["pool5"], float))
    training = np.flatnonzero(generator.random(len(features)) < 0.6)
    changed = features.copy()
    others = np.setdiff1d(np.arange(len(features)), training)
    changed[others] = 100 * generator.normal(size=(len(others), features.shape[1]))
    before, after = (project(values, training, (9, 4)) for values in (features, changed))
    np.testing.assert_array_equal(before[training], after[training])
    assert before.shape == (len(features), 9)


def test_fewer_training_videos_than_values(tmp_path):
    ids = data.ucf_ids(groups=(*range(1, 9), 15), clips=(1,))
    values = np.abs(np.random.default_rng(0).normal(size=(len(ids), 90)))
    store = open_features(write_store(tmp_path / "wide.h5", ids, {"pool5": values}))
    found = evaluate("ucf101", store, split=1, pca="7,2")  # 8 training videos: groups 8 and 15
    assert found.converged
    with pytest.raises(UserError, match="8 dimensions asked, but the 8 training samples of 90 values span 7"):
        evaluate("ucf101", store, split=1, pca="8")


def test_randomised_only_on_request(store):
    found = evaluate("ucf101", store, split=1, pca="6", pca_solver="randomised")
    exact = evaluate("ucf101", store, split=1, pca="6")
    assert found.variants[0].metrics["accuracy"].value == pytest.approx(
        exact.variants[0].metrics["accuracy"].value, abs=0.05
    )
    assert found.options["pca_solver"] == "randomised"


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, ()), ("sweep", FIGURE_6), (" 10, 100 ", (100, 10)), ("3", (3,))],
)
def test_lists_of_dimensions(text, expected):
    assert parse_dimensions(text) == expected


@pytest.mark.parametrize("text", ["", "0", "-3", "1.5", "10,,5", "all", "²"])
def test_wrong_lists(text):
    with pytest.raises(UserError, match="is not a number of dimensions"):
        parse_dimensions(text)


def test_wrong_options(store):
    with pytest.raises(UserError, match="twice"):
        evaluate("ucf101", store, pca="5,5")
    with pytest.raises(
        UserError, match="500 dimensions asked, but the 144 training samples of 24 values span 24"
    ):
        evaluate("ucf101", store, split=1, pca="sweep")


def test_the_result_says_that_the_folds_of_c_share_the_components():
    assert "the folds that C is chosen on share them" in describe_sweep("exact", True)
    assert "folds" not in describe_sweep("exact", False)
