"""What each classic mistake does to the right class's probability: I3D's trained weights on real clips.

The numbers are those that ``benchmarks/classic_mistakes.py`` measured for docs/mistakes.md, on centre clips of
64 frames. Bounds are wide where another decoder or processor may move a number.
"""

import pytest

from benchmarks.classic_mistakes import ANSWERS, MISTAKES, activations, averaging
from p3d_eval.backbones.download import cached
from tests.support.real_data import real_data

pytestmark = pytest.mark.ci

FRAMES = 64
CARTWHEEL = "hmdb51_Turnk_r_Pippi_Michel_cartwheel_f_cm_np2_le_med_6.avi"
SOCCER, BIKING, PUNCH = "v_SoccerJuggling_g24_c01.avi", "v_Biking_g05_c02.avi", "v_Punch_g03_c01.avi"


@pytest.fixture(scope="module")
def clips():
    folder = real_data() / "clips"
    if cached("i3d") is None:
        pytest.skip("I3D's weights are not here: `p3d-eval weights fetch i3d` gets them")
    return folder


def right(clips, name, mistake, layers="prob"):
    """Layer → values of the centre clip, and the right class's index."""
    found, classes = activations(clips, [name], layers, FRAMES, 1, MISTAKES[mistake])
    return {layer: values[name][0] for layer, values in found.items()}, classes.index(ANSWERS[name])


@pytest.mark.parametrize(
    ("name", "mistake", "without", "with_it"),
    [
        (CARTWHEEL, "BGR instead of RGB", 0.873, 0.195),
        (BIKING, "mean missing (0 … 2)", 0.926, 0.189),
        (SOCCER, "0 … 1 instead of −1 … 1", 0.969, 0.190),
    ],
)
def test_a_wrong_input_loses_the_right_class(clips, name, mistake, without, with_it):
    correct, answer = right(clips, name, "none")
    wrong, _ = right(clips, name, mistake)
    assert correct["prob"].argmax() == answer
    assert correct["prob"][answer] == pytest.approx(without, abs=0.02)
    assert wrong["prob"].argmax() != answer
    assert wrong["prob"][answer] == pytest.approx(with_it, abs=0.05)


def test_bytes_as_they_are_lose_everything(clips):
    wrong, answer = right(clips, PUNCH, "bytes as they are (0 … 255)")
    assert wrong["prob"][answer] < 1e-3


def test_the_wrong_layer_hides_what_the_network_knows(clips):
    found, answer = right(clips, PUNCH, "none", "prob,logits")
    kept = found["logits"].clip(0)
    assert found["prob"][answer] > 0.99
    assert found["logits"].argmax() == answer  # the order is the same, and the numbers mean something else
    assert kept[answer] / kept.sum() < 0.1
    assert found["logits"].min() < 0  # which ASLAN's divergences cannot take


def test_one_clip_is_a_lottery_and_the_mean_is_not(clips):
    least, _, largest, mean = averaging(clips, [SOCCER], 6)[SOCCER]
    assert least < 0.1  # measured: 0.002
    assert largest > 0.9  # 1.000
    assert mean == pytest.approx(0.53, abs=0.1)
