"""The similarities in blocks: float32 within its bound, torch as NumPy, any size of block and of memory."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols import pair_vectors, similarities
from p3d_eval.protocols.pair_sums import NumpyArrays, TorchArrays
from p3d_eval.protocols.pair_vectors import layer_similarities
from p3d_eval.protocols.similarities import PairSums, l2_norms, pair_similarities
from tests.protocols.test_similarities import by_definition

# Of a sum of 256 terms ≥ 0, each rounded a few times, relative: (256 + 8) · 2⁻²⁴; half for rows with a root.
BOUND = 264 * 2.0**-24
TYPICAL = 2e-6


def rectified(videos, dims, seed=0):
    generator = np.random.default_rng(seed)
    values = generator.exponential(size=(videos, dims)) * (generator.random((videos, dims)) < 0.6)
    values[1] = 0
    return values.astype(np.float32)


def summed(values, first, second, arrays=None, **more):
    norms = l2_norms(values)
    sums = PairSums(first, second, norms, norms, given="l2", **more)
    if arrays is not None:
        sums._arrays = arrays
        sums._first, sums._second = arrays.move(first), arrays.move(second)
    sums.add(values)
    return sums.result()


def expected(values, first, second):
    unit = values.astype(float) / np.maximum(1e-300, np.linalg.norm(values.astype(float), axis=1))[:, None]
    return np.array([by_definition(unit[i], unit[j]) for i, j in zip(first, second, strict=True)])


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(1, 600), st.integers(1, 20), st.integers(0, 100))
def test_float32_within_its_bound(videos, dims, pairs, seed):
    values = rectified(videos, dims, seed)
    first, second = np.random.default_rng(seed).integers(0, videos, (2, pairs))
    found, truth = summed(values, first, second), expected(values, first, second)
    slack = np.full((1, 12), 1e-12)
    slack[0, 9] = 4e-6 * truth[:, 6].max()  # a difference of logarithms
    slack[0, 8] = 1e-7  # of equal descriptors the definition itself is a root of rounding
    assert (np.abs(found - truth) <= BOUND * truth + slack).all()


def test_float32_is_far_better_than_its_bound():
    values = rectified(6, 20_000)
    first, second = np.array([0, 2, 3]), np.array([5, 4, 2])
    np.testing.assert_allclose(summed(values, first, second), expected(values, first, second), rtol=TYPICAL / 4)


def test_equal_descriptors_are_at_distance_zero_in_float32():
    values = rectified(5, 3000)
    rows = summed(values, np.arange(5), np.arange(5)).T
    for distance in (5, 6, 7, 8, 9):
        np.testing.assert_array_equal(rows[distance], 0)
    np.testing.assert_allclose(rows[4], [1, 0, 1, 1, 1], rtol=1e-6)


def test_tiny_values_keep_their_digits():
    """Softmax tails near float32's smallest values: row 11 depends on ratios, not on sizes."""
    values = np.array([[1.0, 3e-40, 1e-44, 0], [0.5, 1e-40, 3e-44, 0]], np.float32)
    found = summed(values, np.array([0]), np.array([1]))[0]
    truth = expected(values, [0], [1])[0]
    np.testing.assert_allclose(found[[0, 4, 10, 11]], truth[[0, 4, 10, 11]], rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", ["l2", "none"])
def test_torch_computes_what_numpy_does(dtype, given):
    """The path of accelerators, on the CPU's torch."""
    values = rectified(7, 900).astype(dtype)
    if given == "none":
        values = values.astype(np.float64)
    first, second = np.random.default_rng(1).integers(0, 7, (2, 40))
    norms = l2_norms(values)
    results = []
    for arrays in (NumpyArrays(), TorchArrays(torch.device("cpu"))):
        arrays.columns, arrays.elements = 128, 700
        sums = PairSums(first, second, norms, norms, given=given)
        sums._arrays, sums._first, sums._second = arrays, arrays.move(first), arrays.move(second)
        sums.add(values)
        results.append(sums.result())
    np.testing.assert_allclose(*results, rtol=3e-6 if values.dtype == np.float32 else 1e-12, atol=1e-9)


def test_blocks_and_threads_change_nothing(monkeypatch):
    values = rectified(6, 1000).astype(np.float64)
    first, second = np.random.default_rng(1).integers(0, 6, (2, 30))
    reference = summed(values, first, second)
    one_thread = monkeypatch.setattr(similarities.os, "cpu_count", lambda: 1) or summed(values, first, second)
    np.testing.assert_array_equal(one_thread, reference)
    for columns, elements in ((1, 1), (7, 50), (999, 10**6)):
        arrays = NumpyArrays()
        arrays.columns, arrays.elements = columns, elements
        np.testing.assert_allclose(summed(values, first, second, arrays), reference, rtol=1e-12, atol=1e-12)


class Cramped(TorchArrays):
    """Torch on the CPU, out of memory for more than a thousand values at once."""

    refused = 0

    def empty(self, shape, dtype):
        if np.prod(shape) > 1000:
            type(self).refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().empty(shape, dtype)


def test_too_little_device_memory_means_smaller_blocks():
    values = rectified(6, 700)
    first, second = np.random.default_rng(1).integers(0, 6, (2, 20))
    arrays = Cramped(torch.device("cpu"))
    found = summed(values, first, second, arrays)
    assert arrays.refused > 1
    np.testing.assert_allclose(found, summed(values, first, second), rtol=TYPICAL, atol=1e-6)


def test_a_descriptor_that_never_fits_is_an_error():
    class Full(Cramped):
        def empty(self, shape, dtype):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(UserError, match="out of memory"):
        summed(rectified(3, 5), np.array([0]), np.array([2]), Full(torch.device("cpu")))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_computes_what_numpy_does():
    values = rectified(50, 3000)
    first, second = np.random.default_rng(1).integers(0, 50, (2, 200))
    found = summed(values, first, second, device="cuda")
    np.testing.assert_allclose(found, summed(values, first, second), rtol=TYPICAL, atol=1e-6)


@pytest.mark.parametrize("device", ["cuda:99", "tpu"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(UserError, match=f"device: '{device}'"):
        pair_similarities(np.ones((1, 2)), np.ones((1, 2)), device=device)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("layer") / "f.h5"
    values = rectified(40, 50_000)
    return open_features(
        write_store(path, [f"v{n}" for n in range(40)], {"conv": values, "small": values[:, :9]})
    )


def similar(store, layer="conv", **more):
    videos = [f"v{n}" for n in range(39, 4, -1)]  # neither all nor in the file's order
    first, second = np.random.default_rng(4).integers(0, len(videos), (2, 25))
    settings = {"normalise": "l2", "negatives": "error", "eps": 1e-10} | more
    return layer_similarities(store, layer, videos, first, second, **settings)


@pytest.mark.parametrize("more", [{}, {"normalise": "none"}, {"negatives": "split"}, {"negatives": "clip"}])
def test_kept_or_read_twice(store, monkeypatch, more):
    kept = similar(store, **more)
    monkeypatch.setattr(pair_vectors, "_KEPT_BYTES", 0)
    monkeypatch.setattr(pair_vectors, "_READ_BYTES", 100_000)
    np.testing.assert_allclose(similar(store, **more), kept, rtol=1e-5, atol=1e-6)


def test_memory_does_not_grow_with_the_layer(store, monkeypatch):
    """8 MB of values in reads of 0.4 MB; NumPy's allocations are traced."""
    monkeypatch.setattr(pair_vectors, "_KEPT_BYTES", 0)
    monkeypatch.setattr(pair_vectors, "_READ_BYTES", 400_000)
    tracemalloc.start()
    similar(store)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_500_000
