"""The similarities in blocks: float32 within its bound, torch as the compiled loop, any size of block."""

import shutil
import sys
import tracemalloc

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols import pair_vectors, similarities
from p3d_eval.protocols.pair_sums import TorchSums
from p3d_eval.protocols.pair_vectors import layer_similarities
from p3d_eval.protocols.similarities import PairSums, l2_norms, measure_rows, pair_similarities
from tests.protocols.test_similarities import by_definition

# Of a sum of 256 terms ≥ 0, each rounded a few times, relative: (256 + 8) · 2⁻²⁴; half for rows with a root.
BOUND = 264 * 2.0**-24
ROUNDED = 2.0**-23  # of a value: its norm's inverse and their product, relative
TYPICAL = 2e-6


def rectified(videos, dims, seed=0):
    generator = np.random.default_rng(seed)
    values = generator.exponential(size=(videos, dims)) * (generator.random((videos, dims)) < 0.6)
    values[1] = 0
    return values.astype(np.float32)


@pytest.fixture(params=["torch", "compiled"])
def engine(request, monkeypatch):
    """Sum by torch, or by the compiled loop whatever the size."""
    use(request.param, monkeypatch)


def use(engine, monkeypatch):
    if engine == "compiled":
        pytest.importorskip("numba")
    monkeypatch.setattr(similarities, "_COMPILED_FROM", 0 if engine == "compiled" else 1 << 60)


def summed(values, first, second, torch_sums=None, given="l2", **more):
    norms = l2_norms(values)
    sums = PairSums(first, second, norms, norms, given=given, **more)
    sums._torch = torch_sums
    sums.add(values)
    return sums.result()


def expected(values, first, second):
    unit = values.astype(float) / np.maximum(1e-300, np.linalg.norm(values.astype(float), axis=1))[:, None]
    return np.array([by_definition(unit[i], unit[j]) for i, j in zip(first, second, strict=True)])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(2, 9), st.integers(1, 600), st.integers(1, 20), st.integers(0, 100))
@example(videos=7, dims=1, pairs=20, seed=0)
def test_float32_within_its_bound(engine, videos, dims, pairs, seed):
    values = rectified(videos, dims, seed)
    first, second = np.random.default_rng(seed).integers(0, videos, (2, pairs))
    found, truth = summed(values, first, second), expected(values, first, second)
    wide = values.astype(float)
    totals = np.linalg.norm(wide, 1, axis=1) / np.maximum(1e-300, np.linalg.norm(wide, axis=1))
    both = totals[first] + totals[second]
    slack = np.full((pairs, 12), 1e-12)
    # Normalised values are rounded twice, which the distance of near descriptors shows: triangle inequality.
    slack[:, [5, 6, 7, 8]] = ROUNDED * np.stack([np.sqrt(both), both, np.sqrt(2 * both), 2 + 0 * both], axis=1)
    slack[:, 9] = 4e-6 * truth[:, 6].max()  # a difference of logarithms
    assert (np.abs(found - truth) <= BOUND * truth + slack).all()


def test_float32_is_far_better_than_its_bound(engine):
    values = rectified(6, 20_000)
    first, second = np.array([0, 2, 3]), np.array([5, 4, 2])
    np.testing.assert_allclose(summed(values, first, second), expected(values, first, second), rtol=TYPICAL / 4)


def test_equal_descriptors_are_at_distance_zero_in_float32(engine):
    values = rectified(5, 3000)
    rows = summed(values, np.arange(5), np.arange(5)).T
    for distance in (5, 6, 7, 8, 9):
        np.testing.assert_array_equal(rows[distance], 0)
    np.testing.assert_allclose(rows[4], [1, 0, 1, 1, 1], rtol=1e-6)


def test_tiny_values_keep_their_digits(engine):
    """Softmax tails near float32's smallest values: row 11 depends on ratios, not on sizes."""
    values = np.array([[1.0, 3e-40, 1e-44, 0], [0.5, 1e-40, 3e-44, 0]], np.float32)
    found = summed(values, np.array([0]), np.array([1]))[0]
    truth = expected(values, [0], [1])[0]
    np.testing.assert_allclose(found[[0, 4, 10, 11]], truth[[0, 4, 10, 11]], rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("given", ["l2", "none"])
def test_torch_computes_what_the_compiled_loop_does(dtype, given, monkeypatch):
    values = rectified(7, 900).astype(dtype if given == "l2" else np.float64)
    first, second = np.random.default_rng(1).integers(0, 7, (2, 40))
    results = []
    for engine in ("torch", "compiled"):
        use(engine, monkeypatch)
        results.append(summed(values, first, second, given=given))
    np.testing.assert_allclose(*results, rtol=3e-6 if values.dtype == np.float32 else 1e-12, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_two_arrays_and_arrays_in_any_order(engine, dtype):
    values = rectified(9, 700).astype(np.float64)
    first, second = np.array([0, 5, 2, 3]), np.array([4, 0, 4, 3])
    norms = l2_norms(values)
    sums = PairSums(first, second, norms, norms[4:], given="l2")
    sums.add(np.asfortranarray(values)[:, ::2].astype(dtype), values[4:, ::2].astype(dtype))
    sums.add(values[:, 1::2].astype(dtype), values[4:, 1::2].astype(dtype))
    tolerance = TYPICAL if dtype == np.float32 else 1e-12
    truth = expected(values, first, second + 4)
    np.testing.assert_allclose(sums.result(), truth, rtol=tolerance, atol=tolerance)


def test_values_far_from_one_keep_their_digits(engine):
    """Products of two small or two large values have no float64, their quotients have."""
    for size in (1e-200, 1e150):
        found = pair_similarities([[3 * size, size]], [[size, size]])[0]
        harmonic, chi = np.sqrt(size * (3 / 4 + 1 / 2)), np.sqrt(size)
        np.testing.assert_allclose(found[[3, 5]], [harmonic, chi], rtol=1e-12)


def test_norms_of_the_compiled_loop(monkeypatch):
    values = np.random.default_rng(0).normal(size=(5, 3000)) * 1e30
    truth = np.linalg.norm(values, axis=1)
    for engine in ("torch", "compiled"):
        use(engine, monkeypatch)
        np.testing.assert_allclose(l2_norms(values), truth, rtol=1e-14)
        np.testing.assert_allclose(
            l2_norms(values.astype(np.float32).T), l2_norms(values.astype(np.float32).T.copy())
        )
        np.testing.assert_allclose(l2_norms(values.astype(np.float32)), truth, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("least", [-1e-45, -1.0, -3e38])
def test_rows_with_negative_values_are_found(engine, dtype, least):
    values = np.full((4, 700), 3e38, dtype)
    values[1], values[2], values[3, 1:] = 0, -0.0, 1e-45
    assert not measure_rows(values)[1].any()
    values[3, -1] = least
    np.testing.assert_array_equal(measure_rows(values)[1], [False, False, False, True])
    assert not measure_rows(values[:, :0])[1].any()


@pytest.mark.parametrize("known", [False, True])
def test_the_compiled_loop_sums_small_blocks_of_much_work_too(monkeypatch, known):
    pytest.importorskip("numba")
    values = rectified(6, 500)
    first, second = np.random.default_rng(1).integers(0, 6, (2, 30))
    norms = l2_norms(values)
    monkeypatch.setattr(similarities, "_COMPILED_FROM", 30 * 400)
    monkeypatch.setattr(similarities, "TorchSums", None)
    sums = PairSums(first, second, norms, norms, given="l2", dimensions=500 if known else 0)
    for start, stop in ((0, 10), (10, 500)) if known else ((0, 450), (450, 500)):
        sums.add(values[:, start:stop])
    np.testing.assert_allclose(sums.result(), expected(values, first, second), rtol=TYPICAL, atol=TYPICAL)


def test_without_numba_torch_does_it_all(monkeypatch):
    values = rectified(6, 500)
    first, second = np.random.default_rng(1).integers(0, 6, (2, 30))
    use("torch", monkeypatch)
    reference = summed(values, first, second)
    monkeypatch.setattr(similarities, "_COMPILED_FROM", 0)
    monkeypatch.setitem(sys.modules, "p3d_eval.protocols.pair_loops", None)
    np.testing.assert_array_equal(summed(values, first, second), reference)


def test_the_loop_needs_no_place_for_compiled_code(monkeypatch):
    """An installation that is not writable, and a home that is not either."""
    numba = pytest.importorskip("numba")
    from p3d_eval.protocols import pair_loops

    njit = numba.njit

    def refuse_cache(*, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", refuse_cache)
    assert pair_loops._compile(set())(lambda x: x * x)(3.0) == 9.0


def test_blocks_and_threads_change_nothing(monkeypatch):
    values = rectified(6, 2100).astype(np.float64)
    first, second = np.random.default_rng(1).integers(0, 6, (2, 30))
    use("compiled", monkeypatch)
    reference = summed(values, first, second)
    monkeypatch.setattr(similarities.os, "cpu_count", lambda: 1)
    np.testing.assert_array_equal(summed(values, first, second), reference)
    monkeypatch.setattr(similarities.os, "cpu_count", lambda: 5)
    np.testing.assert_array_equal(summed(values, first, second), reference)
    use("torch", monkeypatch)
    for columns, elements in ((100, 1), (7, 50), (999, 10**6)):
        engine = TorchSums(first, second, torch.device("cpu"))
        engine.columns, engine.elements = columns, elements
        np.testing.assert_allclose(summed(values, first, second, engine), reference, rtol=1e-12, atol=1e-12)


class Cramped(TorchSums):
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
    engine = Cramped(first, second, torch.device("cpu"))
    found = summed(values, first, second, engine)
    assert engine.refused > 1
    np.testing.assert_allclose(found, summed(values, first, second), rtol=TYPICAL, atol=1e-6)


def test_a_descriptor_that_never_fits_is_an_error():
    class Full(Cramped):
        def empty(self, shape, dtype):
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(UserError, match="out of memory"):
        first, second = np.array([0]), np.array([2])
        summed(rectified(3, 5), first, second, Full(first, second, torch.device("cpu")))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_computes_what_the_cpu_does():
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
    monkeypatch.setattr(pair_vectors, "_ROW_BYTES", 400_000)
    tracemalloc.start()
    similar(store)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_500_000


@pytest.mark.parametrize("negatives", ["error", "split", "clip"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_named(store, tmp_path, value, negatives):
    path = shutil.copy(store.path, tmp_path / "wrong.h5")
    with h5py.File(path, "r+") as file:
        file["layers/conv/mean"][7, 123] = value
    with pytest.raises(UserError, match=r"wrong.h5.*'v7' has NaN or infinite values"):
        similar(open_features(path), negatives=negatives)
