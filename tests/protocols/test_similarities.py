"""The twelve similarities against a loop over the definitions, closed forms and the identities between rows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from p3d_eval.errors import UserError
from p3d_eval.protocols.similarities import SIMILARITIES, PairSums, l2_norms, pair_similarities

EPS = 1e-10


def by_definition(x, y, eps=EPS):
    """Table 3 of the ASLAN paper, one dimension after the other, in exact summation."""

    def total(terms):
        return math.fsum(terms)

    def ratio(top, bottom):
        return 0.0 if bottom == 0 else top / bottom

    pairs = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    norm_x, norm_y = (math.sqrt(total(v * v for v in vs)) for vs in zip(*pairs, strict=True))
    unit = [(ratio(a, norm_x), ratio(b, norm_y)) for a, b in pairs]
    inner = total(a * b for a, b in pairs)
    return [
        inner,
        math.sqrt(inner),
        math.sqrt(total(math.sqrt(a) * math.sqrt(b) for a, b in pairs)),
        math.sqrt(total(ratio(a * b, a + b) for a, b in pairs)),
        ratio(inner, norm_x * norm_y),
        math.sqrt(total(ratio((a - b) ** 2, a + b) for a, b in pairs)),
        total(abs(a - b) for a, b in pairs),
        math.sqrt(total((math.sqrt(a) - math.sqrt(b)) ** 2 for a, b in pairs)),
        math.sqrt(total((a - b) ** 2 for a, b in unit)),
        (
            total(a * math.log((a + eps) / (b + eps)) for a, b in unit if a > 0)
            + total(b * math.log((b + eps) / (a + eps)) for a, b in unit if b > 0)
        )
        / 2,
        total(ratio(math.sqrt(max(a, b)), math.sqrt(a + b)) for a, b in unit),
        ratio(total(min(a, b) for a, b in unit), total(a for a, _ in unit) * total(b for _, b in unit)),
    ]


def descriptors(shape):
    values = st.one_of(st.just(0.0), st.floats(1e-6, 1e3))
    return arrays(np.float64, shape, elements=values)


@settings(max_examples=60, deadline=None)
@given(descriptors((3, 7)), descriptors((3, 7)))
def test_definition(a, b):
    expected = [by_definition(x, y) for x, y in zip(a, b, strict=True)]
    # Row 9 is a root of a difference: near zero, rounding of 1e-16 shows as 1e-8.
    np.testing.assert_allclose(pair_similarities(a, b), expected, rtol=1e-9, atol=3e-8)


def test_definition_across_blocks():
    """9,000 dimensions need three blocks of columns, 40 pairs several blocks of rows."""
    generator = np.random.default_rng(0)
    a, b = generator.gamma(0.3, 1, (2, 40, 9000)) * (generator.random((2, 40, 9000)) < 0.6)
    expected = [by_definition(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(pair_similarities(a, b), expected, rtol=1e-11)


def test_closed_forms():
    """x = (1, 0), y = (3/5, 4/5), both of unit length."""
    row = pair_similarities([[1.0, 0.0]], [[0.6, 0.8]])[0]
    log = math.log
    expected = [
        0.6,
        math.sqrt(0.6),
        math.sqrt(math.sqrt(0.6)),
        math.sqrt(0.6 / 1.6),
        0.6,
        math.sqrt(0.16 / 1.6 + 0.8),
        1.2,
        math.sqrt((1 - math.sqrt(0.6)) ** 2 + 0.8),
        math.sqrt(0.8),
        (log(1 / 0.6) + 0.6 * log(0.6) + 0.8 * log(0.8 / EPS)) / 2,
        1 / math.sqrt(1.6) + 1,
        0.6 / 1.4,
    ]
    np.testing.assert_allclose(row, expected, rtol=1e-9)
    assert len(SIMILARITIES) == len(row) == 12


@settings(max_examples=40, deadline=None)
@given(descriptors((4, 6)), descriptors((4, 6)))
def test_identities_on_unit_vectors(a, b):
    a, b = a + 1e-3, b + 1e-3
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    rows = pair_similarities(a, b).T
    np.testing.assert_allclose(rows[0], rows[4], rtol=1e-12)
    np.testing.assert_allclose(rows[1] ** 2, rows[0], rtol=1e-12)
    np.testing.assert_allclose(rows[8] ** 2, 2 - 2 * rows[0], atol=1e-14)
    np.testing.assert_allclose(rows[7] ** 2, a.sum(1) + b.sum(1) - 2 * rows[2] ** 2, atol=1e-13)
    # (x − y)² / (x + y) = x + y − 4xy / (x + y)
    np.testing.assert_allclose(rows[5] ** 2, a.sum(1) + b.sum(1) - 4 * rows[3] ** 2, atol=1e-13)


@settings(max_examples=40, deadline=None)
@given(descriptors((3, 5)), descriptors((3, 5)), st.floats(0.01, 100))
def test_symmetry_and_scale(a, b, scale):
    forward = pair_similarities(a, b)
    np.testing.assert_allclose(forward, pair_similarities(b, a), rtol=1e-9, atol=1e-12)
    # Rows 5 and 9–12 normalise, so the length of a descriptor does not matter to them.
    np.testing.assert_allclose(
        pair_similarities(scale * a, b)[:, [4, 8, 9, 10, 11]],
        forward[:, [4, 8, 9, 10, 11]],
        rtol=1e-7,
        atol=1e-7,
    )


def test_a_pair_of_equal_descriptors():
    a = np.random.default_rng(1).gamma(1, 1, (5, 8))
    rows = pair_similarities(a, a).T
    for distance in (5, 6, 7, 8, 9):
        np.testing.assert_allclose(rows[distance], 0, atol=1e-15)
    np.testing.assert_allclose(rows[4], 1, rtol=1e-14)


def test_zero_descriptors_give_zeros():
    np.testing.assert_array_equal(pair_similarities(np.zeros((2, 3)), np.zeros((2, 3))), 0)


def test_float16_and_integers_are_accumulated_in_float64():
    a = np.full((1, 4096), 0.1, np.float16)
    expected = by_definition(a[0].astype(float), a[0].astype(float))
    np.testing.assert_allclose(pair_similarities(a, a)[0], expected, rtol=1e-12, atol=1e-12)
    assert pair_similarities([[3]], [[4]])[0, 0] == 12


def test_eps_bounds_the_divergence():
    one, two = [[1.0, 0.0]], [[0.0, 1.0]]
    for eps in (1e-3, 1e-10):
        expected = math.log((1 + eps) / eps)
        assert pair_similarities(one, two, eps)[0, 9] == pytest.approx(expected, rel=1e-12)


def test_pairs_by_index_equal_pairs_by_row():
    generator = np.random.default_rng(2)
    values = generator.random((6, 10))
    first, second = np.array([0, 5, 2, 2]), np.array([1, 0, 2, 4])
    norms = l2_norms(values)
    sums = PairSums(first, second, norms, norms)
    sums.add(values[:, :3], values[:, :3])
    sums.add(values[:, 3:], values[:, 3:])
    np.testing.assert_allclose(
        sums.result(), pair_similarities(values[first], values[second]), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("value", [-0.25, np.nan, np.inf])
def test_refused_values_are_named(value):
    b = np.ones((3, 4))
    b[2, 1] = value
    with pytest.raises(UserError, match=r"b\[2, 1\] is (-0.25|nan|inf)") as caught:
        pair_similarities(np.ones((3, 4)), b)
    assert "--negatives split" in caught.value.hint


def test_refused_shapes_and_eps():
    with pytest.raises(UserError, match="one shape"):
        pair_similarities(np.ones((3, 4)), np.ones((2, 4)))
    with pytest.raises(UserError, match="eps: 0 is not positive"):
        pair_similarities(np.ones((3, 4)), np.ones((3, 4)), eps=0)
