"""torchvision's networks: the same layers, the same input, what its weights say of themselves."""

import numpy as np
import pytest
import torch

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.zoos.adapting import import_collection
from p3d_eval.errors import MissingExtraError, UnknownNameError, UserError
from tests.backbones.test_state_dict import Attack

FRAME = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 128, 171, 3), dtype=np.uint8))
SMOOTH = torch.nn.functional.interpolate(
    FRAME.permute(0, 3, 1, 2)[..., ::16, ::16].float(), (240, 320), mode="bilinear"
)
SMOOTH = SMOOTH.permute(0, 2, 3, 1).round().to(torch.uint8)
HALF_A_BYTE = 0.5 / 255  # presets round to bytes after resizing


@pytest.fixture(scope="module")
def network():
    return load_backbone("torchvision:mc3_18", weights="random", seed=3, crop=32, clip_length=4)


def test_layers_are_those_of_the_module(network):
    from torchvision.models.video import mc3_18

    module = mc3_18().eval()
    module.load_state_dict(network.module.state_dict())
    x = network.preprocess(FRAME[None, :4])
    found = network.features(x, "layer4,fc,prob")
    with torch.inference_mode():
        logits = module(x)
    torch.testing.assert_close(found["fc"], logits)
    torch.testing.assert_close(found["prob"], logits.softmax(1))
    assert network.layers["layer4"] == (512, 4, 2, 2)
    assert network.axes["layer4"] == "CTHW"


def test_weights_from_a_file_are_those_of_the_file(network, tmp_path):
    path = tmp_path / "mc3.pth"
    torch.save(network.module.state_dict(), path)
    again = load_backbone("torchvision:mc3_18", weights=path, crop=32, clip_length=4)
    assert (again.weights.source, again.weights.random) == (str(path), False)
    x = network.preprocess(FRAME[None, :4])
    assert torch.equal(again.features(x, "prob")["prob"], network.features(x, "prob")["prob"])
    with pytest.raises(UserError, match="does not fit: 12 mis-shaped"):
        load_backbone("torchvision:r3d_18", weights=path)


@pytest.mark.parametrize("frames", [FRAME, SMOOTH])
def test_videos_are_prepared_as_the_preset_does(frames):
    from torchvision.models.video import MC3_18_Weights

    backbone = load_backbone("torchvision:mc3_18", weights="random")
    # Of the 59 pixels that are left over the preset cuts 30 at the left, and this package 29.
    expected = MC3_18_Weights.DEFAULT.transforms(crop_size=(112, 171))(frames.permute(0, 3, 1, 2))[..., 29:141]
    found = backbone.preprocess(frames[None])[0]
    bound = HALF_A_BYTE / min(backbone.input_spec.std) + 1e-5
    assert (found - expected).abs().max() <= bound


def test_images_are_prepared_as_the_preset_does():
    from torchvision.models import ResNet18_Weights

    backbone = load_backbone("torchvision:resnet18", weights="random", clip_length=1)
    expected = ResNet18_Weights.DEFAULT.transforms()(SMOOTH.permute(0, 3, 1, 2))
    found = backbone.preprocess(SMOOTH[:, None])[:, :, 0]
    # The preset cuts the longer side's fraction of a pixel off, here none: 256 × 341.33.
    assert (found - expected).abs().max() <= 2 * HALF_A_BYTE / min(backbone.input_spec.std) + 1e-5


def test_the_middle_frame_or_all_frames_of_a_clip_are_seen():
    options = {"weights": "random", "crop": 32, "clip_length": 6}
    centre = load_backbone("torchvision:resnet18", **options)
    every = load_backbone("torchvision:resnet18", frames="all", **options)
    x = centre.preprocess(FRAME[None])
    alone = [every.features(x[:, :, t : t + 1], "avgpool")["avgpool"] for t in range(6)]
    torch.testing.assert_close(centre.features(x, "avgpool")["avgpool"], alone[3])
    torch.testing.assert_close(every.features(x, "avgpool")["avgpool"], torch.stack(alone).mean(0))
    assert (centre.network.centre, every.network.centre) == (True, False)  # then no other frame is decoded
    with pytest.raises(UnknownNameError, match="unknown choice of frames 'some'"):
        load_backbone("torchvision:resnet18", frames="some", **options)


def test_a_malicious_file_in_the_cache_is_refused_and_runs_nothing(tmp_path, monkeypatch):
    # torchvision checks hashes while it downloads, not of what lies in its cache.
    from torchvision.models import ResNet18_Weights

    trap = tmp_path / "trap"
    cached = tmp_path / "hub" / "checkpoints" / ResNet18_Weights.DEFAULT.url.rpartition("/")[2]
    cached.parent.mkdir(parents=True)
    torch.save({"conv1.weight": Attack(trap)}, cached)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(UserError, match="Weights only load failed"):
        load_backbone("torchvision:resnet18")
    assert not trap.exists()
    torch.save({}, cached)
    with pytest.raises(UserError, match="Missing key"):
        load_backbone("torchvision:resnet18")


def test_axes_of_networks_with_channels_last_are_not_guessed():
    backbone = load_backbone("torchvision:swin3d_t", weights="random", clip_length=4)
    assert backbone.axes["norm"] == "XXXX"
    assert backbone.axes["head"] == "C"
    with pytest.raises(UserError, match="'avg' does not apply to layer 'norm'"):
        backbone.request_shapes("norm:avg")


def test_mistakes():
    for name, options, reason in (
        ("torchvision:resnet19", {}, "Did you mean resnet1"),
        ("torchvision:fasterrcnn_resnet50_fpn", {}, "unknown network of torchvision"),
        ("torchvision:resnet18", {"weights": "KINETICS"}, "unknown weights of torchvision:resnet18"),
        ("torchvision:resnet18", {"weights": "absent/w.pth"}, "absent/w.pth does not exist"),
        ("torchvision:resnet18", {"weights": "random", "depth": "3"}, "unexpected keyword argument 'depth'"),
        ("torchvision:", {}, "names no network"),
        ("torchvision:resnet18", {"weights": "random", "classes": 5}, "takes names of classes"),
    ):
        with pytest.raises(UserError, match=reason):
            load_backbone(name, **options)


def test_a_library_that_is_not_there_is_named_with_its_extra(tmp_path, monkeypatch):
    with pytest.raises(MissingExtraError, match=r"a network of no_such_zoo needs the extra 'timm'"):
        import_collection("no_such_zoo.models", "timm")
    (tmp_path / "broken_zoo.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        UserError, match="broken_zoo cannot be imported: RuntimeError: operator torchvision::nms"
    ):
        import_collection("broken_zoo", "torchvision")
