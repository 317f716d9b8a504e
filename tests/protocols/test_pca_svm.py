"""The SVMs of a sweep, solved together, against LIBLINEAR on each number of dimensions."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.protocols import pca_svm
from p3d_eval.protocols.pca import fit_pca
from p3d_eval.protocols.pca_svm import fit_sweep


def projections(n, width, classes, seed):
    """Training samples on their components, and class numbers, all classes present."""
    generator = np.random.default_rng(seed)
    encoded = np.concatenate([np.arange(classes), generator.integers(0, classes, n - classes)])
    X = np.abs(generator.normal(size=(n, width)) + generator.normal(size=(classes, width))[encoded])
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    dimensions = min(n - 1, width)
    return fit_pca(X, dimensions).transform(X), encoded


def primal(weights, intercepts, X, signs, C):
    slack = np.maximum(0, 1 - signs * (X @ weights.T + intercepts))
    return (np.square(weights).sum(1) + intercepts**2) / 2 + C * np.square(slack).sum(0)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(12, 60),
    st.integers(2, 40),
    st.integers(2, 5),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.1, 1, 30]),
)
def test_reaches_liblinears_optimum(n, width, classes, seed, C):
    projected, encoded = projections(n, width, classes, seed)
    whole = projected.shape[1]
    points = tuple(sorted({whole, (whole + 1) // 2, 1}, reverse=True))
    found = fit_sweep(projected, encoded, points, C=C)
    assert tuple(found) == points
    positive = [1] if classes == 2 else range(classes)
    signs = np.where(encoded[:, None] == np.array(positive), 1.0, -1.0)
    for point, fit in found.items():
        X = projected[:, :point]
        assert (fit.relative_gaps <= 1e-6).all()
        optima = []
        for column in signs.T:
            model = LinearSVC(C=C, dual=True, tol=1e-6, max_iter=20_000, random_state=0).fit(X, column)
            optima.append(primal(model.coef_, model.intercept_, X, column[:, None], C)[0])
        reached = primal(fit.weights, fit.intercepts, X, signs, C)
        assert (reached <= np.array(optima) * (1 + 1.1e-6)).all()


def test_scores_have_a_column_a_class():
    projected, encoded = projections(40, 12, 2, 0)
    fit = fit_sweep(projected, encoded, (5,))[5]
    scores = fit.scores(projected)
    np.testing.assert_array_equal(scores[:, 0], -scores[:, 1])
    model = LinearSVC(dual=True, tol=1e-8, max_iter=20_000).fit(projected[:, :5], encoded)
    np.testing.assert_allclose(scores[:, 1], model.decision_function(projected[:, :5]), atol=2e-3)


def test_what_misses_the_tolerance_is_solved_again(monkeypatch):
    projected, encoded = projections(60, 12, 3, 1)
    monkeypatch.setattr(pca_svm, "_NEWTON_STEPS", 0)
    fit = fit_sweep(projected, encoded, (8,))[8]
    assert fit.repeated == 3
    assert (fit.relative_gaps <= 1e-6).all()


def test_a_device_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(UserError, match="'cuda' is not available"):
        fit_sweep(*projections(20, 5, 2, 0), (2,), device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_equals_the_cpu():
    projected, encoded = projections(200, 30, 4, 0)
    here, there = (fit_sweep(projected, encoded, (20,), device=device)[20] for device in ("cpu", "cuda"))
    assert (there.relative_gaps <= 1e-6).all()
    np.testing.assert_allclose(there.weights, here.weights, atol=2e-3)
