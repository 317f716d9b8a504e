"""Leave-one-out and leave-one-group-out against a loop of full fits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.protocols import leave_one_out_folds
from p3d_eval.protocols.gram_svm import solve_in_gram
from p3d_eval.protocols.leave_one_out import leave_one_out


def primal_optimum(samples, signs, C):
    """Weights of one binary SVM by damped Newton in the primal: small, and nothing of the code under test."""

    def objective(v):
        return v @ v / 2 + C * np.square(np.maximum(0, 1 - signs * (samples @ v))).sum()

    v = np.zeros(samples.shape[1])
    for _ in range(100):
        slack = np.maximum(0, 1 - signs * (samples @ v))
        gradient = v - 2 * C * samples.T @ (signs * slack)
        if np.linalg.norm(gradient) <= 1e-11 * max(1, C):
            break
        support = samples[slack > 0]
        step = -np.linalg.solve(np.eye(len(v)) + 2 * C * support.T @ support, gradient)
        size = 1.0
        while size > 1e-8 and objective(v + size * step) > objective(v) * (1 + 1e-15):
            size /= 2
        v = v + size * step
    assert np.linalg.norm(gradient) <= 1e-9 * max(1, C)
    return v


def loop(X, y, groups, C, scaling=1.0, prepare=None):
    """Decision values by a full fit without each group; −inf for a class with no sample left."""
    X, y, groups = np.asarray(X, float), np.asarray(y), np.asarray(groups)
    classes = np.unique(y)
    values = np.full((len(y), len(classes)), -np.inf)
    for group in np.unique(groups):
        out = groups == group
        train, test, weight = prepare(X[~out], y[~out], X[out]) if prepare else (X[~out], X[out], C)
        for column, label in enumerate(classes):
            if (y[~out] == label).any():
                samples = np.column_stack([train, np.full(len(train), scaling)])
                v = primal_optimum(samples, np.where(y[~out] == label, 1.0, -1.0), weight)
                values[out, column] = test @ v[:-1] + scaling * v[-1]
    return values


def problem(n=40, dimensions=12, classes=4, seed=0, noise=1.5):
    """Overlapping classes, non-negative, L2-normalised, as features are."""
    generator = np.random.default_rng(seed)
    y = np.arange(n) % classes
    centres = generator.gamma(0.5, 1, (classes, dimensions))
    X = np.maximum(0, centres[y] + noise * generator.normal(size=(n, dimensions)))
    return X / np.linalg.norm(X, axis=1, keepdims=True).clip(1e-9), y


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("dimensions", [5, 80])
def test_equals_the_loop(C, dimensions):
    X, y = problem(dimensions=dimensions)
    found = leave_one_out(X, y, C=C)
    expected = loop(X, y, np.arange(len(y)), C)
    np.testing.assert_allclose(found.values, expected, rtol=0, atol=1e-9 * max(1, C))
    assert found.gradient <= 1e-9 * max(1, C) ** 2
    np.testing.assert_array_equal(found.predicted, expected.argmax(1))
    assert found.converged
    assert found.residual <= 1e-10


@st.composite
def training_sets(draw):
    """Shapes on both sides of n = d, with duplicate rows, zero rows, constant columns and groups."""
    n = draw(st.integers(4, 14))
    dimensions, classes = draw(st.integers(1, 18)), draw(st.integers(2, 4))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = generator.normal(size=(n, dimensions))
    if draw(st.booleans()):
        X[generator.integers(0, n, 3)] = X[0]
    if draw(st.booleans()):
        X[generator.integers(0, n, 2)] = 0
    if draw(st.booleans()):
        X[:, 0] = 1
    y = np.concatenate([np.arange(classes), generator.integers(0, classes, n)])[:n]
    groups = generator.integers(0, draw(st.integers(2, n)), n) if draw(st.booleans()) else np.arange(n)
    return X, y, groups, draw(st.sampled_from([0.1, 1.0, 30.0])), draw(st.sampled_from([1.0, 3.0]))


def trainable(y, groups):
    return len(set(groups)) > 1 and all(len(set(y[groups != g])) > 1 for g in set(groups))


@settings(max_examples=60, deadline=None)
@given(training_sets())
def test_equals_the_loop_whatever_the_data(case):
    X, y, groups, C, scaling = case
    if not trainable(y, groups):
        with pytest.raises((UserError, ValueError)):
            leave_one_out(X, y, C=C, groups=groups, intercept_scaling=scaling)
        return
    found = leave_one_out(X, y, C=C, groups=groups, intercept_scaling=scaling)
    assert found.converged
    np.testing.assert_allclose(found.values, loop(X, y, groups, C, scaling), rtol=0, atol=1e-8)
    assert found.gradient <= 1e-8 * max(1, C) * scaling**2
    np.testing.assert_array_equal(found.predicted, np.unique(y)[found.values.argmax(1)])


def test_groups_equal_the_loop():
    X, y = problem(n=60)
    groups = np.arange(60) // 5
    found = leave_one_out(X, y, groups=groups)
    np.testing.assert_allclose(found.values, loop(X, y, groups, 1.0), rtol=0, atol=1e-9)
    assert found.folds == 12
    assert found.problems == 48
    assert found.refits <= 48


def test_only_support_vectors_are_refitted():
    X, y = problem(noise=0.3, n=80, dimensions=40)
    groups = np.arange(80)
    found = leave_one_out(X, y, C=10.0, groups=groups)
    signs = torch.tensor(np.where(y[:, None] == np.arange(4), 1.0, -1.0))
    gram = torch.tensor(X @ X.T + 1)
    duals = solve_in_gram(gram, signs, 10.0).duals
    assert found.refits == int((duals != 0).sum())
    assert 0 < found.refits < found.problems == 320
    assert f"{found.refits} solved again" in found.statement


def test_two_classes_are_one_problem_and_labels_may_be_strings():
    X, y = problem(classes=2)
    names = np.where(y == 1, "walk", "run")
    found = leave_one_out(X, names)
    assert found.problems == 40
    np.testing.assert_array_equal(found.values[:, 0], -found.values[:, 1])
    expected = loop(X, (names == "walk").astype(int), np.arange(40), 1.0)
    np.testing.assert_allclose(found.values[:, 1], expected[:, 1], atol=1e-9)
    np.testing.assert_array_equal(found.predicted, np.where(expected[:, 1] > 0, "walk", "run"))


def test_a_class_of_one_group_is_never_chosen_when_it_is_left_out():
    X, y = problem(classes=3, n=30)
    y[7] = 3
    found = leave_one_out(X, y)
    assert found.values[7, 3] == -np.inf
    assert np.isfinite(found.values[np.arange(30) != 7]).all()
    assert found.predicted[7] != 3
    assert found.problems == 30 * 4 - 1


def test_what_depends_on_the_fold_is_refitted_and_said():
    X, y = problem(n=30, classes=3)

    def prepare(train, labels, test):
        scaler = StandardScaler().fit(train)
        return scaler.transform(train), scaler.transform(test), 0.5 if labels[0] == 0 else 2.0

    groups = np.arange(30) // 3
    found = leave_one_out(X, y, groups=groups, prepare=prepare)
    np.testing.assert_allclose(found.values, loop(X, y, groups, None, prepare=prepare), rtol=0, atol=1e-9)
    assert not found.exact_from_full
    assert found.refits == found.problems == 30
    assert "depends on the fold" in found.statement
    same = leave_one_out(X, y, groups=groups, prepare=lambda train, _, test: (train, test, 1.0))
    np.testing.assert_allclose(same.values, leave_one_out(X, y, groups=groups).values, atol=1e-11)


def test_the_safe_solver_takes_over_when_newton_is_cut_short(monkeypatch):
    X, y = problem(n=60)
    whole = leave_one_out(X, y, groups=np.arange(60) // 6)
    monkeypatch.setattr(leave_one_out_folds, "_MAX_STEPS", 1)
    cut = leave_one_out(X, y, groups=np.arange(60) // 6)
    assert cut.converged
    np.testing.assert_allclose(cut.values, whole.values, atol=1e-11)


def test_small_blocks_change_nothing(monkeypatch):
    X, y = problem(n=60)
    whole = leave_one_out(X, y)
    monkeypatch.setattr(leave_one_out_folds, "_BLOCK_VALUES", 700)
    np.testing.assert_allclose(leave_one_out(X, y).values, whole.values, atol=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_equals_the_cpu():
    X, y = problem(n=200, dimensions=64)
    np.testing.assert_allclose(
        leave_one_out(X, y, device="cuda").values, leave_one_out(X, y).values, atol=1e-10
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"C": 0}, UserError, "C: 0 is not positive"),
        ({"intercept_scaling": -1}, UserError, "intercept_scaling: -1 is not positive"),
        ({"device": "tpu"}, UserError, "device: 'tpu' is unknown"),
        ({"groups": [1] * 12}, UserError, "all samples are of one group"),
        ({"groups": [1] * 5}, ValueError, "inconsistent numbers of samples"),
        ({"y": [1] * 12}, ValueError, "two classes, got one class"),
        ({"y": [0] + [1] * 11}, UserError, "without the group of sample 0 only one class remains"),
        ({"y": np.linspace(0, 1, 12)}, ValueError, "Unknown label type"),
        ({"X": np.full((12, 2), np.nan)}, ValueError, "NaN"),
        ({"X": np.ones((1, 2)), "y": [1]}, ValueError, "two classes, got one class"),
    ],
)
def test_bad_input(change, error, message):
    X, y = problem(n=12, classes=2)
    with pytest.raises(error, match=message):
        leave_one_out(**{"X": X, "y": y} | change)


def test_equals_liblinear():
    """Few folds, since coordinate descent needs many passes for eight digits."""
    X, y = problem(n=60, dimensions=200)
    groups = np.where(np.arange(60) < 9, np.arange(60) // 3, 3)
    found = leave_one_out(X, y, groups=groups)
    for group in range(3):
        out = groups == group
        model = LinearSVC(dual=True, tol=1e-10, max_iter=20_000, random_state=0).fit(X[~out], y[~out])
        np.testing.assert_allclose(found.values[out], model.decision_function(X[out]), rtol=0, atol=1e-8)


def test_the_full_solution_has_no_residual():
    X, y = problem(n=60, dimensions=200)
    signs = np.where(y == 1, 1.0, -1.0)
    solved = solve_in_gram(torch.tensor(X @ X.T + 1), torch.tensor(signs[:, None]), 1.0)
    v = primal_optimum(np.column_stack([X, np.ones(60)]), signs, 1.0)
    np.testing.assert_allclose(solved.values[:, 0], np.column_stack([X, np.ones(60)]) @ v, atol=1e-11)
    assert float(solved.residuals[0]) <= 1e-12
