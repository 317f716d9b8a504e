"""Real clips: decoded frame counts, and broken files that must end in a reason."""

import numpy as np
import pytest

from p3d_eval.features import open_features
from p3d_eval.features.decode import read_video
from p3d_eval.features.extractor import extract
from p3d_eval.features.ids import list_videos
from p3d_eval.features.images import Converter
from p3d_eval.features.sampling import Sampling
from p3d_eval.features.sequential import decode
from tests.support.real_data import real_data

# Counted by decoding with FFmpeg when the clips were collected (the data's own README).
FRAMES = {
    "v_SoccerJuggling_g23_c01": 240,
    "v_SoccerJuggling_g24_c01": 251,
    "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6": 83,
    "RATRACE_wave_f_nm_np1_fr_goo_37": 72,
    "SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0": 74,
    "TrumanShow_wave_f_nm_np1_fr_med_26": 48,
    "v_ApplyEyeMakeup_g01_c01": 164,
    "v_BaseballPitch_g01_c01": 107,
    "v_Biking_g05_c02": 201,
    "v_Punch_g03_c01": 108,
}


@pytest.mark.parametrize(("video", "frames"), FRAMES.items(), ids=FRAMES.keys())
def test_decoded_frame_counts(video, frames):
    header = next(read_video(real_data() / "clips" / f"{video}.avi", video, Sampling(16)))
    assert header.frames == frames


def test_rotated_videos_stand_upright():
    folder = real_data() / "clips" / "broken"
    shapes = {
        angle: Converter()(next(decode(folder / f"video_{angle}.mov"))).shape for angle in (0, 90, 180, 270)
    }
    assert shapes == {0: (320, 568, 3), 90: (568, 320, 3), 180: (320, 568, 3), 270: (568, 320, 3)}


def test_the_broken_folder_is_listed_and_the_rest_extracted(tmp_path, tiny):
    folder = real_data() / "clips" / "broken"
    summary = extract(tiny, folder, "flat", tmp_path / "f.h5")
    store = open_features(tmp_path / "f.h5")
    assert set(summary.failed) == {"corrupted"}
    assert len(store.ids) == len(list_videos(folder)) - 1
    assert np.isfinite(store["flat"][:]).all()
