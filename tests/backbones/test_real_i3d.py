"""I3D's released weights on real clips: the network alone, decoded here, without the extractor."""

import os
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from p3d_eval.backbones import load_backbone
from p3d_eval.backbones.download import cached
from tests.support.real_data import real_data

CLIP_LENGTH = 64
ANSWERS = {  # top-1 answers of the released network, all surer than 0.8
    "v_SoccerJuggling_g23_c01.avi": "juggling soccer ball",
    "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi": "cartwheeling",
}


def centre_frames(path):
    with av.open(str(path), metadata_errors="ignore") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    start = (len(frames) - CLIP_LENGTH + 1) // 2
    return torch.from_numpy(np.stack(frames[start : start + CLIP_LENGTH]))[None]


def test_top_answers_on_real_clips():
    clips = real_data() / "clips"
    named = os.environ.get("P3D_EVAL_TEST_I3D")
    weights = Path(named) if named else cached("i3d")
    if weights is None or not weights.is_file():
        pytest.skip("no I3D weights: run `p3d-eval weights fetch i3d` or set P3D_EVAL_TEST_I3D")
    backbone = load_backbone("i3d", weights=weights, clip_length=CLIP_LENGTH)
    assert "Kinetics-400" in backbone.trained_on
    for name, answer in ANSWERS.items():
        prob = backbone(centre_frames(clips / name), "prob")["prob"][0]
        assert backbone.classes[int(prob.argmax())] == answer, name
        assert prob.max() > 0.8, name
