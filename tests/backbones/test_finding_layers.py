"""Which of a network's outputs are layers, what they look like, and tokens among them."""

import pytest
import torch
from torch import nn

from p3d_eval.backbones import Backbone, InputSpec, Network, WeightsInfo
from p3d_eval.backbones.listing import find_layers
from p3d_eval.backbones.sanity import check_backbone
from p3d_eval.errors import UserError
from p3d_eval.protocols.network_profile import profile_network

CLIPS = torch.randint(0, 256, (3, 4, 12, 14, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


SPEC = InputSpec(4, (10, 12), (8, 8), (9.0, 8.0, 7.0), (2.0, 3.0, 4.0))


def backbone_of(module, **details):
    return Backbone(
        "net", Network(module, SPEC, **details), WeightsInfo("", "", random=True), torch.device("cpu")
    )


class Tokens(nn.Module):
    """A token a frame; one module sees the frames of all clips in the place of the batch."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Linear(3 * 8 * 8, 6)
        self.inner = nn.Identity()
        self.named = nn.Identity()
        self.block = nn.LayerNorm(6)
        self.unused = nn.Identity()

    def forward(self, x):
        tokens = self.embed(x.transpose(1, 2).flatten(2))
        self.inner(tokens.flatten(0, 1))
        return {"last": self.block(tokens), "seen": x}


def test_tokens_are_reduced_as_the_grammar_says():
    backbone = backbone_of(Tokens())
    x = backbone.preprocess(CLIPS)
    with torch.inference_mode():
        expected = backbone.module(x)["last"]
    found = backbone.features(x, "block,cls=block:cls,mean=block:mean")
    torch.testing.assert_close(found["block"], expected)
    torch.testing.assert_close(found["cls"], expected[:, 0])
    torch.testing.assert_close(found["mean"], expected.mean(1))


def test_outputs_without_the_batch_in_front_are_no_layers():
    backbone = backbone_of(Tokens())
    with pytest.raises(UserError, match="layer 'inner' gives 8 × 6 for 2 clips: its first axis is not the"):
        backbone.request_shapes("inner")
    assert backbone.layers == {"embed": (4, 6), "block": (4, 6)}  # nor modules that do not run


def test_layers_are_found_by_pattern():
    backbone = backbone_of(nn.ModuleDict({"a": nn.Identity()}))
    backbone.module.forward = backbone.module["a"].forward  # no module runs
    with pytest.raises(UserError, match=r"net: no layer matches '\*'"):
        find_layers(backbone, "*")
    nested = backbone_of(nn.Sequential(nn.Sequential(nn.Conv3d(3, 2, 1), nn.ReLU()), nn.Flatten()))
    assert find_layers(nested, "0.?") == {"0.0": ((2, 4, 8, 8), "CTHW"), "0.1": ((2, 4, 8, 8), "CTHW")}
    assert list(find_layers(nested, "*")) == ["0.0", "0.1", "0", "1"]  # a block ends after what is in it


def test_a_network_without_layers_is_told_so():
    lonely = backbone_of(nn.Identity())
    for use in (check_backbone, profile_network):
        with pytest.raises(UserError, match="net has no layer: no module"):
            use(lonely)


def test_a_class_token_is_not_taken_where_there_is_none():
    backbone = backbone_of(Tokens(), class_token=False)
    for use in (backbone.request_shapes, lambda layers: backbone(CLIPS, layers)):
        with pytest.raises(UserError, match="net has no class token: block:cls would be a corner"):
            use("block:cls")


def test_a_network_that_fails_on_its_input_is_named_with_it():
    backbone = backbone_of(nn.Sequential(nn.Flatten(), nn.Linear(5, 1)))
    with pytest.raises(
        UserError, match=r"net: the network fails on a clip of 3 × 4 × 8 × 8 \(C × T × H × W\): R"
    ):
        backbone.request_shapes("1")
