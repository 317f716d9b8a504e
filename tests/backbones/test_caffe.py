"""The ``.caffemodel`` reader on small files of every kind, right and wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p3d_eval.backbones.caffe import read_layers
from p3d_eval.backbones.p3d_checkpoint import read_p3d_caffemodel
from p3d_eval.errors import UserError
from tests.support import caffemodel
from tests.support.caffemodel import blob, layer, message, net, number_field, varint

VECTOR = np.arange(4, dtype=np.float32)
KERNEL = np.arange(8, dtype=np.float32).reshape(4, 2, 1, 1, 1)


def written(tmp_path, *layers):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(net("net", layers))
    return path


def test_names_shapes_and_values(tmp_path):
    bn = [blob(VECTOR + n, (1, 4, 1, 1, 1)) for n in range(4)]
    path = written(
        tmp_path,
        layer("data", "Input"),
        layer("conv1", "Convolution", [blob(KERNEL)], ["data"], "conv1"),
        layer("bn_conv1", "BN", bn),
        layer("res3b12_branch2b_t", "Convolution", [blob(KERNEL)]),
        layer("bn3b12_branch2b_t", "BN", bn),
        layer("fc_kinetics", "InnerProduct", [blob(KERNEL.reshape(4, 2)), blob(VECTOR)]),
        layer("prob", "Softmax"),
    )
    tensors = read_p3d_caffemodel(path).tensors
    parts = ("weight", "bias", "running_mean", "running_var")
    assert list(tensors) == [
        "conv1.weight",
        *(f"bn_conv1.{part}" for part in parts),
        "res3b12.branch2b_t.weight",
        *(f"res3b12.bn_branch2b_t.{part}" for part in parts),
        "fc.weight",
        "fc.bias",
    ]
    np.testing.assert_array_equal(tensors["conv1.weight"], KERNEL)
    for n, part in enumerate(parts):  # slope, bias, mean, variance
        np.testing.assert_array_equal(tensors[f"bn_conv1.{part}"], VECTOR + n)
    assert tensors["fc.weight"].shape == (4, 2)


def test_shapes_of_before_2014_and_split_data(tmp_path):
    data = VECTOR.tobytes()
    old = b"".join(number_field(n, size) for n, size in ((1, 1), (2, 1), (3, 1), (4, 4)))
    unpacked = b"".join(varint(5 << 3 | 5) + data[at : at + 4] for at in range(0, 16, 4))
    halves = message(5, data[:8]) + message(5, data[8:])
    path = written(
        tmp_path, layer("a", "X", [old + message(5, data)]), layer("b", "X", [old + unpacked, old + halves])
    )
    for found in read_layers(path):
        for array in found.blobs:
            np.testing.assert_array_equal(array, VECTOR.reshape(1, 1, 1, 4))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "the number 0"),
        (b"\x0b\x0c", "field 1 has the wire type 3"),
        (message(1, b"only a name"), "no layer with parameters"),
        (message(2, message(4, b"old")), "V1 format"),
        (varint(100 << 3 | 2) + varint(2**62) + b"x", "claims 4611686018427387904 bytes, 1 are left"),
        (b"\xff" * 12, "more than 64 bits"),
        (number_field(100, 5), "a layer is a number"),
        (layer("x", "BN", [message(7, message(1, varint(2**40) * 3)) + message(5, bytes(8))]), "has 8 bytes"),
        (layer("x", "X", [message(7, message(1, varint(1) * 100_000))]), "more than 16 axes"),
        (layer("x", "X", [blob(VECTOR)] * 17), "more than 16 blobs"),
        (layer("x", "X", [(varint(5 << 3 | 5) + bytes(4)) * 2000]), "not packed"),
        (layer("x", "X", [blob(VECTOR)]) * 2, "there twice"),
        (message(100, message(1, b"\xff\xfe")), "not text"),
    ],
)
def test_hostile_files_end_in_one_line(tmp_path, content, reason):
    path = tmp_path / "bad.caffemodel"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as caught:
        read_layers(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


def test_every_truncation_is_an_error_or_a_shorter_net(tmp_path):
    whole = net("net", [layer("a", "X", [blob(VECTOR)]), layer("b", "X", [blob(KERNEL)])])
    path = tmp_path / "cut.caffemodel"
    complete = 0
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        try:
            names = [found.name for found in read_layers(path)]
        except UserError:
            continue
        assert names == ["a"]
        complete += 1
    assert complete == 1  # the cut exactly between the two layers


@given(st.binary(max_size=200))
def test_any_bytes_are_layers_or_a_user_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "x.caffemodel"
    path.write_bytes(content)
    reason = ""
    try:
        assert read_layers(path)
    except UserError as error:
        reason = error.message
    assert "\n" not in reason


@given(st.integers(0, 2**64 - 1))
def test_numbers_survive_writing_and_reading(value):
    from p3d_eval.backbones.protobuf import fields

    assert list(fields(memoryview(caffemodel.number_field(3, value)))) == [(3, value)]


def test_wrong_number_of_blobs_and_two_classifiers(tmp_path):
    with pytest.raises(UserError, match="'bn_conv1' has 3 blobs, expected 4"):
        read_p3d_caffemodel(written(tmp_path, layer("bn_conv1", "BN", [blob(VECTOR)] * 3)))
    fc = [blob(KERNEL.reshape(4, 2))]
    path = written(tmp_path, layer("fc_a", "InnerProduct", fc), layer("fc_b", "InnerProduct", fc))
    with pytest.raises(UserError, match="2 classifiers: fc_a, fc_b"):
        read_p3d_caffemodel(path)


def test_a_shape_that_no_array_can_have_is_one_line(tmp_path):
    path = tmp_path / "huge.caffemodel"
    empty = blob(np.zeros(0, np.float32), (0, 2**64 - 1))
    path.write_bytes(net("huge", [layer("conv1", "Convolution", [empty])]))
    with pytest.raises(UserError, match=r"huge\.caffemodel"):
        read_layers(path)
