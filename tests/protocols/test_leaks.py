"""Leaks are named: groups on both sides, copies, weights that saw the data, splits that are not official."""

import numpy as np
import pytest

from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.leaks import leak_warnings, training_leaks, unofficial_lists
from p3d_eval.protocols.protocol import AnnotationFiles
from p3d_eval.protocols.result import Coverage
from p3d_eval.protocols.task_features import Matched, TaskFeatures
from p3d_eval.protocols.tasks import Task, TaskSplit
from tests.support import protocol_data as data


def task_features(train, test, clusters, X=None, more=()):
    """Videos with these clusters, and splits of them: (train, test) and ``more``."""
    names = tuple(f"v{n}" for n in range(len(clusters)))
    task = Task(
        "custom",
        names,
        ("a", "b"),
        tuple((n % 2,) for n in range(len(names))),
        tuple(TaskSplit(str(n), *map(np.array, own)) for n, own in enumerate([(train, test), *more], 1)),
        groups=tuple(clusters),
        cluster_kind="group",
    )
    X = np.random.default_rng(0).normal(size=(len(names), 30)) if X is None else X
    matched = Matched(task, dict(enumerate(names)), Coverage(len(names), len(names)))
    return TaskFeatures(matched, X, np.arange(len(names)))


def test_a_group_on_both_sides_is_named():
    features = task_features([0, 1, 2, 3], [4, 5], ["g1", "g1", "g2", "g2", "g3", "g2"])
    (warning,) = leak_warnings([features], None, "")
    assert warning.startswith("LEAK: split 1: 1 group cluster in training and in test: g2.")


def test_groups_on_both_sides_of_several_splits_are_named_once():
    folds = [(range(4), [4, 5]), ([4, 5, 2, 3], [0, 1]), ([0, 1, 4, 5], [2, 3])]
    features = task_features(*folds[0], ["g1", "g1", "g2", "g3", "g3", "g2"], more=folds[1:])
    (warning,) = leak_warnings([features], None, "")
    assert warning.startswith("LEAK: splits 1, 3: 2 group clusters in training and in test: g2, g3.")


def test_a_video_on_both_sides_is_named():
    (first, *_) = leak_warnings([task_features([0, 1, 2], [2, 3], ["a", "b", "c", "d"])], None, "")
    assert first.startswith("LEAK: split 1: 1 video in training and in test: c.")


def test_clean_splits_and_leaving_out_in_turn_are_silent():
    assert leak_warnings([task_features([0, 1, 2, 3], [4, 5], list("aabbcc"))], None, "Kinetics-400") == []
    assert leak_warnings([task_features([0, 1, 2, 3], [0, 1, 2, 3], list("aabb"))], None, "") == []


def test_near_copies_are_named():
    X = np.random.default_rng(0).normal(size=(40, 30))
    X[30] = 2 * X[4]
    features = task_features(range(20), range(20, 40), [str(n) for n in range(40)], X)
    (warning,) = leak_warnings([features], None, "")
    assert warning == (
        "LEAK: split 1: 1 test video has a near copy in training (cosine 0.999 or more): v30 and v4 (1.00000)."
    )
    X[20:] = X[:20]
    (warning,) = leak_warnings([features], None, "")
    assert warning.startswith(
        "split 1: 20 of 20 test videos have a training video of cosine 0.999 or more: copies, or"
    )
    assert warning.count("(1.00000)") == 3, "the closest are named"


def test_a_copy_in_another_group_is_found_when_left_out_in_turn():
    X = np.random.default_rng(0).normal(size=(20, 30))
    X[1], X[2] = X[0], 5 * X[12]
    groups = ["0", "0", *(str(n) for n in range(2, 20))]
    (warning,) = leak_warnings([task_features(range(20), range(20), groups, X)], None, "")
    assert "2 test videos have a near copy" in warning
    assert "v2 and v12" in warning
    assert "v1 " not in warning  # it leaves together with v0


@pytest.mark.parametrize(
    ("dataset", "trained_on", "leaks"),
    [
        ("ucf101", "UCF-101 split 1", True),
        ("ucf101", "Sports-1M, fine-tuned on ucf101", True),
        ("hmdb51", "HMDB_51", True),
        ("ucf101", "Kinetics-400", False),
        ("ucf101", "", False),
        ("kinetics400", "Kinetics-400 training set", False),
    ],
)
def test_weights_that_were_trained_on_the_data_set(dataset, trained_on, leaks):
    found = training_leaks(dataset, trained_on)
    assert bool(found) is leaks
    if leaks:
        assert repr(trained_on) in found[0]


def test_fine_tuned_weights_are_warned_of_in_the_result(tmp_path):
    store = data.ucf_store(tmp_path, provenance={"trained_on": "UCF101 split 1"})
    result = evaluate("ucf101", store, classifier="ncm")
    assert any("LEAK: the weights were trained on 'UCF101 split 1'" in one for one in result.warnings)


def test_splits_of_ones_own_under_the_official_names(tmp_path):
    store = data.ucf_store(tmp_path)
    for name, text in data.ucf_lists(data.ucf_ids()).items():
        (tmp_path / name).write_bytes(text)
    result = evaluate("ucf101", store, classifier="ncm", splits=tmp_path)
    assert any(
        "not the published splits: do not report the score as ucf101's" in one for one in result.warnings
    )
    assert (
        unofficial_lists("ucf101", AnnotationFiles({"a": b""}, "x", official_names=True), official=True) == []
    )
    assert unofficial_lists("ucf101", AnnotationFiles({"a.csv": b""}, "x"), official=False) == []


def test_copies_across_ucf101s_splits_are_found_by_their_ids(tmp_path):
    ids = data.ucf_ids()
    X = np.abs(np.random.default_rng(1).normal(size=(len(ids), 24)))
    tested, trained = (ids.index(f"Biking/v_Biking_g{group:02}_c01") for group in (3, 20))
    X[tested] = X[trained]
    store = open_features(write_store(tmp_path / "f.h5", ids, {"pool5": X}))
    result = evaluate("ucf101", store, classifier="ncm")
    (warning,) = [one for one in result.warnings if "near copy" in one]
    assert warning == (
        "LEAK: splits 1, 3: 2 test videos have a near copy in training (cosine 0.999 or more): "
        f"{ids[tested]} and {ids[trained]} (1.00000), {ids[trained]} and {ids[tested]} (1.00000)."
    )
