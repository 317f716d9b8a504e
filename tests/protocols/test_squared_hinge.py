"""Many squared-hinge SVMs at once: LIBLINEAR's optimum, masks, costs, precision, memory, bad input."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import LinearSVC

from p3d_eval.errors import UserError
from p3d_eval.protocols import threads
from p3d_eval.protocols.classifiers import newton, squared_hinge, working_sets
from p3d_eval.protocols.classifiers.certificate import duality_gaps
from p3d_eval.protocols.classifiers.liblinear import solve_with_liblinear
from p3d_eval.protocols.classifiers.samples import Samples
from p3d_eval.protocols.classifiers.squared_hinge import solve_squared_hinge
from p3d_eval.protocols.classifiers.working_sets import working_set_steps


def draw(seed, n, d, classes, dtype=np.float64):
    """Non-negative rows of length 1 around class centres, and one-vs-rest signs."""
    generator = np.random.default_rng(seed)
    y = np.arange(n) % classes
    X = np.abs(generator.normal(size=(n, d)) + generator.normal(size=(classes, d))[y])
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    return X.astype(dtype), np.where(y[:, None] == np.arange(classes), 1, -1)


def objective(X, signs, cost, weights, intercept, scale=1.0):
    slack = np.maximum(0, np.abs(signs) - signs * (np.asarray(X, float) @ weights + intercept))
    return (weights @ weights + (intercept / scale) ** 2) / 2 + np.sum(cost * slack**2)


def liblinear(X, sign, C, scale=1.0, cost=None):
    used = sign != 0
    solver = LinearSVC(C=C, dual=True, tol=1e-10, max_iter=10_000_000, random_state=0, intercept_scaling=scale)
    solver.fit(np.asarray(X, float)[used], sign[used], None if cost is None else cost[used])
    return solver.coef_[0], solver.intercept_[0]


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(4, 70),
    d=st.integers(1, 90),
    classes=st.integers(2, 4),
    C=st.sampled_from([0.01, 1.0, 30.0]),
    scale=st.sampled_from([0.5, 1.0, 3.0]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 1000),
)
def test_liblinears_optimum_over_random_shapes(n, d, classes, C, scale, dtype, seed):
    X, signs = draw(seed, n, d, classes)
    found = solve_squared_hinge(X, signs, C, intercept_scaling=scale, dtype=dtype)
    assert found.converged.all()
    for column in range(classes):
        weights, intercept = liblinear(X, signs[:, column], C, scale)
        best = objective(X, signs[:, column], C, weights, intercept, scale)
        ours = objective(X, signs[:, column], C, found.weights[column], found.intercepts[column], scale)
        assert ours <= best * (1 + 2e-6)
        assert best <= ours * (1 + 2e-6)
        # |w − w*|² ≤ 2 (P − P*), once for each of the two fits
        distance = np.linalg.norm(weights - found.weights[column])
        assert distance <= np.sqrt(2 * ours * found.relative_gaps[column]) + 1e-3 * np.sqrt(ours)


@settings(max_examples=15, deadline=None)
@given(n=st.integers(6, 60), d=st.integers(1, 80), seed=st.integers(0, 1000))
def test_masks_costs_and_values_of_c_equal_separate_fits(n, d, seed):
    X, signs = draw(seed, n, d, 2)
    generator = np.random.default_rng(seed)
    signs = np.tile(signs[:, :1], (1, 5)) * (generator.random((n, 5)) < 0.7)
    C, cost = np.array([0.1, 1.0, 1.0, 10.0, 100.0]), generator.uniform(0.5, 2, (n, 5))
    together = solve_squared_hinge(X, signs, C, sample_cost=cost)
    assert together.converged.all()
    for column in range(5):
        used = signs[:, column] != 0
        if used.any():
            alone = solve_squared_hinge(
                X[used], signs[used, column : column + 1], C[column], sample_cost=cost[used, column]
            )
            np.testing.assert_allclose(together.weights[column], alone.weights[0], atol=1e-6)
            np.testing.assert_allclose(together.intercepts[column], alone.intercepts[0], atol=1e-6)


@pytest.mark.parametrize("C", [1.0, 100.0, 1e4])
@pytest.mark.parametrize(("n", "d"), [(700, 60), (300, 500)])
def test_float32_reaches_the_same_optimum(n, d, C):
    X, signs = draw(1, n, d, 5, np.float32)
    fast = solve_squared_hinge(X, signs, C, dtype=torch.float32)
    exact = solve_squared_hinge(X.astype(np.float64), signs, C, dtype=torch.float64, tol=1e-12)
    assert fast.converged.all()
    assert exact.converged.all()
    for column in range(5):
        cost = objective(X, signs[:, column], C, fast.weights[column], fast.intercepts[column])
        bound = np.sqrt(2 * cost * fast.relative_gaps[column])
        assert np.linalg.norm(fast.weights[column] - exact.weights[column]) <= bound + 1e-4


@pytest.mark.parametrize("path", ["gram", "rows", "gradients", "primal"])
def test_every_way_to_a_step_is_newtons(path, monkeypatch):
    """The four ways solve the same system: (I + 2C Σ x xᵀ) p = −g over the active samples."""
    X, signs = draw(2, 50, 80 if path != "primal" else 12, 3)
    samples = Samples(torch.from_numpy(X), 1.0, torch.float64, torch.device("cpu"), 10_000)
    columns = newton.Columns(torch.from_numpy(signs).double(), torch.full((1, 3), 2.0), torch.zeros(81, 3))
    generator = torch.Generator().manual_seed(0)
    gradient = torch.randn(X.shape[1] + 1, 3, generator=generator, dtype=torch.float64)
    active = torch.rand(50, 3, generator=generator) < 0.6
    if path == "gram":
        samples.gram()
    if path in ("gram", "rows"):
        # Scores that make the samples active which shall be, and an inner iteration that stops after one step.
        monkeypatch.setattr(working_sets, "_INNER_STEPS", 1)
        scores = torch.from_numpy(signs) * torch.where(active, 0.5, 2.0)
        sides = (columns.signs, columns.cost.double(), scores.double())
        move = working_set_steps(samples, sides, gradient)
    elif path == "gradients":
        monkeypatch.setattr(newton, "_FORCING", 1e-12)
        monkeypatch.setattr(newton, "_CG_STEPS", 500)
        move, _ = newton.conjugate_gradients(samples, 4.0 * active, -gradient)
    else:
        move = newton._primal_step(samples, columns, torch.arange(3), active, gradient)
    extended = np.column_stack([X, np.ones(50)])
    for column in range(3):
        rows = extended[active[:, column].numpy()]
        expected = np.linalg.solve(np.eye(rows.shape[1]) + 4.0 * rows.T @ rows, -gradient[:, column].numpy())
        np.testing.assert_allclose(move[:, column].numpy(), expected, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(5, 60),
    d=st.integers(1, 40),
    C=st.sampled_from([0.1, 1.0, 50.0]),
    masked=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_working_set_of_all_samples_gives_the_optimum(n, d, C, masked, seed):
    """From anywhere: δ is found for all samples, so that w + p is the optimum of the whole problem."""
    X, signs = draw(seed, n, d, 3)
    generator = np.random.default_rng(seed)
    if masked:
        signs = signs * (generator.random(signs.shape) < 0.8)
    samples = Samples(torch.from_numpy(X), 1.0, torch.float64, torch.device("cpu"), 3_000)
    sides, cost = torch.from_numpy(signs).double(), torch.full((1, 3), C, dtype=torch.float64)
    weights = torch.from_numpy(0.1 * generator.normal(size=(d + 1, 3)))
    scores = samples.scores(weights)
    slack = (sides.abs() - sides * scores).clamp(min=0)
    gradient = weights - 2 * samples.combine(cost * slack * sides)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(working_sets, "GROWTH", 1000.0)
        patch.setattr(working_sets, "_INNER_STEPS", 60)
        found = weights + working_set_steps(samples, (sides, cost, scores), gradient)
    best = solve_squared_hinge(X, signs, C, tol=1e-10)
    np.testing.assert_allclose(found[:-1].T.numpy(), best.weights, atol=1e-6)
    np.testing.assert_allclose(found[-1].numpy(), best.intercepts, atol=1e-6)


def test_one_or_several_streams_give_the_same_optimum_and_leave_the_threads_alone(monkeypatch):
    X, signs = draw(11, 300, 40, 6, np.float32)
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "_COLUMNS", 2)
    monkeypatch.setattr(squared_hinge, "_ONE_THREAD", 0)
    torch.set_num_threads(3)
    try:
        several = solve_squared_hinge(X, signs, 5.0, dtype=torch.float32)
        again = solve_squared_hinge(X, signs, 5.0, dtype=torch.float32)
        assert torch.get_num_threads() == 3
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
        torch.set_num_threads(1)
        one = solve_squared_hinge(X, signs, 5.0, dtype=torch.float32)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(several.weights, again.weights)
    assert several.converged.all()
    np.testing.assert_allclose(several.weights, one.weights, atol=5e-3)


def test_float64_features_are_judged_as_they_came():
    """Steps use a copy in float32, the certificate the features themselves."""
    X, signs = draw(12, 400, 30, 3)
    found = solve_squared_hinge(X, signs, 3.0, dtype=torch.float32)
    extended = torch.from_numpy(np.vstack([found.weights.T, found.intercepts]))
    samples = Samples(torch.from_numpy(X), 1.0, torch.float64, torch.device("cpu"), 1 << 20)
    gaps = duality_gaps(
        samples, torch.from_numpy(signs), torch.full((1, 3), 3.0, dtype=torch.float64), extended
    )
    np.testing.assert_allclose(found.relative_gaps, gaps.numpy(), rtol=1e-9, atol=1e-14)


def test_a_warm_start_from_the_optimum_takes_no_step():
    X, signs = draw(3, 200, 30, 3)
    first = solve_squared_hinge(X, signs, 5.0)
    again = solve_squared_hinge(X, signs, 5.0, warm_start=first, tol=1e-6, dtype=torch.float32)
    assert again.iterations.max() <= 1
    np.testing.assert_allclose(again.weights, first.weights, atol=1e-5)


def test_duplicates_constant_rows_and_zero_vectors():
    X, signs = draw(4, 40, 60, 2)
    X = np.vstack([X, X, np.ones((5, 60)), np.zeros((5, 60))])
    signs = np.vstack([signs, signs, np.tile([[1, -1]], (5, 1)), np.tile([[-1, 1]], (5, 1))])
    found = solve_squared_hinge(X, signs, 10.0)
    assert found.converged.all()
    for column in range(2):
        weights, intercept = liblinear(X, signs[:, column], 10.0)
        np.testing.assert_allclose(found.weights[column], weights, atol=1e-4)
        np.testing.assert_allclose(found.intercepts[column], intercept, atol=1e-4)


def test_one_sample_has_a_closed_form():
    """x = 2, C = 1, s = 1: w = αx, u = α, ξ = 1 − 5α = α/2, so α = 2/11."""
    found = solve_squared_hinge(np.array([[2.0]]), np.array([[1]]), 1.0)
    assert found.weights[0, 0] == pytest.approx(4 / 11)
    assert found.intercepts[0] == pytest.approx(2 / 11)


def test_a_problem_without_samples_is_zero_and_one_side_alone_is_solved():
    X, signs = draw(5, 20, 4, 2)
    signs = np.column_stack([np.zeros(20, int), -np.ones(20, int), signs[:, 0]])
    found = solve_squared_hinge(X, signs, 1.0)
    assert found.converged.all()
    assert not found.weights[0].any()
    assert (X @ found.weights[1] + found.intercepts[1] < 0).all()


def test_blocks_shrink_when_memory_runs_out(monkeypatch):
    """The first attempts fail as CUDA does; the answer is that of smaller blocks, X staying where it is."""
    X, signs = draw(6, 300, 40, 3)
    expected = solve_squared_hinge(X, signs, 1.0)
    original, seen = squared_hinge._Job.run, []

    def failing(self, block_bytes, resident):
        seen.append((block_bytes, resident))
        if block_bytes > 20 << 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, block_bytes, resident)

    monkeypatch.setattr(squared_hinge._Job, "run", failing)
    found = solve_squared_hinge(X, signs, 1.0)
    assert seen == [(256 << 20, True), (64 << 20, False), (16 << 20, False)]
    np.testing.assert_allclose(found.weights, expected.weights, atol=1e-8)
    monkeypatch.setattr(squared_hinge, "_BLOCK_BYTES", (256 << 20, 64 << 20))
    with pytest.raises(UserError, match="not enough memory"):
        solve_squared_hinge(X, signs, 1.0)


def test_products_in_small_blocks_are_those_of_one_block():
    X = torch.from_numpy(draw(7, 90, 70, 2, np.float32)[0])
    large, small = (Samples(X, 2.0, torch.float64, torch.device("cpu"), size) for size in (1 << 20, 3_000))
    weights, coefficients = torch.rand(71, 3, dtype=torch.float64), torch.rand(90, 3, dtype=torch.float64)
    index = torch.tensor([[1, 5, 7], [2, 2, 80]])
    for a, b in (
        (large.scores(weights), small.scores(weights)),
        (large.combine(coefficients), small.combine(coefficients)),
        (large.sub_grams(index), small.sub_grams(index)),
        (large.gram(), small.gram()),
    ):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    extended = np.column_stack([X.double().numpy(), np.full(90, 2.0)])
    np.testing.assert_allclose(large.gram().numpy(), extended @ extended.T, atol=1e-12)


def test_the_fallback_is_liblinears_answer():
    X, signs = draw(8, 80, 10, 2)
    found = solve_with_liblinear(
        torch.from_numpy(X), torch.from_numpy(signs[:, 0]), torch.tensor([2.0]), 1.5, 1e-10
    )
    weights, intercept = liblinear(X, signs[:, 0], 2.0, 1.5)
    np.testing.assert_allclose(found[:-1].numpy(), weights, atol=1e-4)
    assert 1.5 * float(found[-1]) == pytest.approx(intercept, abs=1e-4)


def test_what_newton_misses_goes_to_liblinear(monkeypatch):
    X, signs = draw(9, 60, 8, 2)
    monkeypatch.setattr(newton, "MAX_STEPS", 1)
    found = solve_squared_hinge(X, signs, 1.0)
    assert set(found.solvers) == {squared_hinge.LIBLINEAR}
    assert found.converged.all()
    monkeypatch.setattr(squared_hinge, "_LIBLINEAR_VALUES", 0)
    assert not solve_squared_hinge(X, signs, 1.0).converged.any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("n", "d"), [(600, 50), (200, 700)])
def test_cuda_gives_the_cpus_answer(n, d):
    X, signs = draw(10, n, d, 4, np.float32)
    there, here = (solve_squared_hinge(X, signs, 10.0, device=name) for name in ("cuda", "cpu"))
    assert there.converged.all()
    np.testing.assert_allclose(there.weights, here.weights, atol=1e-2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"C": 0.0}, "not positive"),
        ({"C": np.array([1.0, -1.0])}, "not positive"),
        ({"C": np.nan}, "not positive"),
        ({"C": np.ones(3)}, "one value for each of 2"),
        ({"X": np.full((6, 2), np.nan)}, "NaN or infinite values, the first in row 0"),
        ({"X": np.array([[1.0, 2.0]] * 5 + [[np.inf, 0.0]])}, "row 5"),
        ({"X": np.zeros((0, 2)), "signs": np.zeros((0, 2))}, "must be"),
        ({"signs": np.full((6, 2), 2)}, "-1, 0 or"),
        ({"sample_cost": np.full(6, -1.0)}, "not negative"),
        ({"sample_cost": np.ones(5)}, "do not fit"),
        ({"tol": 0.0}, "tol"),
        ({"device": "cuda:99"}, "not available"),
    ],
)
def test_bad_input_is_named(change, message):
    given_ = {"X": np.ones((6, 2)), "signs": np.array([[1, -1]] * 3 + [[-1, 1]] * 3), "C": 1.0, **change}
    with pytest.raises(UserError, match=message):
        solve_squared_hinge(**given_)
