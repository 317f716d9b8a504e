"""What a factory's file says of itself is read, not run."""

import pytest

from p3d_eval.backbones.factory_source import check_factory
from p3d_eval.errors import UserError

HEAD = "raise SystemExit('it was run')\n"
PLAIN = f"{HEAD}def factory(width: int = 8, *, scale: 'float | None' = None, name=''):\n    return width\n"


@pytest.fixture
def source(tmp_path):
    def write(text):
        path = tmp_path / "net.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("attribute", "options", "message", "hint"),
    [
        ("facotry", {}, "has no 'facotry'", "Did you mean factory? It has factory"),
        (
            "factory",
            {"widht": 8},
            "unexpected keyword argument 'widht'",
            "Did you mean width? It takes width, scale",
        ),
        ("factory", {"width": "8"}, "width = '8' is not a whole number", "width: int"),
        ("factory", {"width": 8.0}, "width = 8.0 is not a whole number", "width: int"),
        ("factory", {"width": True}, "width = True is not a whole number", "width: int"),
        ("factory", {"scale": [1]}, "scale = [1] is not a number", "scale: float | None"),
    ],
)
def test_a_mistake_is_told(source, attribute, options, message, hint):
    with pytest.raises(UserError) as caught:
        check_factory("mine", source(PLAIN), attribute, options)
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("options", [{}, {"width": 4, "scale": 1}, {"scale": 0.5}, {"name": 3}])
def test_what_is_right_passes(source, options):
    check_factory("mine", source(PLAIN), "factory", options)


def test_a_parameter_that_nobody_gives_is_told(source):
    with pytest.raises(UserError, match="missing a required argument: 'depth'"):
        check_factory("mine", source("def factory(depth): ..."), "factory", {})


@pytest.mark.parametrize(
    "text",
    [
        "from elsewhere import *",
        "def __getattr__(name): ...",
        "globals()['factory'] = print",
        "if True:\n    def factory(depth): ...\nelse:\n    factory = None",
        "from elsewhere import make as factory",
        "import factory",
        "with open('x') as factory: ...",
        "a, (b, factory) = 1, (2, 3)",
        "for factory in (): ...",
        "def other():\n    global factory\n    factory = 1",
        "factory: object = None",
        "class factory: ...",
        "(factory := 1)",
        "@decorated\ndef factory(): ...",
        "def factory(): ...\nfactory = partial(factory)",
        "def factory(**more): ...",
        "async def factory(): ...",
    ],
)
def test_what_cannot_be_told_without_running_passes(source, text):
    check_factory("mine", source(text), "factory", {"width": 8})


def test_a_file_that_is_no_python(source):
    with pytest.raises(UserError, match=r"net\.py: line 2: invalid syntax"):
        check_factory("mine", source("\ndef (:"), "factory", {})


def test_what_the_compiler_warns_of_is_left_to_the_run(source, recwarn):
    check_factory("mine", source("def factory():\n    return '\\d'"), "factory", {})
    assert not recwarn.list


def test_a_file_that_cannot_be_decoded(tmp_path):
    path = tmp_path / "net.py"
    path.write_bytes(b"\xff = 1\0")
    with pytest.raises(UserError, match=r"net\.py: "):
        check_factory("mine", path, "factory", {})
