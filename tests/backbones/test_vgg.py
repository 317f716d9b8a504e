"""VGG-19 on frames: counts, agreement with torchvision, the authors' Caffe file."""

import numpy as np
import pytest
import torch

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.checkpoint import fill
from p3d_eval.backbones.vgg import VGG_19
from p3d_eval.backbones.vgg_checkpoint import vgg_readers
from p3d_eval.errors import UserError
from tests.support.caffemodel import message, number_field
from tests.support.counting import count_parameters, mult_adds
from tests.support.torchvision_operators import import_torchvision

OPTIONS = VGG_19.resolve_options({})


def meta():
    with torch.device("meta"):
        return VGG_19.build(OPTIONS, 1000)


def test_parameters_mult_adds_and_shapes():
    module = meta()
    assert count_parameters(module) == 143_667_240  # torchvision's documentation; 144 million in the paper
    assert round(mult_adds(module, (1, 3, 1, 224, 224)) / 1e9, 3) == 19.632  # the same
    assert VGG_19.aslan_layers == ("prob", "fc7", "fc6", "pool5")
    assert set(VGG_19.layers) == {name for name, _ in module.named_children()} - {"grid"}
    caffe = VGG_19.input_spec({**OPTIONS, "arrangement": "caffe"})
    assert caffe.mean == (103.939, 116.779, 123.68)  # the authors' page


@pytest.mark.ci
def test_torchvisions_network_and_file(tmp_path):
    torchvision = import_torchvision()
    torch.manual_seed(0)
    model = torchvision.models.vgg19().eval()
    for part in model.modules():
        if hasattr(part, "bias") and part.bias is not None:
            torch.nn.init.uniform_(part.bias, -0.1, 0.1)
    path = tmp_path / "vgg19.pth"
    torch.save(model.state_dict(), path)
    backbone = load_backbone("vgg19", weights=path)
    clip = torch.randn(1, 3, 1, 224, 224, generator=torch.Generator().manual_seed(1))
    found = backbone.features(clip, "conv1_1,pool5,fc6,fc7,fc8,prob")
    with torch.inference_mode():
        x = model.features(clip[:, :, 0])
        expected = {fc: model.classifier[:n](x.flatten(1)) for fc, n in (("fc6", 2), ("fc7", 5))}
        expected["pool5"] = x
        expected["fc8"] = model(clip[:, :, 0])
        expected["prob"] = expected["fc8"].softmax(1)
    assert found["conv1_1"].min() == 0
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5)


def v1_blob(array):
    """BlobProto of 2014: num, channels, height, width, then the numbers."""
    sizes = (1,) * (4 - array.ndim) + array.shape
    fields = [number_field(n, size) for n, size in enumerate(sizes, start=1)]
    return b"".join([*fields, message(5, array.tobytes())])


def v1_layer(name, blobs):
    """V1LayerParameter{name=4, type=5, blobs=6} in NetParameter's field 2."""
    parts = [message(4, name.encode()), number_field(5, 4), *(message(6, v1_blob(array)) for array in blobs)]
    return message(2, b"".join(parts))


def test_the_authors_caffe_file_of_2014(tmp_path):
    draw = np.random.default_rng(0)
    widths = {"conv1_1": (64, 3, 3, 3), "conv5_4": (512, 512, 3, 3), "fc8": (5, 4096)}
    numbers = {name: draw.normal(size=shape).astype(np.float32) for name, shape in widths.items()}
    path = tmp_path / "VGG_ILSVRC_19_layers.caffemodel"
    layers = [v1_layer(name, [array, np.zeros(len(array), np.float32)]) for name, array in numbers.items()]
    path.write_bytes(b"".join(layers))
    checkpoint = vgg_readers()[".caffemodel"](path)
    assert checkpoint.options == {"arrangement": "caffe"}
    assert set(checkpoint.tensors) == {f"{name}.{leaf}" for name in numbers for leaf in ("weight", "bias")}
    for name, array in numbers.items():
        np.testing.assert_array_equal(checkpoint.tensors[f"{name}.weight"], array)
        assert checkpoint.tensors[f"{name}.bias"].shape == (len(array),)
    with pytest.raises(UserError, match=r"missing \(conv1_2.weight"):
        fill(meta(), checkpoint.tensors, str(path))


def test_torchvisions_names_all_have_a_place(tmp_path):
    """Every name of the file is known: none is left over, none is missing."""
    torchvision = import_torchvision()
    with torch.device("meta"):
        names = torchvision.models.vgg19().state_dict()
    path = tmp_path / "vgg19.pth"
    torch.save({name: torch.zeros(1) for name in names}, path)
    found = vgg_readers()[".pth"](path).tensors
    assert set(found) == set(meta().state_dict())
    assert list(found) == list(meta().state_dict())
