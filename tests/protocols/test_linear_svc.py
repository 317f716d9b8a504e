"""The certified linear SVM: optimum against SciPy, certificate as a true bound, scikit-learn's contract."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from p3d_eval.errors import UserError
from p3d_eval.protocols.classifiers import OneVsRestLinearSVC
from p3d_eval.protocols.classifiers.certificate import relative_duality_gaps
from p3d_eval.protocols.classifiers.fitting import fit_certified


@parametrize_with_checks([OneVsRestLinearSVC(), OneVsRestLinearSVC(C=100.0, class_weight="balanced")])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:Skipping check")
def test_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def problem():
    generator = np.random.default_rng(0)
    y = generator.integers(0, 4, 120)
    X = np.abs(generator.normal(size=(120, 15)) + generator.normal(size=(4, 15))[y])
    return X / np.linalg.norm(X, axis=1, keepdims=True), y


def primal(flat, X, target, C):
    """The objective and its gradient, with the bias as a penalised weight of a constant 1."""
    extended = np.column_stack([X, np.ones(len(X))])
    slack = np.maximum(0, 1 - target * (extended @ flat))
    return flat @ flat / 2 + C * slack @ slack, flat - 2 * C * extended.T @ (target * slack)


def minimum(X, target, C):
    return minimize(
        primal, np.zeros(X.shape[1] + 1), (X, target, C), "L-BFGS-B", jac=True,
        options={"maxiter": 20000, "maxfun": 40000, "ftol": 1e-16, "gtol": 1e-10},
    )  # fmt: skip


@pytest.mark.parametrize("C", [0.1, 1.0, 30.0])
def test_optimum_against_scipy(problem, C):
    X, y = problem
    model = OneVsRestLinearSVC(C=C).fit(X, y)
    assert model.converged_
    assert model.relative_gaps_.max() <= 1e-6
    for label in range(4):
        target = np.where(y == label, 1.0, -1.0)
        best = minimum(X, target, C)
        found = primal(np.append(model.coef_[label], model.intercept_[label]), X, target, C)[0]
        assert found <= best.fun * (1 + 2e-6)
        np.testing.assert_allclose(np.append(model.coef_[label], model.intercept_[label]), best.x, atol=2e-3)


def test_decisions_equal_linear_svc_at_its_optimum(problem):
    X, y = problem
    ours = OneVsRestLinearSVC(tol=1e-10).fit(X, y)
    theirs = LinearSVC(dual=True, tol=1e-10, max_iter=100000, random_state=0).fit(X, y)
    np.testing.assert_allclose(ours.decision_function(X), theirs.decision_function(X), atol=1e-5)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("C", [0.1, 1.0, 30.0])
def test_certificate_bounds_the_true_distance(problem, C):
    """At any weights, (P − P*) / P never exceeds the certified gap, and the gap closes at the optimum."""
    X, y = problem
    target = np.where(y == 1, 1.0, -1.0)
    best = minimum(X, target, C)
    generator = np.random.default_rng(1)
    for distance in (0, 1e-4, 1e-2, 0.3, 2.0):
        flat = best.x + distance * generator.normal(size=len(best.x))
        value = primal(flat, X, target, C)[0]
        gap = relative_duality_gaps(X, target[:, None], flat[None, :-1], flat[-1:], C)[0]
        assert (value - best.fun) / value <= gap + 1e-12
        if distance == 0:
            assert gap < 1e-8


def test_certificate_of_zero_weights_is_exact_for_one_sample():
    """x = 1, C = 1, w = b = 0: P = 1; α = 2 gives q = 2 + 2 + 1 and D = 4/(4·5) = 1/5; the gap is 4/5."""
    gap = relative_duality_gaps(np.ones((1, 1)), np.ones((1, 1)), np.zeros((1, 1)), np.zeros(1), 1.0)
    assert gap[0] == pytest.approx(0.8)


def test_certificate_in_blocks_of_rows():
    generator = np.random.default_rng(2)
    X, target = generator.normal(size=(9000, 3)), np.sign(generator.normal(size=(9000, 2)))
    weights, bias = generator.normal(size=(2, 3)), generator.normal(size=2)
    # Without blocks, straight from the definition:
    slack = np.maximum(0, 1 - target * (X @ weights.T + bias))
    alpha = 2 * 0.5 * slack
    v = (alpha * target).T @ np.column_stack([X, np.ones(9000)])
    upper = (np.square(weights).sum(1) + bias**2) / 2 + 0.5 * np.square(slack).sum(0)
    curve = np.square(v).sum(1) / 2 + np.square(alpha).sum(0) / (4 * 0.5)
    scales = np.linspace(0, 2, 200001)[:, None]
    lower = (scales * alpha.sum(0) - scales**2 * curve).max(0)
    expected = (upper - lower) / upper
    np.testing.assert_allclose(relative_duality_gaps(X, target, weights, bias, 0.5), expected, rtol=1e-6)


def test_an_unconverged_fit_is_flagged(problem):
    X, y = problem
    model = OneVsRestLinearSVC(C=1e6, tol=1e-30)
    with pytest.warns(ConvergenceWarning, match="relative duality gap"):
        model.fit(X, y)
    assert not model.converged_
    certificate = fit_certified(model, X, y, "split 1")
    assert not certificate.converged
    assert certificate.problems == 4
    assert certificate.relative_gap == model.relative_gaps_.max()


def test_many_samples_of_few_alike_values_are_certified(problem):
    """Noise in columns that nearly agree: a thousand passes of coordinate descent are not enough."""
    generator = np.random.default_rng(4)
    X = generator.normal(size=(3000, 1)) + 0.02 * generator.normal(size=(3000, 8))
    y = generator.random(3000) < 0.5
    target = np.where(y, 1.0, -1.0)
    model = OneVsRestLinearSVC().fit(X, y)
    assert model.converged_
    found = primal(np.append(model.coef_[0], model.intercept_[0]), X, target, 1.0)[0]
    assert found <= minimum(X, target, 1.0).fun * (1 + 2e-6)


def test_the_same_fit_twice_gives_the_same_bits(problem):
    one, two = (OneVsRestLinearSVC(C=10.0).fit(*problem) for _ in range(2))
    np.testing.assert_array_equal(one.coef_, two.coef_)
    np.testing.assert_array_equal(one.intercept_, two.intercept_)


def liblinear(X, y, **options):
    return LinearSVC(dual=True, tol=1e-11, max_iter=1_000_000, random_state=0, **options).fit(X, y)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("weights", ["balanced", {0: 0.3, 1: 5.0}])
def test_class_weights_and_intercept_scaling_are_liblinears(problem, classes, weights):
    """One class against the rest, LIBLINEAR weighs the positive side alone; two classes, both sides."""
    X, y = problem
    settings = {"C": 3.0, "class_weight": weights, "intercept_scaling": 2.5}
    ours, theirs = OneVsRestLinearSVC(**settings).fit(X, y % classes), liblinear(X, y % classes, **settings)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_class_without_weight_is_learned_as_absent(problem):
    X, y = problem
    weight = (y != 2).astype(float)
    found = OneVsRestLinearSVC(class_weight="balanced").fit(X, y, sample_weight=weight)
    rest = OneVsRestLinearSVC(class_weight={c: weight.sum() / 4 / (y == c).sum() for c in (0, 1, 3)})
    rest.fit(X[y != 2], y[y != 2])
    np.testing.assert_allclose(found.coef_[[0, 1, 3]], rest.coef_, atol=1e-3)
    assert 2 not in found.predict(X)


def test_sample_weights_multiply_c(problem):
    X, y = problem
    weight = np.random.default_rng(3).uniform(0.1, 4, len(X))
    theirs = LinearSVC(dual=True, tol=1e-11, max_iter=1_000_000, random_state=0).fit(X, y, weight)
    np.testing.assert_allclose(OneVsRestLinearSVC().fit(X, y, weight).coef_, theirs.coef_, atol=1e-5)


def test_several_labels_a_sample_are_separate_problems(problem):
    X, y = problem
    indicator = np.stack([y < 2, y % 2 == 0, np.zeros(len(y), bool)], 1).astype(int)
    model = OneVsRestLinearSVC().fit(X, indicator)
    for column in range(2):
        alone = OneVsRestLinearSVC().fit(X, indicator[:, column])
        np.testing.assert_allclose(model.coef_[column], alone.coef_[0], atol=1e-8)
        np.testing.assert_array_equal(model.predict(X)[:, column], alone.predict(X))
    assert not model.predict(X)[:, 2].any()  # nothing positive was seen
    assert model.converged_


def test_strings_are_labels_and_one_class_is_refused(problem):
    X, y = problem
    names = np.array(["clap", "box", "run", "wave"])[y]
    assert set(OneVsRestLinearSVC().fit(X, names).predict(X)) <= set(names)
    with pytest.raises(ValueError, match="one class: .*'box'"):
        OneVsRestLinearSVC().fit(X, np.full(len(X), "box"))


def test_a_gpu_that_is_not_there_is_refused(problem):
    with pytest.raises(UserError, match="cuda:99.*not available"):
        OneVsRestLinearSVC(device="cuda:99").fit(*problem)


def test_two_classes_are_one_problem(problem):
    X, y = problem
    model = OneVsRestLinearSVC().fit(X, np.where(y > 1, "late", "early"))
    assert model.coef_.shape == (1, 15)
    positive = model.decision_function(X) > 0
    np.testing.assert_array_equal(model.predict(X), np.where(positive, "late", "early"))


def test_an_unknown_device_is_refused(problem):
    with pytest.raises(UserError, match="'tpu'"):
        OneVsRestLinearSVC(device="tpu").fit(*problem)
