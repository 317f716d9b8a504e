"""Data that is no good, through every protocol and computation: a clear error, or the documented behaviour."""

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols import leave_one_out_folds, pca_svm
from p3d_eval.protocols.classifiers import OneVsRestLinearSVC
from p3d_eval.protocols.classifiers.choice import Classifier
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.leave_one_out import leave_one_out
from p3d_eval.protocols.pca import fit_pca
from p3d_eval.protocols.pca_svm import fit_sweep
from p3d_eval.protocols.similarities import pair_similarities
from tests.support import protocol_data as data

CLASSIFIERS = ("svm", "libsvm", "logistic", "knn", "ncm")


def samples(n=40, width=6, classes=3):
    generator = np.random.default_rng(0)
    y = np.arange(n) % classes
    return generator.normal(size=(n, width)) + 2 * generator.normal(size=(classes, width))[y], y


def store_of(folder, change, ids=None):
    """UCF101's names with features of four classes, changed."""
    ids = data.ucf_ids(groups=range(1, 26, 2), clips=(1,)) if ids is None else ids
    generator = np.random.default_rng(0)
    labels = np.array([data.ACTIONS.index(video.split("/")[0]) for video in ids])
    values = np.abs(generator.normal(size=(len(ids), 9)) + generator.normal(size=(4, 9))[labels])
    return open_features(write_store(folder / "made.h5", ids, {"pool5": change(values).astype(np.float32)}))


def zero_rows(values):
    values[::5] = 0
    return values


def equal_rows(values):
    values[1::2] = values[0]
    return values


def constant_columns(values):
    values[:, ::2] = 0.25
    return values


def no_values(values):
    return np.zeros_like(values)


@pytest.mark.parametrize("change", [zero_rows, equal_rows, constant_columns, no_values])
@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_zero_equal_and_constant_features_on_splits(tmp_path, change, classifier):
    store = store_of(tmp_path, change)
    for normalise in ("l2", "zscore"):
        found = evaluate("ucf101", store, split=1, classifier=classifier, normalise=normalise)
        assert np.isfinite(found.scores.scores).all()
        assert found.converged


@pytest.mark.parametrize("change", [zero_rows, equal_rows, constant_columns, no_values])
def test_zero_equal_and_constant_features_when_one_is_left_out(tmp_path, change):
    store = store_of(tmp_path, change)
    found = evaluate("scenes", store)
    assert np.isfinite(found.scores.scores).all()
    assert found.converged


@pytest.mark.parametrize("change", [zero_rows, equal_rows, constant_columns])
def test_pca_of_zero_equal_and_constant_features(tmp_path, change):
    found = evaluate("ucf101", store_of(tmp_path, change), split=1, pca="3")
    assert found.converged


def test_pca_of_equal_features_has_no_dimension(tmp_path):
    with pytest.raises(UserError, match="1 dimension asked, but the .* training samples of 9 values span 0"):
        evaluate("ucf101", store_of(tmp_path, lambda values: values * 0 + 0.1), split=1, pca="1")


@pytest.mark.parametrize("kind", ["zero", "equal"])
def test_aslan_on_zero_and_equal_descriptors(tmp_path, kind):
    table = data.pair_table(folds=3)
    (tmp_path / "View2.mat").write_bytes(data.mat_bytes(table))
    names, layers = data.pair_layers(table)
    for values in layers.values():
        values[::4] = 0 if kind == "zero" else values[0]
    path = write_store(tmp_path / "a.h5", names, layers, provenance={"aslan_layers": ["prob", "res5c"]})
    found = evaluate("aslan", open_features(path))
    assert np.isfinite(found.scores.scores).all()
    assert found.converged


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_class_absent_from_training_is_never_chosen(tmp_path, classifier):
    ids = [video for video in data.ucf_ids(clips=(1,)) if "YoYo" not in video or "_g03" in video]
    found = evaluate("ucf101", store_of(tmp_path, lambda v: v, ids), split=1, classifier=classifier)
    assert any("no training video of YoYo: always wrong" in warning for warning in found.warnings)
    assert (found.scores.scores[:, found.scores.classes.tolist().index("YoYo")] == -np.inf).all()
    assert found.per_class["YoYo"].value == 0


def test_one_class_only(tmp_path):
    X, _ = samples()
    store = store_of(tmp_path, lambda v: v, data.ucf_ids(actions=("Biking",), clips=(1,)))
    with pytest.raises(UserError, match="training videos of two classes"):
        evaluate("ucf101", store)
    with pytest.raises(UserError, match="one class"):
        evaluate("scenes", store)
    with pytest.raises(ValueError, match="class"):
        leave_one_out(X, np.zeros(len(X)))
    with pytest.raises(ValueError, match="one class"):
        OneVsRestLinearSVC().fit(X, np.zeros(len(X)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(value):
    X, y = samples()
    X[3, 2] = value
    for fit in (
        lambda: OneVsRestLinearSVC().fit(X, y),
        lambda: leave_one_out(X, y),
        lambda: fit_pca(X, 2),
        lambda: fit_pca(X.T, 2),
        lambda: pair_similarities(np.abs(X), np.abs(X)),
    ):
        with pytest.raises((UserError, ValueError), match=r"(?i)nan|inf"):
            fit()


def test_a_single_sample():
    with pytest.raises(ValueError, match="class"):
        OneVsRestLinearSVC().fit([[1.0]], [1])
    with pytest.raises((UserError, ValueError), match=r"class|group|sample"):
        leave_one_out([[1.0]], [1])
    with pytest.raises(UserError, match="1 training sample of 3 values spans 0"):
        fit_pca(np.ones((1, 3)), 1)
    np.testing.assert_allclose(pair_similarities([[4.0]], [[1.0]])[0, :2], [4, 2])


def test_one_sample_of_each_class():
    X, y = samples(3)
    model = OneVsRestLinearSVC().fit(X, y)
    np.testing.assert_array_equal(model.predict(X), y)
    found = leave_one_out(X, y)
    assert (found.values[np.arange(3), y] == -np.inf).all(), "its class is not in training"


@pytest.mark.parametrize("C", [0.0, -1.0, np.nan, np.inf])
def test_c_out_of_range(C):
    X, y = samples()
    for use in (
        lambda: OneVsRestLinearSVC(C=C).fit(X, y),
        lambda: leave_one_out(X, y, C=C),
        lambda: fit_sweep(X, y, (3,), C=C),
        lambda: Classifier(C=C),
    ):
        with pytest.raises(UserError, match="C: "):
            use()


def test_labels_are_any_strings():
    X, y = samples()
    names = np.array(["é 1", "", "z" * 40])[y]
    reference = LinearSVC(dual=True, tol=1e-9, max_iter=10**6).fit(X, names)
    np.testing.assert_array_equal(OneVsRestLinearSVC().fit(X, names).predict(X), reference.predict(X))
    numbers = np.unique(names, return_inverse=True)[1]
    np.testing.assert_array_equal(leave_one_out(X, names).values, leave_one_out(X, numbers).values)


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "mps"])
@pytest.mark.parametrize("protocol", ["ucf101", "scenes", "aslan"])
def test_a_device_that_is_not_there(tmp_path, device, protocol):
    if protocol == "aslan":
        table = data.pair_table(folds=3)
        (tmp_path / "View2.mat").write_bytes(data.mat_bytes(table))
        store = data.aslan_store(tmp_path, table)
    else:
        store = store_of(tmp_path, lambda values: values)
    with pytest.raises(
        UserError, match=f"device: '{device}' is (not available|unknown|not supported)"
    ) as caught:
        evaluate(protocol, store, device=device)
    assert "cpu" in caught.value.hint


def full_device(*arguments, **options):
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_folds_are_halved_until_they_fit(monkeypatch):
    X, y = samples()
    expected = leave_one_out(X, y)
    solve, tried = leave_one_out_folds._solve_block, []

    def cramped(gram, tableau, out):
        tried.append(out.shape[1])
        return full_device() if out.shape[1] > 3 else solve(gram, tableau, out)

    monkeypatch.setattr(leave_one_out_folds, "_solve_block", cramped)
    np.testing.assert_allclose(leave_one_out(X, y).values, expected.values, atol=1e-10)
    assert max(tried) > 3


def test_no_room_for_leaving_one_out(monkeypatch):
    X, y = samples()
    monkeypatch.setattr("p3d_eval.protocols.leave_one_out.solve_in_gram", full_device)
    with pytest.raises(UserError, match="out of memory on cpu: leaving one of 40 samples out") as caught:
        leave_one_out(X, y)
    assert caught.value.hint == "Use --device cpu"


def test_the_sweeps_problems_are_halved_until_they_fit(monkeypatch):
    X, y = samples(60, 6, 5)
    expected = fit_sweep(X, y, (5, 2))
    newton, tried = pca_svm._newton, []

    def cramped(X, signs, *more):
        tried.append(signs.shape[1])
        return full_device() if signs.shape[1] > 2 else newton(X, signs, *more)

    monkeypatch.setattr(pca_svm, "_newton", cramped)
    found = fit_sweep(X, y, (5, 2))
    for point in (5, 2):
        np.testing.assert_allclose(found[point].weights, expected[point].weights, atol=2e-3)
        assert (found[point].relative_gaps <= 1e-6).all()
    assert max(tried) == 5


@pytest.mark.parametrize("name", ["neighbours", "temperature"])
def test_a_setting_of_neighbours_is_refused_where_there_are_none(name):
    with pytest.raises(UserError, match=f"{name}: the classifier svm has none"):
        Classifier(**{name: 3})
    assert Classifier("knn", **{name: 3}).name == "knn"
