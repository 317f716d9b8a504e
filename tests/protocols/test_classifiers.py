"""The other classifiers against scikit-learn, brute force and their certificates."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler, normalize
from sklearn.svm import SVC

from p3d_eval.errors import UserError
from p3d_eval.protocols.classifiers.choice import Classifier, fit_path, fit_subsets
from p3d_eval.protocols.classifiers.libsvm import duality_gap, fit_libsvm
from p3d_eval.protocols.classifiers.logistic import fit_logistic_path
from p3d_eval.protocols.classifiers.neighbours import CosineClassMeans, CosineNeighbours
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.normalisation import normalise_rows
from tests.support import protocol_data as data


def samples(n=60, dims=8, classes=3, seed=0):
    generator = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return np.abs(generator.normal(size=(n, dims)) + generator.normal(size=(classes, dims))[y]), y


def with_bias(X):
    return np.column_stack([X, np.ones(len(X))])


@pytest.mark.parametrize(("n", "dims", "classes"), [(60, 8, 3), (20, 40, 4), (30, 5, 2)])
def test_logistic_against_scikit_learn(n, dims, classes):
    X, y = samples(n, dims, classes)
    for fit in fit_logistic_path(X, y, (0.1, 1.0, 30.0), 1e-10):
        # Two classes: with one row of weights each, w₁ = −w₀, half of the penalty of scikit-learn's single row.
        C = fit.C * (2 if classes == 2 else 1)
        peer = LogisticRegression(C=C, fit_intercept=False, tol=1e-10, max_iter=10**5).fit(with_bias(X), y)
        found = fit.scores(X)
        expected = peer.decision_function(with_bias(X))
        found = found[:, 1] - found[:, 0] if classes == 2 else found - found.mean(1, keepdims=True)
        np.testing.assert_allclose(found, expected, atol=2e-4)
        assert fit.relative_gap <= 1e-10


def test_logistic_gap_is_a_bound():
    X, y = samples()
    (rough,), (fine,) = (fit_logistic_path(X, y, (5.0,), tol) for tol in (1e-2, 1e-13))

    def objective(fit):
        logits = fit.scores(X)
        loss = sum(math.log(sum(math.exp(v - row[k]) for v in row)) for row, k in zip(logits, y, strict=True))
        return ((fit.weights**2).sum() + (fit.intercepts**2).sum()) / 2 + 5 * loss

    lowest = objective(fine)
    assert fine.relative_gap <= 1e-13
    assert 0 < (objective(rough) - lowest) / lowest <= rough.relative_gap <= 1e-2


@pytest.mark.parametrize(("classes", "C"), [(2, 1.0), (3, 0.1), (5, 30.0)])
def test_libsvm_is_libsvm_and_certified(classes, C):
    X, y = samples(70, 6, classes)
    fit = fit_libsvm(X, y, C, 1e-6)
    peer = SVC(kernel="linear", C=C, tol=1e-10).fit(X, y)
    np.testing.assert_array_equal(fit.classes_[fit.scores(X).argmax(1)], peer.predict(X))
    assert len(fit.relative_gaps) == classes * (classes - 1) // 2
    assert fit.relative_gaps.max() <= 1e-6


def test_libsvm_gap_is_primal_minus_dual():
    """On a rough fit, from LIBSVM's α by hand; a feasible dual is below every primal value."""
    X, y = samples(40, 5, 2)
    rough, fine = (SVC(kernel="linear", C=3.0, tol=tol).fit(X, y) for tol in (0.1, 1e-9))
    t = np.where(y == 1, 1.0, -1.0)

    def parts(model):
        duals = np.zeros(40)
        duals[model.support_] = model.dual_coef_[0]
        w = duals @ X
        primal = w @ w / 2 + 3 * np.maximum(0, 1 - t * (X @ w + model.intercept_[0])).sum()
        return duals, primal, np.abs(duals).sum() - w @ w / 2

    duals, primal, dual = parts(rough)
    found = duality_gap(X, t, duals, rough.intercept_[0], 3.0)
    assert found == pytest.approx((primal - dual) / primal)
    assert 1e-5 < found < 1
    assert primal * (1 - found) <= parts(fine)[1] <= primal


@settings(max_examples=30, deadline=None)
@given(st.integers(3, 30), st.integers(2, 6), st.integers(1, 3), st.sampled_from([0.07, 1.0, math.inf]))
def test_neighbours_by_brute_force(n, dims, k, temperature):
    X, y = samples(n, dims, 2, seed=n)
    T, _ = samples(7, dims, 2, seed=99)
    found = CosineNeighbours(k, temperature).fit(X, y).scores(T)
    for row, test in zip(found, T, strict=True):
        cosines = [float(test @ x / np.linalg.norm(test) / np.linalg.norm(x)) for x in X]
        nearest = sorted(range(n), key=lambda i: -cosines[i])[:k]
        expected = [0.0, 0.0]
        for i in nearest:
            expected[y[i]] += math.exp((cosines[i] - 1) / temperature)
        np.testing.assert_allclose(row, expected, rtol=1e-9, atol=1e-300)


def test_neighbours_without_temperature_against_scikit_learn():
    X, y = samples(80, 5, 4)
    T, _ = samples(50, 5, 4, seed=5)
    peer = KNeighborsClassifier(5, metric="cosine").fit(X, y)
    found = CosineNeighbours(5, math.inf).fit(X, y).scores(T)
    np.testing.assert_allclose(found / 5, peer.predict_proba(T))


def test_duplicates_all_count():
    """Five equal samples of two labels: one neighbour is all five."""
    X, y = np.ones((5, 3)), np.array([0, 1, 1, 1, 0])
    assert CosineNeighbours(1, math.inf).fit(X, y).scores(np.ones((1, 3))).tolist() == [[2, 3]]


def test_class_means_by_brute_force():
    X, y = samples(30, 6, 3)
    X[3] = 0  # a zero vector adds nothing to its class's mean
    found = CosineClassMeans().fit(X, y).scores(X)
    for label in range(3):
        mean = sum(x / (np.linalg.norm(x) or 1) for x in X[y == label])
        expected = [float(x @ mean / np.linalg.norm(mean) / (np.linalg.norm(x) or 1)) for x in X]
        np.testing.assert_allclose(found[:, label], expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "knn", "neighbours": 0}, "neighbours: 0 is not positive"),
        ({"name": "knn", "temperature": 0.0}, "temperature: 0.0 is not positive"),
        ({"name": "knn", "C": 2.0}, "C: the classifier knn has none"),
        ({"name": "ncm", "C": "cv"}, "C: the classifier ncm has none"),
        ({"C": 0.0}, "C: 0.0 is not positive"),
        ({"tol": -1.0}, "tol: -1.0 is not positive"),
        ({"device": "tpu"}, "device: 'tpu'"),
        ({"device": "cuda:64"}, "device: 'cuda:64' is not available"),
    ],
)
def test_refused_settings(settings, message):
    with pytest.raises(UserError, match=message):
        Classifier(**settings)


def test_too_many_neighbours():
    X, y = samples(10)
    with pytest.raises(UserError, match="neighbours: 20 of 10 training samples"):
        fit_path(Classifier("knn"), X, y, (), "")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return data.ucf_store(tmp_path_factory.mktemp("ucf"))


def split_one(store):
    X = store["pool5"].rows(list(store.ids)).astype(float)
    y = np.array([video.split("/")[0] for video in store.ids])
    test = np.array([int(video.split("_g")[-1][:2]) <= 7 for video in store.ids])
    return X[~test], y[~test], X[test], y[test]


PEERS = {
    "libsvm": lambda A, y, B: SVC(kernel="linear", tol=1e-9).fit(A, y).predict(B),
    "logistic": lambda A, y, B: (
        LogisticRegression(fit_intercept=False, tol=1e-9, max_iter=10**4).fit(with_bias(A), y)
    ).predict(with_bias(B)),
    "knn": lambda A, y, B: KNeighborsClassifier(
        20, metric="cosine", weights=lambda d: np.exp(-d / 0.07)
    ).fit(A, y).predict(B),
    "ncm": lambda A, y, B: np.unique(y)[
        np.argmax([B @ normalize(normalize(A[y == c]).mean(0)[None])[0] for c in np.unique(y)], axis=0)
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", PEERS)
@pytest.mark.parametrize("normalise", ["none", "l2", "signed-sqrt-l2", "zscore"])
def test_ucf101_against_scikit_learn(store, name, normalise):
    result = evaluate("ucf101", store, split=1, classifier=name, normalise=normalise)
    A, y, B, truth = split_one(store)
    if normalise == "zscore":
        scaler = StandardScaler().fit(A)
        A, B = scaler.transform(A), scaler.transform(B)
    elif normalise != "none":
        A, B = (normalize(np.sqrt(v) if "sqrt" in normalise else v) for v in (A, B))
    assert result.metrics["accuracy"].value == pytest.approx((PEERS[name](A, y, B) == truth).mean())
    assert len(result.certificates) == (name in ("libsvm", "logistic"))
    assert result.converged
    assert result.scores.scores.shape == (56, 4)


@pytest.mark.parametrize("name", ["libsvm", "logistic"])
def test_c_is_chosen_for_them_too(store, name):
    result = evaluate("ucf101", store, split=1, classifier=name, C="0.1,1")
    assert result.splits[0].chosen["C"] in (0.1, 1.0)
    assert [c.problem for c in result.certificates] == ["split 1", "split 1, cross validation of C"]


@pytest.mark.parametrize("name", ["libsvm", "logistic", "knn", "ncm"])
def test_aslan(tmp_path, name):
    table = data.pair_table(folds=3)
    (tmp_path / "View2.mat").write_bytes(data.mat_bytes(table))
    result = evaluate("aslan", data.aslan_store(tmp_path, table), classifier=name)
    assert result.metrics["accuracy"].value > 0.5
    assert result.metrics["auc"].value > 0.5
    assert len(result.certificates) == (9 if name in ("libsvm", "logistic") else 0)


def test_signed_root_keeps_signs():
    X = np.array([[4.0, -9.0, 0.0]])
    np.testing.assert_allclose(normalise_rows(X, "signed-sqrt-l2"), np.array([[2, -3, 0]]) / math.sqrt(13))
    np.testing.assert_array_equal(normalise_rows(X, "zscore"), X)


@pytest.mark.parametrize("name", ["svm", "libsvm", "logistic", "knn", "ncm"])
@pytest.mark.parametrize("kind", ["strings", "constant", "zeros", "duplicates", "one sample a class"])
def test_degenerate_training_sets(name, kind):
    """Fits end with a certificate that holds, and scores are finite."""
    X, y = samples(30, 4, 3)
    if kind == "strings":
        y = np.array(["a", "b", "ü"])[y]
    elif kind == "constant":
        X = np.full_like(X, 0.3)
    elif kind == "zeros":
        X = np.zeros_like(X)
    elif kind == "duplicates":
        X, y = np.repeat(X, 3, axis=0), np.repeat(y, 3)
    else:
        X, y = X[:3], y[:3]
    classifier = Classifier(name, neighbours=3) if name == "knn" else Classifier(name)
    (fitted,) = fit_path(classifier, X, y, classifier.values, "degenerate")
    scores = fitted.scores(X)
    assert scores.shape == (len(X), 3)
    assert np.isfinite(scores).all()
    assert set(fitted.predict(X)) <= set(y)
    assert fitted.certificate is None or fitted.certificate.converged
    if kind == "strings":
        (numbered,) = fit_path(classifier, X, np.unique(y, return_inverse=True)[1], classifier.values, "")
        np.testing.assert_array_equal(fitted.scores(X), numbered.scores(X))
    if kind == "one sample a class" and name != "knn":
        np.testing.assert_array_equal(fitted.predict(X), y)


def test_one_class_only(tmp_path):
    store = data.ucf_store(tmp_path, data.ucf_ids(actions=("YoYo",)))
    for name in ("svm", "libsvm", "logistic", "knn", "ncm"):
        with pytest.raises(UserError, match="training videos of two classes"):
            evaluate("ucf101", store, classifier=name)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(8, 60), d=st.integers(1, 70), classes=st.integers(2, 4), seed=st.integers(0, 1000))
def test_subsets_in_one_call_are_fits_of_their_rows(n, d, classes, seed):
    """Also where a subset lacks a class."""
    generator = np.random.default_rng(seed)
    X, y = normalise_rows(generator.random((n, d)), "l2"), generator.integers(0, classes, n)
    y[:2] = 0, 1
    subsets = [np.flatnonzero((generator.random(n) < 0.7) | (np.arange(n) < 2)) for _ in range(3)]
    together = fit_subsets(Classifier(), X, y, subsets, (0.1, 10.0), "folds")
    for rows, fits in zip(subsets, together, strict=True):
        for one, alone in zip(fits, fit_path(Classifier(), X[rows], y[rows], (0.1, 10.0), "fold"), strict=True):
            assert one.C == alone.C
            assert one.certificate.problems == alone.certificate.problems
            assert one.certificate.relative_gap <= 1e-6
            np.testing.assert_array_equal(one.model.classes_, alone.model.classes_)
            np.testing.assert_allclose(one.scores(X), alone.scores(X), atol=1e-5)
