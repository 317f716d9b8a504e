"""The registry: lazy, typed, and helpful about wrong names."""

import sys

import pytest

from p3d_eval.errors import UnknownNameError, UserError, counted, nearest, shorten
from p3d_eval.registry import Entry, Registry


@pytest.fixture
def registry():
    entries = [
        Entry("fraction", "fractions:Fraction", "a rational number"),
        Entry("absent", "no_such_module:thing", "its module is never imported by listing"),
    ]
    return Registry("number", type, entries, "p3d_eval.tests.none")


def test_listing_imports_nothing(registry):
    sys.modules.pop("fractions", None)
    assert registry.names() == ["fraction", "absent"]
    assert registry.summary("absent") == "its module is never imported by listing"
    assert "absent" in registry
    assert "fractions" not in sys.modules


def test_loads_the_named_object(registry):
    from fractions import Fraction

    assert registry.load("fraction") is Fraction


def test_a_wrong_name_offers_the_nearest_and_lists_all(registry):
    with pytest.raises(UnknownNameError) as raised:
        registry.load("fractoin")
    assert "unknown number 'fractoin'" in str(raised.value)
    assert "Did you mean fraction?" in str(raised.value)
    assert "Available: absent, fraction" in str(raised.value)
    with pytest.raises(UnknownNameError):
        registry.summary("fractoin")


def test_case_does_not_hide_the_nearest_name():
    assert "Did you mean C?" in str(UnknownNameError("option", "c", ["C", "layer", "tol"]))
    assert nearest("POOL5", ["pool5", "conv", "Pool5"]) == ["pool5", "Pool5"]


def test_an_object_of_the_wrong_type_is_refused():
    registry = Registry("number", int, [Entry("fraction", "fractions:Fraction", "")], "p3d_eval.tests.none")
    with pytest.raises(UserError, match="number 'fraction' is a .*, not a int"):
        registry.load("fraction")


def test_a_plugin_is_listed_from_metadata_and_loaded_when_named(tmp_path, monkeypatch):
    info = tmp_path / "plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[p3d_eval.tests.numbers]\nmine = plugin_module:Mine\n")
    (tmp_path / "plugin_module.py").write_text("class Mine: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("number", type, [], "p3d_eval.tests.numbers")
    assert registry.names() == ["mine"]
    assert registry.summary("mine") == "from plugin"
    assert "plugin_module" not in sys.modules
    assert registry.load("mine").__name__ == "Mine"


def test_a_broken_plugin_is_named(tmp_path, monkeypatch):
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[p3d_eval.tests.broken]\nmine = broken_module:Mine\nleft = leaving_module:Mine\nlost = nowhere:x\n"
    )
    (tmp_path / "broken_module.py").write_text("1 / 0\n")
    (tmp_path / "leaving_module.py").write_text("raise SystemExit\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("number", type, [], "p3d_eval.tests.broken")
    with pytest.raises(
        UserError, match="number 'mine' of broken cannot be imported: ZeroDivisionError: division"
    ):
        registry.load("mine")
    with pytest.raises(UserError, match="number 'left' of broken cannot be imported: SystemExit\n"):
        registry.load("left")
    with pytest.raises(UserError, match="number 'lost' of broken cannot be imported: ModuleNotFoundError"):
        registry.load("lost")


def test_user_errors_survive_pickling():
    import pickle

    error = pickle.loads(pickle.dumps(UnknownNameError("layer", "pool6", ["pool5"])))
    assert error.exit_code == 2
    assert "Did you mean pool5?" in str(error)


def test_one_thing_is_singular():
    assert [counted(number, "video") for number in (0, 1, 2)] == ["0 videos", "1 video", "2 videos"]
    assert [counted(number, "class", "classes") for number in (1, 3)] == ["1 class", "3 classes"]


@pytest.mark.parametrize(
    ("count", "text"), [(2, "0, 1"), (5, "0, 1, 2, 3, 4"), (7, "0, 1, 2, 3, 4 … and 2 more")]
)
def test_long_lists_are_counted(count, text):
    assert shorten(map(str, range(count))) == text


def test_numbers_have_their_noun_in_the_right_number():
    assert [counted(number, "video") for number in (0, 1, 2)] == ["0 videos", "1 video", "2 videos"]
    assert [counted(number, "class", "classes") for number in (1, 3)] == ["1 class", "3 classes"]
