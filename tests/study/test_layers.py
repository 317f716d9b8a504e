"""Layers that a protocol will miss are found before the extraction, as far as that can be told."""

import pytest

from p3d_eval.errors import UserError
from p3d_eval.study.planning import plan_study
from tests.support import protocol_data as data
from tests.support.tiny_study import NETWORK, study_of

SCRIPT = f"{NETWORK}:factory"


@pytest.mark.parametrize(
    ("backbone", "extract", "protocol", "option", "problem", "hint"),
    [
        (
            *("i3d", 'layers = "pool5"', "aslan", ""),
            "aslan on row, tiny: no prob, mixed_5c, mixed_4f of its network's layers for ASLAN in its features",
            "It stores pool5",
        ),
        ("i3d", 'layers = "prob,pool5,mixed_5c,mixed_4f"', "aslan", "", None, ""),
        ("i3d", 'layers = "pool5"', "aslan", 'layers = "pool5"', None, ""),
        ("i3d", "", "ucf101", 'layer = "pol5"', "ucf101 on row, tiny: no pol5 in", "Did you mean pool5?"),
        ("i3d", "", "aslan", 'layers = "prob,pol5"', "aslan on row, tiny: no pol5 in", "Did you mean pool5?"),
        ("timm:resnet18", 'layers = "layer4:avg"', "retrieval", "", "no pool5 in", "It stores layer4:avg"),
        ("timm:resnet18", 'layers = "pool5=layer4:avg"', "retrieval", "", None, ""),
        ("hf:some/network", 'layers = "pool"', "kinetics400", "", "no prob in", "It stores pool"),
        (SCRIPT, 'layers = "flat"', "aslan", "", None, ""),  # what it has for ASLAN, the loaded network says
        (SCRIPT, "", "retrieval", "", None, ""),  # and what it stores by default
    ],
)
def test_layers_that_a_protocol_will_miss_are_told_before_the_extraction(
    folder, written, monkeypatch, backbone, extract, protocol, option, problem, hint
):
    monkeypatch.setenv("P3D_EVAL_DATA", str(folder))
    (folder / "View2.mat").write_bytes(data.mat_bytes(data.pair_table(folds=5)))
    annotations = 'annotations = { aslan = "View2.mat" }' if protocol == "aslan" else ""
    text = f"""
[extract]
{extract}
[backbones.row]
backbone = "{backbone}"
weights = "random"
[datasets.tiny]
videos = "videos"
{annotations}
[protocols.{protocol}]
{option}
"""
    study = study_of(written(text))
    if problem is None:
        assert len(plan_study(study).evaluations) == 1
        return
    with pytest.raises(UserError) as caught:
        plan_study(study)
    assert caught.value.message.startswith(f"other.toml: {protocol} on row, tiny: ")
    assert problem in caught.value.message
    assert hint in caught.value.hint
