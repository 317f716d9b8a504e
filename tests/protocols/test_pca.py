"""Principal components against scikit-learn, and what they may not depend on."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from p3d_eval.errors import UserError
from p3d_eval.protocols import pca
from p3d_eval.protocols.pca import fit_pca


def samples(n, width, seed=0, offset=3.0):
    """Directions of clearly different variance, far from the origin."""
    generator = np.random.default_rng(seed)
    basis = np.linalg.qr(generator.normal(size=(width, width)))[0]
    return generator.normal(size=(n, width)) * 0.8 ** np.arange(width) @ basis + offset


def assert_same_up_to_sign(ours, theirs, tolerance):
    signs = np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, theirs * signs, rtol=0, atol=tolerance)


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 40), st.integers(1, 30), st.integers(0, 2**32 - 1), st.booleans(), st.data())
def test_equals_scikit_learn(n, width, seed, narrow, draw):
    """For n < D and n > D, float32 and float64, any number of dimensions."""
    X = samples(n, width, seed)
    X = X.astype(np.float32) if narrow else X
    dimensions = draw.draw(st.integers(1, min(n - 1, width)))
    reference = PCA(svd_solver="full").fit(X.astype(np.float64))
    spread = reference.singular_values_
    assume((np.diff(-spread[: dimensions + 1]) > 1e-4 * spread[0]).all())  # else directions are not defined
    assume(spread[dimensions - 1] > 1e-4 * spread[0])
    fitted = fit_pca(X, dimensions)
    np.testing.assert_allclose(fitted.variances, reference.explained_variance_[:dimensions], rtol=1e-6)
    np.testing.assert_allclose(fitted.components @ fitted.components.T, np.eye(dimensions), atol=1e-8)
    new = samples(7, width, seed + 1)
    assert_same_up_to_sign(fitted.transform(new), reference.transform(new)[:, :dimensions], 1e-5)
    assert fitted.components.dtype == fitted.transform(X).dtype == np.float64


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
def test_fewer_dimensions_are_the_first_of_more(shape):
    X = samples(*shape)
    whole = fit_pca(X, 12)
    for dimensions in (1, 5, 11):
        part = fit_pca(X, dimensions)
        np.testing.assert_allclose(part.components, whole.components[:dimensions], atol=1e-10)
        np.testing.assert_allclose(part.transform(X), whole.transform(X, dimensions), atol=1e-10)


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
def test_signs_are_fixed(shape):
    X = samples(*shape)
    first, mirrored = fit_pca(X, 6), fit_pca(6 - X, 6)  # the same directions, every sample on the other side
    largest = np.abs(first.components).argmax(axis=1)
    assert (first.components[np.arange(6), largest] > 0).all()
    np.testing.assert_allclose(mirrored.components, first.components, atol=1e-9)


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
def test_small_blocks_change_nothing(shape, monkeypatch):
    X = samples(*shape)
    whole = fit_pca(X, 8)
    monkeypatch.setattr(pca, "_BLOCK_VALUES", 70)
    parts = fit_pca(X, 8)
    np.testing.assert_allclose(parts.components, whole.components, atol=1e-10)
    np.testing.assert_allclose(parts.transform(X), whole.transform(X), atol=1e-10)


def test_constant_columns_and_duplicates():
    X = samples(30, 8)
    X[:, [1, 4]] = 0.1
    X[10:] = X[:20]
    fitted = fit_pca(X, 6)
    np.testing.assert_allclose(fitted.components[:, [1, 4]], 0, atol=1e-7)
    with pytest.raises(UserError, match="7 dimensions asked, but the 30 training samples of 8 values span 6"):
        fit_pca(X, 7)


@pytest.mark.parametrize(
    ("X", "dimensions", "message"),
    [
        (samples(5, 20), 5, "5 dimensions asked, but the 5 training samples of 20 values span 4"),
        (samples(20, 5), 6, "6 dimensions asked, but the 20 training samples of 5 values span 5"),
        (samples(1, 5), 1, "1 dimension asked, but the 1 training sample of 5 values spans 0"),
        (np.full((9, 4), 0.1), 1, "9 training samples of 4 values span 0"),
        (samples(9, 4), 0, "0 dimensions"),
    ],
)
def test_more_dimensions_than_there_are(X, dimensions, message):
    with pytest.raises(UserError, match=message):
        fit_pca(X, dimensions)


def test_randomised_is_close_and_reproducible():
    X = samples(80, 40)
    exact, first, again = fit_pca(X, 5), *(fit_pca(X, 5, solver="randomised", seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.components, again.components)
    np.testing.assert_allclose(first.components, exact.components, atol=1e-6)
    np.testing.assert_allclose(first.variances, exact.variances, rtol=1e-8)


def test_an_absent_device_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(UserError, match="'cuda' is not available"):
        fit_pca(samples(9, 4), 2, device="cuda")


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
def test_little_device_memory_means_smaller_blocks(shape, monkeypatch):
    inner, tried = pca._inner, []

    def cramped(block, device):
        tried.append(block.shape[1])
        if block.shape[1] > 7:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return inner(block, device)

    X = samples(*shape)
    whole = fit_pca(X, 8)
    monkeypatch.setattr(pca, "_inner", cramped)
    np.testing.assert_allclose(fit_pca(X, 8).components, whole.components, atol=1e-10)
    assert max(tried) == 60


def test_no_device_memory_for_the_matrix(monkeypatch):
    def full(*shape, **options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "zeros", full)
    with pytest.raises(UserError, match="out of memory on cpu: principal components from a matrix of 20 × 20"):
        fit_pca(samples(60, 20), 8)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
def test_cuda_equals_the_cpu(shape):
    X = samples(*shape)
    np.testing.assert_allclose(fit_pca(X, 8, device="cuda").components, fit_pca(X, 8).components, atol=1e-9)
