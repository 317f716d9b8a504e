"""Every computation with a device option on a pretended CUDA device: nothing strays, the same answers.

On a machine with CUDA the tests beside each module compare the real device.
"""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from p3d_eval.features import open_features, write_store
from p3d_eval.protocols import task_features
from p3d_eval.protocols.classifiers import OneVsRestLinearSVC
from p3d_eval.protocols.classifiers.squared_hinge import solve_squared_hinge
from p3d_eval.protocols.coordinates import inner_products
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.leave_one_out import leave_one_out
from p3d_eval.protocols.pca import fit_pca
from p3d_eval.protocols.pca_svm import fit_sweep
from p3d_eval.protocols.similarities import pair_similarities
from tests.support import protocol_data as data
from tests.support.pretended_cuda import pretended_cuda


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def both(compute):
    """Results on the CPU, and on the pretended device."""
    on_cpu = compute("cpu")
    with pretended_cuda():
        return on_cpu, compute("cuda")


def features(generator, n, width, classes=3):
    labels = np.arange(n) % classes
    X = np.abs(generator.normal(size=(n, width)) + generator.normal(size=(classes, width))[labels])
    return X / np.linalg.norm(X, axis=1, keepdims=True), labels


def test_the_pretended_device_refuses_what_cuda_refuses():
    with pretended_cuda():
        here, there = torch.ones(3), torch.ones(3, device="cuda")
        with pytest.raises(RuntimeError, match="same device"):
            here + there
        with pytest.raises(RuntimeError):
            np.asarray(there)
        assert torch.equal((there + there.cpu().to("cuda")).cpu(), 2 * here)


@pytest.mark.parametrize("shape", [(60, 9), (40, 90)])
@pytest.mark.parametrize(("C", "dtype"), [(1.0, torch.float32), (10.0, torch.float64)])
def test_squared_hinge(generator, shape, C, dtype):
    X, labels = features(generator, *shape)
    signs = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    cpu, cuda = both(lambda device: solve_squared_hinge(X, signs, C, device=device, dtype=dtype))
    assert cuda.converged.all()
    np.testing.assert_allclose(cuda.weights, cpu.weights, atol=1e-2 * np.abs(cpu.weights).max())
    if dtype == torch.float64:
        np.testing.assert_allclose(cuda.weights, cpu.weights, rtol=1e-9, atol=1e-9)


def test_float32_solvers_switch_tf32_off(generator, monkeypatch):
    """Its 10 bits of mantissa would stop them far from the optimum."""
    X, labels = features(generator, 60, 12)
    signs = np.where(labels[:, None] == np.arange(3), 1.0, -1.0)
    seen = []
    product = torch.Tensor.__matmul__
    monkeypatch.setattr(torch, "mm", spy(torch.mm, seen))
    monkeypatch.setattr(torch.Tensor, "__matmul__", spy(product, seen))
    with pretended_cuda(), tf32():
        solve_squared_hinge(X.astype(np.float32), signs, 1.0, device="cuda", dtype=torch.float32)
        between = len(seen)
        fit_sweep(X, labels, (12, 5), device="cuda")
        assert torch.backends.cuda.matmul.allow_tf32, "put back"
    assert 0 < between < len(seen)
    assert not any(seen)


@contextmanager
def tf32():
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def spy(product, seen):
    def multiply(a, b, **more):
        if a.device.type == "cuda" and a.dtype == torch.float32:
            seen.append(torch.backends.cuda.matmul.allow_tf32)
        return product(a, b, **more)

    return multiply


@pytest.mark.parametrize("tol", [1e-6, 1e-13])
def test_estimator(generator, tol):
    """At the second tolerance float32 is not enough, and problems are solved again."""
    X, labels = features(generator, 60, 12)
    weights = generator.random(len(X))
    cpu, cuda = both(
        lambda device: OneVsRestLinearSVC(tol=tol, device=device, class_weight="balanced").fit(
            X.astype(np.float32), labels, weights
        )
    )
    np.testing.assert_array_equal(cuda.predict(X), cpu.predict(X))
    assert cuda.converged_ == cpu.converged_


@pytest.mark.parametrize("groups", [None, 8])
def test_leave_one_out(generator, groups):
    X, labels = features(generator, 40, 60)
    grouped = None if groups is None else np.arange(40) // 3 % groups
    cpu, cuda = both(lambda device: leave_one_out(X, labels, groups=grouped, device=device))
    np.testing.assert_allclose(cuda.values, cpu.values, atol=1e-9)


@pytest.mark.parametrize("shape", [(60, 20), (20, 60)])
def test_principal_components(generator, shape):
    X = generator.normal(size=shape)
    cpu, cuda = both(lambda device: fit_pca(X, 5, device=device))
    np.testing.assert_allclose(cuda.components, cpu.components, atol=1e-9)


def test_sweep(generator):
    X, labels = features(generator, 90, 30)
    cpu, cuda = both(lambda device: fit_sweep(X, labels, (20, 5), device=device))
    for point in (20, 5):
        assert (cuda[point].relative_gaps <= 1e-6).all()
        np.testing.assert_array_equal(cuda[point].scores(X).argmax(1), cpu[point].scores(X).argmax(1))


def test_similarities(generator):
    a, b = generator.random((2, 30, 70))
    cpu, cuda = both(lambda device: pair_similarities(a, b, device=device))
    np.testing.assert_allclose(cuda, cpu, rtol=1e-12)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wide")
    ids = data.ucf_ids(groups=range(1, 26, 2), clips=(1,))
    values = np.random.default_rng(0).gamma(0.5, size=(len(ids), 120)).astype(np.float32)
    return open_features(write_store(folder / "wide.h5", ids, {"pool5": values}))


def test_inner_products(store):
    cpu, cuda = both(lambda device: inner_products(store["pool5"], np.arange(20), "l2", device))
    np.testing.assert_allclose(np.triu(cuda), np.triu(cpu), rtol=1e-12)


@pytest.mark.ci
@pytest.mark.parametrize("held", [0, 1 << 30])
@pytest.mark.parametrize(("protocol", "more"), [("ucf101", {"split": 1, "C": "0.1,1"}), ("scenes", {})])
def test_protocols(store, monkeypatch, held, protocol, more):
    monkeypatch.setattr(task_features, "_HELD_BYTES", held)
    cpu, cuda = both(lambda device: evaluate(protocol, store, pca="9,3", device=device, **more))
    assert cuda.converged
    assert cuda.metrics == cpu.metrics
    np.testing.assert_allclose(cuda.scores.scores, cpu.scores.scores, atol=1e-4)
