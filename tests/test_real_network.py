"""I3D with its trained weights on real clips, through the command line: the right answers come out.

The answers are those recorded with the real test data, from 64 centre frames (short side 256, 224 crop).
BaseballPitch is left out: the network is 35 % sure there, and another answer is as likely one frame later.
"""

import numpy as np
import pytest
from typer.testing import CliRunner

from p3d_eval.backbones.download import cached
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


def test_i3d_recognises_the_real_clips(tmp_path):
    clips = real_data() / "clips"
    weights = cached("i3d")
    if weights is None:
        pytest.skip("I3D's weights are not here: `p3d-eval weights fetch i3d` gets them")
    (tmp_path / "list.txt").write_text("".join(f"{clips / name}\n" for name in ANSWERS))
    out = tmp_path / "prob.h5"
    words = f"extract --backbone i3d --weights {weights} --videos {tmp_path / 'list.txt'} --layers prob"
    words += f" --sampling uniform --clips 1 --clip-length 64 --batch-size 1 --out {out} --quiet"
    result = CliRunner().invoke(app, words.split())
    assert result.exit_code == 0, result.output
    store = open_features(out)
    found = {
        video.rpartition("/")[2]: row for video, row in zip(store.ids, np.asarray(store["prob"]), strict=True)
    }
    for name, (answer, least) in ANSWERS.items():
        prob = found[name.rpartition(".")[0]]
        assert store.classes[int(prob.argmax())] == answer, name
        assert prob.max() > least, name
        assert prob.sum() == pytest.approx(1, abs=1e-5)
