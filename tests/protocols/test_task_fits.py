"""Tasks as data: which videos are used, several labels a video, training on them."""

import numpy as np
import pytest
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from p3d_eval.errors import UnknownNameError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.accuracy import judge_accuracy
from p3d_eval.protocols.classification_options import ClassificationOptions
from p3d_eval.protocols.task_features import match_task, read_features
from p3d_eval.protocols.task_fits import fit_splits, fit_sweep
from p3d_eval.protocols.tasks import Task, TaskSplit
from p3d_eval.protocols.timing import Timer


@pytest.fixture(scope="module")
def task():
    """90 videos of three classes, every sixth of two; the last third is tested."""
    labels = [((row % 3, (row + 1) % 3) if row % 6 == 0 else (row % 3,)) for row in range(90)]
    names = tuple(f"v{row:02}" for row in range(90))
    split = TaskSplit("only", np.arange(60), np.arange(60, 90))
    return Task("made", names, ("a", "b", "c", "never"), tuple(labels), (split,))


@pytest.fixture(scope="module")
def data(task, tmp_path_factory):
    generator = np.random.default_rng(0)
    X = task.indicator(np.arange(90)) @ generator.normal(size=(4, 12)) + generator.normal(size=(90, 12))
    path = tmp_path_factory.mktemp("task") / "made.h5"
    store = open_features(write_store(path, list(task.names), {"pool5": X}))
    return read_features(store, match_task(store, task, None), "pool5", "l2")


def test_several_labels_against_scikit_learn(task, data):
    (outcome,) = fit_splits(data, ClassificationOptions(), Timer())
    shown = task.indicator(np.arange(90))[:, :3]
    reference = OneVsRestClassifier(LinearSVC(dual=True, tol=1e-9, max_iter=10**6)).fit(data.X[:60], shown[:60])
    np.testing.assert_allclose(outcome.scores[:, :3], reference.decision_function(data.X[60:]), atol=1e-4)
    assert (outcome.scores[:, 3] == -np.inf).all()
    hits = shown[60:][np.arange(30), reference.decision_function(data.X[60:]).argmax(axis=1)]
    assert 0.3 < hits.mean() < 1
    judged = judge_accuracy(task, [outcome], 0)
    assert judged.metrics["accuracy"].value == pytest.approx(hits.mean())
    assert judged.per_class["a"].n == shown[60:, 0].sum()
    assert judged.per_class["never"].reason == "no videos"


@pytest.mark.parametrize("classifier", ["knn", "ncm", "logistic", "libsvm"])
def test_other_classifiers_see_a_video_once_for_each_class(task, data, classifier):
    (outcome,) = fit_splits(data, ClassificationOptions(classifier=classifier), Timer())
    videos, labels = np.nonzero(task.indicator(np.arange(60)))
    repeated = Task(
        "made",
        (*(f"t{row}" for row in range(len(videos))), *task.names[60:]),
        task.classes,
        (*((int(label),) for label in labels), *(own[:1] for own in task.labels[60:])),
        (TaskSplit("only", np.arange(len(videos)), len(videos) + np.arange(30)),),
    )
    X = np.concatenate([data.X[videos], data.X[60:]])
    plain = type(data)(type(data.matched)(repeated, {}, data.matched.coverage), X, np.arange(len(X)))
    (expected,) = fit_splits(plain, ClassificationOptions(classifier=classifier), Timer())
    np.testing.assert_allclose(outcome.scores, expected.scores, atol=1e-9)


def test_c_and_components_for_several_labels(data):
    options = ClassificationOptions(C="0.01,1", pca="6,3")
    (outcome,) = fit_splits(data, options, Timer())
    assert outcome.chosen["C"] in (0.01, 1.0)
    swept = fit_sweep(data, ClassificationOptions(pca="6,3"), Timer())
    assert list(swept) == [6, 3]
    assert all(one.converged for (found,) in swept.values() for one in found.certificates)


def test_used_videos_and_chosen_splits():
    splits = (TaskSplit("1", np.array([2, 0]), np.array([3])), TaskSplit("2", np.array([3]), np.array([0, 1])))
    task = Task("made", ("a", "b", "c", "d", "e"), ("x",), ((0,),) * 5, splits)
    assert task.used().tolist() == [2, 0, 3, 1]
    assert task.only("2").used().tolist() == [3, 0, 1]
    assert task.only("all") is task
    assert not task.clustered
    with pytest.raises(UnknownNameError, match="unknown split of made '3'"):
        task.only("3")
