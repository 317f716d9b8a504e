"""Pairs counted as wrong are the worst of all folds, not of their own."""

import numpy as np
import pytest

from p3d_eval.protocols.aslan_folds import FoldPart, judge, summarise


def outcome(same, decision, rows, lost=()):
    same, rows = np.array(same), np.array(rows)
    return judge(same, FoldPart(0, "fold", np.arange(2), rows, np.array(lost, int)), np.array(decision))


def test_a_lost_pair_ranks_beyond_folds_of_any_scale():
    near = outcome([True, False, False], [0.2, -0.2], [0, 1], lost=[2])
    far = outcome([True, False], [6.0, -6.0], [0, 1])
    # Same pairs at 0.2 and 6 against different ones at -0.2, -6 and the lost one: 2 of 3 right for each.
    assert summarise([near, far])["auc"].value == pytest.approx(2 / 3, abs=1e-12)
    assert near.split.metrics["accuracy"].value == pytest.approx(2 / 3, abs=1e-12)
    lost_same = outcome([True, False, True], [0.2, -0.2], [0, 1], lost=[2])
    # Same pairs at 0.2, 6 and the lost one against different ones at -0.2 and -6: 4 of 6.
    assert summarise([lost_same, far])["auc"].value == pytest.approx(2 / 3, abs=1e-12)
