"""Files of S3D's ports: read into what torchvision computes, refused where they do not fit."""

import pytest
import torch
from torch import nn

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.s3d_checkpoint import read_s3d_state_dict
from p3d_eval.errors import UserError
from tests.support.torchvision_operators import import_torchvision


@pytest.fixture(scope="module")
def theirs():
    """torchvision's S3D of six classes with drawn weights and statistics."""
    models = import_torchvision().models
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = models.video.s3d(num_classes=6).eval()
        for norm in (m for m in module.modules() if isinstance(m, nn.BatchNorm3d)):
            nn.init.uniform_(norm.weight, 0.8, 1.6)
            nn.init.normal_(norm.bias, std=0.1)
            nn.init.normal_(norm.running_mean, std=0.1)
            nn.init.uniform_(norm.running_var, 0.3, 0.9)
    return module


def kylemin_names(state):
    """Rename torchvision's state dict by the module definitions of kylemin/S3D (model.py)."""
    split, plain = {"0.0": "conv_s", "0.1": "bn_s", "1.0": "conv_t", "1.1": "bn_t"}, {"0": "conv", "1": "bn"}
    renamed = {}
    for name, tensor in state.items():
        if name.startswith("classifier"):
            renamed[name.replace("classifier.1", "fc.0")] = tensor
            continue
        head, *middle, leaf = name.removeprefix("features.").split(".")
        branch = middle.pop(0) if middle[0].startswith("branch") else ""
        if branch == "branch0":
            middle.insert(0, "0")
        place = [head, *([branch, middle.pop(0)] if branch else [])]
        key = ".".join(middle)
        renamed[".".join(["base", *place, split[key] if "." in key else plain[key], leaf])] = tensor
    return renamed


def test_both_ports_files_give_what_torchvision_computes(theirs, tmp_path):
    torch.save(theirs.state_dict(), tmp_path / "tv.pth")
    torch.save(
        {f"module.{k}": v for k, v in kylemin_names(theirs.state_dict()).items()}, tmp_path / "kylemin.pt"
    )
    x = torch.rand(1, 3, 14, 212, 212, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        stem = theirs.features[:6](x)
        expected = theirs(x)
    first, second = (read_s3d_state_dict(tmp_path / name).tensors for name in ("tv.pth", "kylemin.pt"))
    counters = sum(name.endswith("num_batches_tracked") for name in theirs.state_dict())
    assert len(first) == len(second) == len(theirs.state_dict()) - counters
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name, arrangement in (("tv.pth", "torchvision"), ("kylemin.pt", "kylemin")):
        backbone = load_backbone("s3d", weights=tmp_path / name)
        assert backbone.options == {"arrangement": arrangement, "temporal": "all"}
        assert backbone.classes == ()  # not the released weights
        found = backbone.features(x, "mixed_3b,logits")
        for ours, reference in ((found["mixed_3b"], stem), (found["logits"], expected)):
            torch.testing.assert_close(ours, reference, rtol=0, atol=2e-5 * reference.abs().max().item())


def test_files_that_lack_or_add_something_are_refused(theirs, tmp_path):
    state = dict(theirs.state_dict())
    path = tmp_path / "x.pth"
    gone = state.pop("features.5.branch1.1.1.0.weight")
    torch.save(state, path)
    with pytest.raises(UserError, match=r"1 missing \(mixed_3b.branch_1.conv3d_0b_3x3.temporal.conv.weight\)"):
        load_backbone("s3d", weights=path)
    torch.save({**state, "features.5.branch1.1.1.0.weight": gone, "features.16.0.weight": gone}, path)
    with pytest.raises(UserError, match=r"unexpected features\.16\.0\.weight"):
        read_s3d_state_dict(path)
    torch.save({"conv1.weight": gone}, path)
    with pytest.raises(UserError, match=r"unexpected conv1\.weight"):
        read_s3d_state_dict(path)
    with pytest.raises(UserError, match="arrangement='torchvision', not 'slim'"):
        torch.save(theirs.state_dict(), path)
        load_backbone("s3d", weights=path, arrangement="slim")
