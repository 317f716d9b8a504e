"""The grammar of layers and what each reduction computes."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from p3d_eval.backbones.layers import LayerRequest, parse_layers, reduce_output
from p3d_eval.errors import UserError

NAMES = st.from_regex(r"[a-z][a-z0-9_.]{0,8}", fullmatch=True)
REDUCTIONS = st.sampled_from(["flat", "avg", "spatial", "cls", "mean"])


def test_grammar():
    assert parse_layers("prob, res5c:avg,late=blocks.3.attn:cls , x=pool5") == (
        LayerRequest("prob", "prob", ""),
        LayerRequest("res5c:avg", "res5c", "avg"),
        LayerRequest("late", "blocks.3.attn", "cls"),
        LayerRequest("x", "pool5", ""),
    )
    assert parse_layers(["prob", "pool5,fc"]) == parse_layers("prob,pool5,fc")


@given(st.lists(st.tuples(NAMES, NAMES, REDUCTIONS), min_size=1, max_size=5, unique_by=lambda item: item[0]))
def test_text_and_requests_correspond(items):
    text = ",".join(f"{alias}={path}:{reduction}" for alias, path, reduction in items)
    assert parse_layers(text) == tuple(LayerRequest(*item) for item in items)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" , ,", "empty"),
        ("prob,prob", "two layers would be stored as 'prob'"),
        ("a=x,a=y", "two layers would be stored as 'a'"),
        ("=x", "cannot be read"),
        ("a=", "cannot be read"),
        ("a=b=c", "cannot be read"),
        ("x:", "cannot be read"),
        (":avg", "cannot be read"),
        ("a/b", "has a '/'"),
        ("x:averge", "unknown reduction 'averge'"),
    ],
)
def test_unreadable_requests(text, reason):
    with pytest.raises(UserError, match=reason):
        parse_layers(text)


def reduced(x, reduction):
    tensor, axes = reduce_output(torch.from_numpy(x), LayerRequest("x", "x", reduction))
    return tensor.numpy(), axes


def test_reductions_of_maps():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6))
    for reduction, expected, axes in (
        ("", x, "CTHW"),
        ("flat", x.reshape(2, -1), "D"),
        ("avg", x.mean((2, 3, 4)), "C"),
        ("spatial", x.mean((3, 4)), "CT"),
    ):
        found, found_axes = reduced(x, reduction)
        np.testing.assert_allclose(found, expected)
        assert found_axes == axes
    flat_map = x[:, :, 0]
    np.testing.assert_allclose(reduced(flat_map, "spatial")[0], flat_map.mean((2, 3)))
    np.testing.assert_allclose(reduced(flat_map, "avg")[0], flat_map.mean((2, 3)))


def test_reductions_of_tokens_and_vectors():
    tokens = np.random.default_rng(0).normal(size=(2, 7, 3))
    np.testing.assert_allclose(reduced(tokens, "cls")[0], tokens[:, 0])
    for reduction in ("mean", "avg"):
        np.testing.assert_allclose(reduced(tokens, reduction)[0], tokens.mean(1))
    vector = tokens[:, 0]
    np.testing.assert_allclose(reduced(vector, "avg")[0], vector)
    assert reduced(vector, "flat")[1] == "D"


@pytest.mark.parametrize(("shape", "reduction"), [((2, 3), "spatial"), ((2, 3, 4, 4), "cls"), ((2, 3), "mean")])
def test_reductions_that_do_not_apply(shape, reduction):
    with pytest.raises(UserError, match=f"'{reduction}' does not apply to layer 'x'"):
        reduced(np.zeros(shape), reduction)
