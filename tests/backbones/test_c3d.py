"""C3D against a plain recomputation from a file in the released layout, its counts and its limits.

The layer table is that of the released prototxt (c3d_sport1m_feature_extractor_frm.prototxt).
"""

import numpy as np
import pytest
import torch

from p3d_eval.backbones import c3d, load_backbone
from p3d_eval.backbones.c3d import C3D_SPORTS1M
from p3d_eval.backbones.c3d_checkpoint import read_c3d_caffemodel, read_mean_cube
from p3d_eval.backbones.conversion import convert_weights, summarise_weights
from p3d_eval.errors import UserError
from tests.support.caffemodel import blob, c3d_blob, c3d_layer, layer, net

CONVOLUTION3D, INNER_PRODUCT, POOLING3D = 30, 14, 31  # LayerType of C3D-v1.0's caffe.proto
CUBE = "sport1m_train16_128_mean.binaryproto"
SHAPES = {  # C × T × H × W
    "conv1a": (64, 16, 112, 112),
    "pool1": (64, 16, 56, 56),
    "conv2a": (128, 16, 56, 56),
    "pool2": (128, 8, 28, 28),
    "conv3a": (256, 8, 28, 28),
    "conv3b": (256, 8, 28, 28),
    "pool3": (256, 4, 14, 14),
    "conv4a": (512, 4, 14, 14),
    "conv4b": (512, 4, 14, 14),
    "pool4": (512, 2, 7, 7),
    "conv5a": (512, 2, 7, 7),
    "conv5b": (512, 2, 7, 7),
    "pool5": (512, 1, 4, 4),
    "fc6": (4096,),
    "fc7": (4096,),
    "fc8": (487,),
    "prob": (487,),
}
WINDOWS = {"pool1": (1, 2, 2), "pool2": (2, 2, 2), "pool3": (2, 2, 2), "pool4": (2, 2, 2), "pool5": (2, 2, 2)}
THIN = 16  # the recomputed network has a sixteenth of the channels
CLASSES = 5


@pytest.fixture(scope="module")
def whole():
    """C3D as it is, without numbers."""
    with torch.device("meta"):
        return C3D_SPORTS1M.build({"subtract": "cube"}, 487)


def test_shapes_and_input(monkeypatch):
    monkeypatch.setattr(c3d.C3D, "reset_parameters", lambda self: None)  # 80 million numbers that nobody reads
    backbone = load_backbone("c3d")
    assert dict(backbone.layers) == SHAPES
    assert backbone.aslan_layers == ("prob", "fc7", "fc6", "pool5")
    spec = backbone.input_spec
    assert (spec.clip_length, spec.resize, spec.crop, spec.frame_stride) == (16, (128, 171), (112, 112), 1)
    assert (spec.channel_order, spec.value_range, spec.mean) == ("BGR", (0, 255), (0, 0, 0))
    for change, reason in (({"clip_length": 8}, "clips of 8 frames"), ({"crop": (96, 96)}, "crop of 96 × 96")):
        with pytest.raises(UserError, match=reason):
            backbone.with_input(**change)


def test_parameters_and_mult_adds(whole):
    """The sums of the table above: kernels of 3 × 3 × 3 with biases; pool5 is 512 × 4 × 4 = 8192."""
    assert sum(p.numel() for p in whole.parameters()) == 79_991_015
    total = 0

    def add(module, inputs, output):
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    for module in whole.modules():
        if isinstance(module, torch.nn.Conv3d | torch.nn.Linear):
            module.register_forward_hook(add)
    whole(torch.empty(1, 3, 16, 112, 112, device="meta"))
    inputs = {"conv1a": 3, "conv2a": 64, "conv3a": 128, "conv3b": 256, "conv4a": 256, "conv4b": 512}
    inputs |= {"conv5a": 512, "conv5b": 512}
    by_hand = sum(27 * channels * int(np.prod(SHAPES[name])) for name, channels in inputs.items())
    assert total == by_hand + 8192 * 4096 + 4096 * 4096 + 4096 * 487 == 38_548_959_232


def thin_weights(seed=0):
    """Draw weights and biases of the thin network, layer by layer, in the shapes of C3D-v1.0's blobs."""
    draw = np.random.default_rng(seed)
    found, channels = {}, 3
    for name, shape in SHAPES.items():
        if name.startswith("conv"):
            out = shape[0] // THIN
            size = (out, channels, 3, 3, 3)
            channels = out
        elif name.startswith("fc"):
            size = {"fc6": (16, channels * 16), "fc7": (16, 16), "fc8": (CLASSES, 16)}[name]
        else:
            continue
        fan_in = int(np.prod(size[1:]))
        found[name] = (draw.normal(0, (2 / fan_in) ** 0.5, size), draw.normal(0, 0.1, size[0]))
    found["conv1a"] = (found["conv1a"][0] / 100, found["conv1a"][1])
    return {name: tuple(a.astype(np.float32) for a in pair) for name, pair in found.items()}


def thin_cube(height=128, width=171):
    return np.random.default_rng(1).uniform(80, 120, (3, 16, height, width)).astype(np.float32)


@pytest.fixture
def thin(monkeypatch):
    """Make the package build C3D with a sixteenth of the channels and 16 hidden units."""
    layers = tuple((n, w // THIN if isinstance(w, int) else w) for n, w in c3d._LAYERS)
    monkeypatch.setattr(c3d, "_LAYERS", layers)
    monkeypatch.setattr(c3d, "_POOL5", (512 // THIN, 1, 4, 4))
    monkeypatch.setattr(c3d, "_HIDDEN", 16)


def write_released(folder, weights, name="conv3d_deepnetA_sport1m_iter_1900000", cube=True):
    """Write weights as the released file has them: C3D's dialect, ``fc6-1`` … ``fc8-1``, no suffix."""
    layers = [c3d_layer("data", 33)]
    for place, (weight, bias) in weights.items():
        kind = CONVOLUTION3D if place.startswith("conv") else INNER_PRODUCT
        layers.append(
            c3d_layer(place + "-1" * place.startswith("fc"), kind, [c3d_blob(weight), c3d_blob(bias)])
        )
        layers.append(c3d_layer(f"relu_{place}", 18))
    path = folder / name
    path.write_bytes(net("DeepConv3DNet_Sport1M_Val", layers))
    if cube:
        (folder / CUBE).write_bytes(c3d_blob(thin_cube()))
    return path


def convolve(x, weight, bias):
    """Sum over the 27 positions of the kernel, written out."""
    _, frames, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1)))
    total = np.broadcast_to(bias[:, None, None, None], (len(bias), frames, height, width)).copy()
    for t in range(3):
        for i in range(3):
            for j in range(3):
                seen = padded[:, t : t + frames, i : i + height, j : j + width]
                total += np.tensordot(weight[:, :, t, i, j], seen, 1)
    return np.maximum(total, 0)


def pool(x, window):
    """Maximum of every window; one that begins inside counts, as Caffe rounds up."""
    for axis, size in enumerate(window, start=1):
        starts = range(0, x.shape[axis], size)
        x = np.stack([x.take(range(s, min(s + size, x.shape[axis])), axis).max(axis) for s in starts], axis)
    return x


def recompute(x, weights, cube):
    top, left = (128 - 112) // 2, (171 - 112) // 2
    x = x - cube[:, :, top : top + 112, left : left + 112]
    found = {}
    for name in SHAPES:
        if name.startswith("conv"):
            x = convolve(x, *weights[name])
        elif name in WINDOWS:
            x = pool(x, WINDOWS[name])
        elif name.startswith("fc"):
            weight, bias = weights[name]
            x = weight @ x.reshape(-1) + bias
            x = x if name == "fc8" else np.maximum(x, 0)
        else:
            x = np.exp(x - x.max()) / np.exp(x - x.max()).sum()
        found[name] = x
    return found


def test_agrees_with_a_plain_recomputation_from_the_released_layout(thin, tmp_path):
    weights = thin_weights()
    backbone = load_backbone("c3d", weights=write_released(tmp_path, weights))
    x = np.random.default_rng(2).uniform(0, 255, (3, 16, 112, 112)).astype(np.float32)
    expected = recompute(x.astype(np.float64), weights, thin_cube())
    found = backbone.features(torch.from_numpy(x)[None], list(SHAPES))
    assert found["pool5"].shape == (1, 512 // THIN, 1, 4, 4)
    for name, values in found.items():
        np.testing.assert_allclose(
            values[0], expected[name], atol=2e-6 * np.abs(expected[name]).max(), err_msg=name
        )


def test_converted_file_and_a_current_caffe_give_the_same(thin, tmp_path):
    weights = thin_weights()
    released = write_released(tmp_path, weights)
    modern = tmp_path / "c3d.caffemodel"
    pairs = {name + "_ucf101" * (name == "fc8"): pair for name, pair in weights.items()}
    modern.write_bytes(net("c3d", [layer(n, "X", [blob(w), blob(b)]) for n, (w, b) in pairs.items()]))
    convert_weights(released, "c3d", tmp_path / "c3d.safetensors")
    files = (released, modern, tmp_path / "c3d.safetensors")
    first, *others = (load_backbone("c3d", weights=file).module.state_dict() for file in files)
    assert "mean.cube" in first
    for other in others:
        assert first.keys() == other.keys()
        assert all(torch.equal(first[name], other[name]) for name in first)


def test_a_look_at_a_released_file_needs_no_network(thin, tmp_path):
    path = write_released(tmp_path, thin_weights(), cube=False)
    shapes = summarise_weights(path).shapes
    assert shapes["conv1a.0"] == (64 // THIN, 3, 3, 3, 3)
    assert shapes["fc8-1.0"] == (1, 1, 1, CLASSES, 16)
    modern = tmp_path / "c3d.caffemodel"
    modern.write_bytes(net("c3d", [layer("conv1a", "X", [blob(np.ones((2, 3, 3), np.float32))])]))
    assert summarise_weights(modern).shapes == {"conv1a.0": (2, 3, 3)}


def test_a_constant_cube_is_the_channels_mean(thin):
    clips = torch.randint(0, 256, (1, 16, 128, 171, 3), dtype=torch.uint8)
    cube, channels = (load_backbone("c3d", classes=3, subtract=what) for what in ("cube", "channels"))
    assert channels.input_spec.mean == (90.25, 97.66, 101.41)
    found, expected = (backbone(clips, "fc6")["fc6"] for backbone in (cube, channels))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_another_cube_is_another_network(thin, tmp_path):
    """Features with one mean must not be resumed with another: the hash of the weights covers both files."""
    path = write_released(tmp_path, thin_weights())
    first = load_backbone("c3d", weights=path).weights.sha256
    assert first == load_backbone("c3d", weights=path).weights.sha256
    (tmp_path / CUBE).write_bytes(c3d_blob(thin_cube() + 1))
    assert load_backbone("c3d", weights=path).weights.sha256 != first


def test_the_cube_is_cropped_like_the_frames(tmp_path):
    path = tmp_path / "mean.binaryproto"
    for encoded in (c3d_blob(thin_cube()), c3d_blob(thin_cube(), data_first=True), blob(thin_cube()[None])):
        path.write_bytes(encoded)
        np.testing.assert_array_equal(read_mean_cube(path), thin_cube()[:, :, 8:120, 29:141])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (c3d_blob(thin_cube())[:-4], "claims .* bytes"),
        (c3d_blob(np.ones((3, 8, 112, 112), np.float32)), r"is 1 × 3 × 8 × 112 × 112, not a mean of clips"),
        (c3d_blob(np.ones((3, 16, 100, 171), np.float32)), r"100 × 171, not a mean of clips"),
        (c3d_blob(np.ones((2, 3, 16, 112, 112), np.float32)), "not a mean of clips"),
    ],
)
def test_other_files_are_no_mean_cube(tmp_path, content, reason):
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason):
        read_mean_cube(path)


def test_without_one_mean_cube_nothing_is_read(thin, tmp_path):
    path = write_released(tmp_path, thin_weights(), cube=False)
    with pytest.raises(UserError, match="no mean cube beside it") as caught:
        load_backbone("c3d", weights=path)
    assert CUBE in str(caught.value.hint)
    for name in ("a_mean.binaryproto", "b_mean.binaryproto"):
        (tmp_path / name).write_bytes(c3d_blob(thin_cube()))
    with pytest.raises(UserError, match=r"2 mean cubes \(a_mean.binaryproto, b_mean.binaryproto\)"):
        load_backbone("c3d", weights=path)


def test_a_file_that_lacks_something_is_refused(thin, tmp_path):
    weights = thin_weights()
    conv5b = weights.pop("conv5b")
    with pytest.raises(UserError, match=r"2 missing \(conv5b.0.weight, conv5b.0.bias\)"):
        load_backbone("c3d", weights=write_released(tmp_path, weights))
    weights["conv6a"] = conv5b
    with pytest.raises(UserError, match=r"2 unexpected \(conv6a.0.weight, conv6a.0.bias\)"):
        load_backbone("c3d", weights=write_released(tmp_path, weights))
    path = tmp_path / "x.caffemodel"
    path.write_bytes(net("x", [c3d_layer("conv1a", CONVOLUTION3D, [c3d_blob(conv5b[0])])]))
    with pytest.raises(UserError, match="'conv1a' has 1 blob, expected weights and bias"):
        read_c3d_caffemodel(path)
    two = [c3d_layer(name, INNER_PRODUCT, [c3d_blob(np.ones((2, 2)))] * 2) for name in ("fc8-1", "fc8_ucf")]
    path.write_bytes(net("x", two))
    with pytest.raises(UserError, match="2 classifiers: fc8-1, fc8_ucf"):
        read_c3d_caffemodel(path)
