"""A public verb that is given something of another type says so; what works goes on working."""

import inspect
import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest

import p3d_eval as pe
from p3d_eval.arguments import explained
from p3d_eval.errors import UserError

if TYPE_CHECKING:
    from p3d_eval.protocols.result import Result

TINY = f"{Path(__file__).parent / 'support' / 'tiny.py'}:factory"
WRONG = (None, 1, 1.5, True, [], [1], {}, {"a": 1}, b"x", object())
HARMLESS = {"list_backbones": WRONG, "list_weights": (None,)}  # of every backbone


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path))


@pytest.mark.parametrize("name", pe.__all__[1:])
def test_every_verb_refuses_what_it_cannot_take_in_one_line(name):
    verb = getattr(pe, name)
    parameters = inspect.signature(verb).parameters.values()
    needed = [one.name for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    needed = needed or [one.name for one in parameters][:1]
    for wrong in WRONG:
        if any(wrong is one for one in HARMLESS.get(name, ())):
            continue
        with pytest.raises(UserError) as caught:
            verb(**dict.fromkeys(needed, wrong))
        assert "\n" not in caught.value.message


def test_what_is_wrong_is_named_with_what_is_taken():
    with pytest.raises(UserError) as caught:
        pe.report([1])
    assert caught.value.message == "report: results = [1] is not a Result, a path or an iterable of these"
    assert caught.value.hint == "help(pe.report) says what it takes"


def test_an_unknown_argument_is_named_with_the_nearest():
    network = pe.load_backbone(TINY)
    for call, message, near in (
        (lambda: pe.extract(network, "v", "o.h5", workres=0), "extract: unknown argument 'workres'", "Did you"),
        (lambda: pe.compare([], sede=1), "compare: unknown argument 'sede'", "Did you mean seed?"),
        (lambda: pe.check_videos(), "check_videos: missing a required argument: 'videos'", "help("),
        (lambda: pe.open_features("a", "b", "c"), "open_features: too many positional arguments", "help("),
    ):
        with pytest.raises(UserError) as caught:
            call()
        assert caught.value.message == message
        assert caught.value.hint.startswith(near)


def test_the_type_of_an_option_that_is_passed_on_is_told():
    with pytest.raises(UserError, match=r"^load_backbone: seed = 'one' is not a whole number"):
        pe.load_backbone("p3d63", seed="one")


def test_a_verb_can_be_pickled_and_shows_its_own_signature():
    assert pickle.loads(pickle.dumps(pe.report)) is pe.report
    assert list(inspect.signature(pe.report).parameters) == ["results", "published", "options"]


@explained
def breaks(
    results: "Result | Iterable[Result | str] | None" = None,
    count: int = 0,
    share: float | Sequence[float] = 0.0,
    kind: Literal["a", "b"] = "a",
    table: Mapping[str, int] | None = None,
    **options: Any,
) -> None:
    """Fail, whatever is given."""
    raise ValueError("a bug of ours")


class Result:
    """Called as the one that only annotations import."""


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"results": Result(), "share": 1, "options_of": object()},
        {"results": [Result(), "r.json"], "count": np.int64(3), "share": np.ones(2)},
        {"results": (one for one in "ab"), "kind": "c", "table": {"a": 1}},
    ],
)
def test_a_failure_that_is_not_about_types_stays_as_it_is(given):
    with pytest.raises(ValueError, match="a bug of ours"):
        breaks(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"results": 1}, "results = 1 is not a Result, None or an iterable of these"),
        ({"results": "r.json"}, "results = 'r.json' is not a Result, None or an iterable of these"),
        ({"count": True}, "count = True is not a whole number"),
        ({"share": ["a"]}, "share = ['a'] is not a number or a sequence of these"),
        ({"kind": 3}, "kind = 3 is not 'a' or 'b'"),
        ({"table": {"a": "b"}}, "table = {'a': 'b'} is not a mapping or None"),
    ],
)
def test_a_failure_with_an_argument_of_another_type_is_a_mistake(given, message):
    with pytest.raises(UserError) as caught:
        breaks(**given)
    assert caught.value.message == f"breaks: {message}"
    assert isinstance(caught.value.__cause__, ValueError)
