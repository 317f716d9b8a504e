"""timm's networks of images: the same numbers, the same input, tokens."""

import pytest
import torch
from PIL import Image

from p3d_eval.backbones import load_backbone
from p3d_eval.errors import UserError
from tests.backbones.zoos.test_torchvision import SMOOTH


def test_layers_and_probabilities_are_those_of_the_module():
    import timm

    backbone = load_backbone(
        "timm:resnet10t", weights="random", seed=1, num_classes="7", clip_length=1, crop=64
    )
    module = timm.create_model("resnet10t", num_classes=7).eval()
    module.load_state_dict(backbone.module.state_dict())
    x = backbone.preprocess(SMOOTH[:2, None])
    found = backbone.features(x, "layer4,global_pool,fc,prob")
    with torch.inference_mode():
        torch.testing.assert_close(found["layer4"], module.forward_features(x[:, :, 0]))
        torch.testing.assert_close(found["prob"], module(x[:, :, 0]).softmax(1))


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224"])  # 176 of 201 pixels; 224 of 248
def test_images_are_prepared_as_timm_evaluates(name):
    import timm

    backbone = load_backbone(f"timm:{name}", weights="random", clip_length=1)
    config = timm.data.resolve_data_config({}, model=backbone.module)
    picture = Image.fromarray(SMOOTH[0].numpy())
    expected = timm.data.create_transform(**config, is_training=False)(picture)
    found = backbone.preprocess(SMOOTH[:1, None])[0, :, 0]
    # PIL rounds to bytes after each of its two passes, and the crop lies half a pixel off where an odd number
    # of pixels is left over.
    steps = (found - expected).abs().amax((1, 2)) * torch.tensor(config["std"]) * 255
    slope = SMOOTH[0].float().diff(dim=1).abs().max() * 240 / backbone.input_spec.resize
    assert steps.max() <= 1.5 + slope


def test_token_layers():
    backbone = load_backbone("timm:vit_tiny_patch16_224", weights="random", img_size="32", clip_length=1)
    assert backbone.input_spec.crop == (32, 32)
    assert backbone.request_shapes("norm,cls=norm:cls,mean=norm:mean") == {
        "norm": ((5, 192), "LC"),
        "cls": ((192,), "C"),
        "mean": ((192,), "C"),
    }
    found = backbone(SMOOTH[:1, None], "norm,cls=norm:cls,mean=norm:mean")
    torch.testing.assert_close(found["cls"], found["norm"][:, 0])
    torch.testing.assert_close(found["mean"], found["norm"].mean(1))
    swin = load_backbone("timm:swin_tiny_patch4_window7_224", weights="random")
    assert swin.axes["norm"] == 3 * "X"  # channels last
    with pytest.raises(UserError, match="has no class token"):
        swin.request_shapes("norm:cls")


def test_mistakes():
    for name, weights, reason in (
        ("timm:resnet10x", "random", "Did you mean resnet10t"),
        ("timm:resnet10t.c4", "random", "unknown weights of timm:resnet10t 'c4'"),
        ("timm:resnet10t", "c4", "Available: c3_in1k"),
    ):
        with pytest.raises(UserError, match=reason):
            load_backbone(name, weights=weights)
