"""The array-only pickle reader: right on NumPy's own pickles, and deaf to programs."""

import os
import pickle
import pickletools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p3d_eval.backbones.pickled import read_pickled_arrays
from p3d_eval.errors import UserError


def saved(tmp_path, value, protocol=4):
    path = tmp_path / "x.ckpt"
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", [3, 4])
def test_reads_what_numpy_pickles(tmp_path, protocol):
    tree = {
        "params": {"a": {"kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4)}},
        "stats": {"fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "half": np.ones(3, np.float16)},
    }
    found = read_pickled_arrays(saved(tmp_path, tree, protocol))
    assert set(found) == {("params", "a", "kernel"), ("stats", "fortran"), ("stats", "half")}
    np.testing.assert_array_equal(found["params", "a", "kernel"], tree["params"]["a"]["kernel"])
    np.testing.assert_array_equal(found["stats", "fortran"], tree["stats"]["fortran"])
    assert found["stats", "half"].dtype == np.float16


def test_names_of_newer_numpy_are_known(tmp_path):
    data = pickle.dumps({"a": np.ones(2, np.float32)}, 3)
    old, new = b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"
    assert old in data or new in data
    for content in (data.replace(new, old), data.replace(old, new)):
        np.testing.assert_array_equal(read_pickled_arrays(saved(tmp_path, content))[("a",)], [1, 1])


class _Program:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path, protocol):
    marker = tmp_path / "ran"
    path = saved(tmp_path, {"params": {"a": np.ones(2, np.float32), "b": _Program(marker)}}, protocol)
    with pytest.raises(UserError, match="not a pickle of float arrays") as caught:
        read_pickled_arrays(path)
    assert not marker.exists()
    assert "\n" not in caught.value.message
    pickle.loads(path.read_bytes())  # the control: the ordinary reader does run it
    assert marker.exists()


def state(shape, data, code="f4", order="<"):
    """Pickle an array by hand, with a shape that need not fit."""

    class Fake:
        def __reduce__(self):
            return np.zeros(0).__reduce__()[0], (np.ndarray, (0,), b"b"), (1, shape, dtype, False, data)

    dtype = np.dtype(code).newbyteorder(order)
    return pickle.dumps({"a": Fake()}, 4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (state((10**9, 10**9), b"1234"), "in 4 bytes"),
        (state((-1,), b"1234"), "in 4 bytes"),
        (state((1,) * 9, b"1234"), "plain numbers"),
        (state((1,), b"1234", order=">"), "byte order"),
        (pickle.dumps({"a": np.array(["text"], object)}, 4), "not a pickle"),
        (pickle.dumps({"a": np.arange(3)}, 4), "not a pickle"),
        (pickle.dumps({"a": [1.0]}, 4), "the instruction"),
        (pickle.dumps({"a": 1.0}, 4), "the instruction BINFLOAT"),
        (pickle.dumps(3, 4), "a int at its top"),
        (pickle.dumps({1: np.ones(1, np.float32)}, 4), "the key 1"),
        (b"\x80\x04r\xff\xff\xff\x7f.", "LONG_BINPUT"),
        (b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f.", "not a pickle"),
        (b"\x80\x05\x96" + b"\xff" * 7 + b"\x7f.", "not a pickle"),
        (b"\x80\x04}(" + b"X\x01\x00\x00\x00a", "not a pickle"),
        (b"", "not a pickle"),
    ],
)
def test_hostile_contents_end_in_one_line(tmp_path, content, reason):
    with pytest.raises(UserError, match=reason) as caught:
        read_pickled_arrays(saved(tmp_path, content))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("leaf", "depth", "keys"), [({"a": np.ones(1, np.float32)}, 60, 2), ({}, 5, 40)])
def test_shared_dictionaries_do_not_explode(tmp_path, leaf, depth, keys):
    tree: dict = leaf
    for _ in range(depth):
        tree = {f"key{number}": tree for number in range(keys)}
    with pytest.raises(UserError, match="too many nested"):
        read_pickled_arrays(saved(tmp_path, tree))


def test_every_truncation_is_refused(tmp_path):
    whole = pickle.dumps({"params": {"a": np.ones(3, np.float32)}}, 4)
    assert pickletools.optimize(whole)
    for end in range(len(whole)):
        with pytest.raises(UserError):
            read_pickled_arrays(saved(tmp_path, whole[:end]))


@given(st.binary(max_size=120))
def test_any_bytes_are_arrays_or_a_user_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "x.ckpt"
    path.write_bytes(b"\x80\x04" + content)
    reason = ""
    try:
        read_pickled_arrays(path)
    except UserError as error:
        reason = error.message
    assert "\n" not in reason
