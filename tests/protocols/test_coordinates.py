"""Coordinates of huge layers: inner products against NumPy, protocols that give the same numbers on them."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols import coordinates as coordinates_module
from p3d_eval.protocols import pca, task_features
from p3d_eval.protocols.coordinates import coordinates, inner_products
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.normalisation import normalise_rows
from p3d_eval.protocols.pca import fit_pca
from p3d_eval.protocols.pca_sweep import project
from tests.support import protocol_data as data


def stored(folder, values, name="layer"):
    ids = [f"v{row:04}" for row in range(len(values))]
    return open_features(write_store(folder / "layer.h5", ids, {name: values}, overwrite=True))[name]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(n=3, width=6, seed=46, normalise="none", block=1)
@given(
    n=st.integers(2, 12),
    width=st.integers(1, 40),
    seed=st.integers(0, 1000),
    normalise=st.sampled_from(["none", "l2", "signed-sqrt-l2"]),
    block=st.sampled_from([1, 50, 10**6]),
)
def test_coordinates_have_the_inner_products_of_the_samples(tmp_path, n, width, seed, normalise, block):
    """With equal and zero samples, more samples than values and fewer, in any order, in any block."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n, width)).astype(np.float32) * (generator.random((n, width)) < 0.7)
    values[0], values[-1] = values[n // 2], 0
    rows = generator.permutation(n)[: n - 1]
    layer = stored(tmp_path, values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coordinates_module, "_BLOCK_VALUES", block)
        found = coordinates(inner_products(layer, rows, normalise))
    X = normalise_rows(values[rows].astype(np.float64), normalise)
    np.testing.assert_allclose(found @ found.T, X @ X.T, rtol=1e-12, atol=1e-12 * max(1, (X**2).sum(1).max()))
    # Sums in another order leave rounding in equal samples: what exceeds the rank explains no more than that.
    rank = max(1, np.linalg.matrix_rank(X, tol=1e-9))
    assert found.shape[1] <= len(X)
    assert (found[:, rank:] ** 2).sum() <= width * 2.0**-52 * (X**2).sum()


@pytest.mark.parametrize("shape", [(30, 200), (200, 30)])
def test_principal_components_of_a_stored_layer(tmp_path, monkeypatch, shape):
    values = np.random.default_rng(0).gamma(0.5, size=shape).astype(np.float32)
    expected = fit_pca(values, 9)
    monkeypatch.setattr(pca, "_BLOCK_VALUES", 900)
    layer = stored(tmp_path, values)
    for solver in ("exact", "randomised"):
        found = fit_pca(layer, 9, solver=solver)
        tolerance = 1e-9 if solver == "exact" else 0.01
        np.testing.assert_allclose(found.variances, expected.variances, rtol=tolerance)
        np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12)
    found = fit_pca(layer, 9)
    np.testing.assert_allclose(found.components, expected.components, atol=1e-9)
    np.testing.assert_allclose(found.transform(layer), expected.transform(values), atol=1e-9)


def test_projections_on_principal_components_are_the_same(tmp_path):
    generator = np.random.default_rng(0)
    values = (generator.gamma(0.5, size=(30, 200)) * 0.9 ** (np.arange(200) / 3)).astype(np.float32)
    X = normalise_rows(values.astype(np.float64), "l2")
    Z = coordinates(inner_products(stored(tmp_path, values), np.arange(30), "l2"))
    ours, theirs = (project(samples, range(20), (8,)) for samples in (Z, X))
    signs = np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours * signs, theirs, atol=1e-9)


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    ids = data.ucf_ids()
    generator = np.random.default_rng(0)
    actions = [data.ACTIONS.index(video.split("/")[0]) for video in ids]
    centres = generator.gamma(0.3, size=(4, 700))
    values = generator.gamma(0.3, size=(len(ids), 700)) + 0.12 * centres[actions]
    path = tmp_path_factory.mktemp("wide") / "wide.h5"
    return open_features(write_store(path, ids, {"pool5": values.astype(np.float32)}))


@pytest.fixture
def huge(monkeypatch):
    """Take a layer of any size for a huge one."""
    monkeypatch.setattr(task_features, "_HELD_BYTES", 0)


@pytest.mark.parametrize(
    "options",
    [
        {"pca": "40,5"},
        {"normalise": "signed-sqrt-l2"},
        {"normalise": "none", "C": 0.01},
        {"C": "0.1,10"},
        {"classifier": "knn"},
        {"classifier": "ncm"},
        {"classifier": "libsvm"},
        {"classifier": "logistic"},
    ],
)
def test_a_huge_layer_gives_the_same_result(wide, huge, monkeypatch, options):
    found = evaluate("ucf101", wide, split=1, **options)
    assert task_features._HELD_BYTES == 0
    monkeypatch.setattr(task_features, "_HELD_BYTES", 1 << 40)
    expected = evaluate("ucf101", wide, split=1, **options)
    assert found.converged
    assert found.result_id == expected.result_id
    assert {name: metric.value for name, metric in found.metrics.items()} == {
        name: metric.value for name, metric in expected.metrics.items()
    }
    assert found.metrics["accuracy"].value > 0.3
    assert [one.metrics for one in found.variants] == [one.metrics for one in expected.variants]
    tolerance = {"atol": 3e-4} if options.get("classifier") in ("libsvm", "logistic") else {"atol": 1e-5}
    np.testing.assert_allclose(found.scores.scores, expected.scores.scores, **tolerance)


def test_leaving_one_out_on_a_huge_layer(wide, huge, monkeypatch):
    found = evaluate("scenes", wide)
    monkeypatch.setattr(task_features, "_HELD_BYTES", 1 << 40)
    expected = evaluate("scenes", wide)
    np.testing.assert_allclose(found.scores.scores, expected.scores.scores, atol=1e-6)


def test_standardising_reads_the_values(wide, huge):
    assert evaluate("ucf101", wide, split=1, normalise="zscore").converged


def test_memory_does_not_grow_with_the_layer(tmp_path, monkeypatch):
    """32 MB in float64, in blocks of 0.4 MB: traced are NumPy's arrays."""
    layer = stored(tmp_path, np.random.default_rng(0).random((200, 20_000), dtype=np.float32))
    monkeypatch.setattr(coordinates_module, "_BLOCK_VALUES", 50_000)
    tracemalloc.start()
    coordinates(inner_products(layer, np.arange(200), "l2"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_500_000


def test_an_accelerator_multiplies_in_halves(tmp_path, monkeypatch):
    """The path of CUDA on the CPU's torch, with room for nine columns."""
    values = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    layer = stored(tmp_path, values)

    tried = []

    class Cramped(coordinates_module._OnDevice):
        def _add(self, block):
            tried.append(block.shape[1])
            if block.shape[1] > 9:
                raise torch.OutOfMemoryError("CUDA out of memory")
            super()._add(block)

    monkeypatch.setattr(coordinates_module, "_OnCpu", lambda n: Cramped(n, torch.device("cpu")))
    found = inner_products(layer, np.arange(6), "none")
    np.testing.assert_allclose(np.triu(found), np.triu(values @ values.T.astype(np.float64)), rtol=1e-12)
    assert max(tried) == 40


def test_no_room_for_the_inner_products(monkeypatch):
    def full(*shape, **options):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch, "zeros", full)
    with pytest.raises(UserError, match="out of memory on cpu: the inner products of 7 videos"):
        coordinates_module._OnDevice(7, torch.device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_multiplies_as_the_cpu_does(tmp_path):
    layer = stored(tmp_path, np.random.default_rng(0).normal(size=(40, 3000)).astype(np.float32))
    products = [np.triu(inner_products(layer, np.arange(40), "l2", device)) for device in ("cpu", "cuda")]
    np.testing.assert_allclose(*products, rtol=1e-12, atol=1e-13)
