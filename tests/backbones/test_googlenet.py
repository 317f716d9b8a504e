"""I3D inflated from torchvision's GoogLeNet: on a clip without motion it gives what the image gives."""

import pytest
import torch
from torch import nn

from p3d_eval.backbones import load_backbone, published_weights
from p3d_eval.backbones.conversion import inflate_weights
from p3d_eval.backbones.published_weights import class_names, find_published
from p3d_eval.errors import UserError
from tests.support.torchvision_operators import import_torchvision

FRAMES = 16
PARTS = {
    "conv3": "conv3d_2c_3x3",
    "inception3b": "mixed_3c",
    "inception4e": "mixed_4f",
    "inception5b": "mixed_5c",
}


@pytest.fixture(scope="module")
def theirs():
    """torchvision's GoogLeNet of five classes with drawn weights and statistics."""
    models = import_torchvision().models
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = models.googlenet(num_classes=5, init_weights=False, aux_logits=True).eval()
        for child in module.modules():
            if isinstance(child, nn.Conv2d):
                nn.init.kaiming_normal_(child.weight)
            elif isinstance(child, nn.BatchNorm2d):
                nn.init.uniform_(child.weight, 0.7, 1.3)
                nn.init.normal_(child.bias, std=0.1)
                nn.init.normal_(child.running_mean, std=0.1)
                nn.init.uniform_(child.running_var, 0.5, 1.5)
    return module


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def answers(theirs, image):
    """What GoogLeNet gives for the image, by the names of I3D."""
    found = {}
    hooks = [
        getattr(theirs, name).register_forward_hook(lambda m, i, out, ours=ours: found.update({ours: out}))
        for name, ours in PARTS.items()
    ]
    with torch.inference_mode():
        found["logits"] = theirs(image)
    for hook in hooks:
        hook.remove()
    return found


def inflated(theirs, folder, name="i3d", spread="centre", **options):
    source, out = folder / "googlenet.pth", folder / "inflated.safetensors"
    torch.save(theirs.state_dict(), source)
    inflate_weights(source, name, out, options=options, spread=spread, overwrite=True)
    return load_backbone(name, weights=out)


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("i3d", {}),
        ("i2d", {}),
        pytest.param("top-heavy-i3d", {"temporal": "from-mixed_4e"}, marks=pytest.mark.ci),
    ],
)
def test_a_clip_without_motion_gives_what_the_image_gives(theirs, image, answers, tmp_path, name, options):
    backbone = inflated(theirs, tmp_path, name, **options)
    assert backbone.options["padding"] == "googlenet"
    assert backbone.trained_on == "ImageNet (2-D GoogLeNet), inflated (centre)"
    found = backbone.features(image.unsqueeze(2).expand(-1, -1, FRAMES, -1, -1), list(answers))
    close(found["logits"], answers["logits"])
    for layer in PARTS.values():
        for frame in found[layer].unbind(2):
            close(frame, answers[layer])


def test_averaged_kernels_give_it_away_from_the_ends(theirs, image, answers, tmp_path):
    backbone = inflated(theirs, tmp_path, spread="average")
    found = backbone.features(image.unsqueeze(2).expand(-1, -1, FRAMES, -1, -1), "conv3d_2c_3x3")
    frames = found["conv3d_2c_3x3"]
    # 8 frames are left of 16. Frame t of them sees 2t − 5 … 2t + 5: kernels of 7, stride 2, then of 3.
    for at in (3, 4):
        close(frames[:, :, at], answers["conv3d_2c_3x3"])
    assert (frames[:, :, 0] - answers["conv3d_2c_3x3"]).abs().max() > 0.1


def test_a_published_file_brings_its_class_names(theirs, tmp_path, monkeypatch):
    monkeypatch.setattr(published_weights, "recognise", lambda _: find_published("i3d-googlenet"))
    source, out = tmp_path / "g.pth", tmp_path / "o.safetensors"
    state = {**theirs.state_dict(), "fc.weight": torch.ones(1000, 1024), "fc.bias": torch.zeros(1000)}
    torch.save(state, source)
    written = inflate_weights(source, "i2d", out)
    assert written.classes == class_names("ImageNet-1k")
    assert written.trained_on == "ImageNet (2-D GoogLeNet), inflated (centre)"


def test_what_cannot_be_inflated_is_refused(theirs, tmp_path):
    source, out = tmp_path / "g.pth", tmp_path / "o.safetensors"
    state = dict(theirs.state_dict())
    torch.save(state, source)
    with pytest.raises(UserError, match="padding=googlenet, not tensorflow"):
        inflate_weights(source, "i3d", out, options={"padding": "tensorflow"})
    with pytest.raises(UserError, match="way to spread kernels over time 'middle'"):
        inflate_weights(source, "i3d", out, spread="middle")
    with pytest.raises(UserError, match="s3d is not made from a 2-D network"):
        inflate_weights(source, "s3d", out)
    kernel = state.pop("inception4b.branch2.1.conv.weight")
    torch.save(state, source)
    with pytest.raises(UserError, match=r"mixed_4c\.branch_1\.conv3d_0b_3x3\.conv\.weight"):
        inflate_weights(source, "i3d", out)
    torch.save({**state, "layer1.0.conv1.weight": kernel}, source)
    with pytest.raises(UserError, match=r"not a GoogLeNet: unexpected layer1\.0\.conv1\.weight"):
        inflate_weights(source, "i3d", out)
    assert not out.exists()
