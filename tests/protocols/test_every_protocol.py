"""Every classifier, normalisation and sweep reaches every classification protocol, of splits and left out."""

import json

import numpy as np
import pytest

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.normalisation import SPOKEN
from tests.support import protocol_data as data

CLASSES = ("Archery", "Ballet", "Curling")
SOLVERS = {"svm": "squared hinge", "libsvm": "LIBSVM", "logistic": "logistic"}
SAID = {"svm": "one-vs-rest", "libsvm": "votes", "logistic": "multinomial", "knn": "2 nearest", "ncm": "mean"}


def hmdb51(folder):
    """Two classes of six clips a split; each is tested once."""
    for split in (1, 2, 3):
        for name in CLASSES:
            rows = [f"Film_{n}_{name}.avi {2 if n % 3 == split - 1 else 1} \n" for n in range(9)]
            (folder / f"{name}_test_split{split}.txt").write_text("".join(rows))
    return [f"{name}/Film_{n}_{name}" for name in CLASSES for n in range(9)], {"splits": folder}


def activitynet(folder):
    subsets = ["validation" if n % 3 == 0 else "training" for n in range(9)]
    videos = {f"{name[:5]}{n:06d}": (name, subset) for name in CLASSES for n, subset in enumerate(subsets)}
    database = {
        video: {"subset": subset, "annotations": [{"label": name, "segment": [0.0, 1.0]}], "url": "u"}
        for video, (name, subset) in videos.items()
    }
    text = json.dumps({"database": database, "taxonomy": [], "version": "VERSION 1.3"})
    (folder / "activity_net.v1-3.min.json").write_text(text)
    return [f"v_{video}" for video in videos], {"annotations": folder}


def kinetics400(folder):
    """The classifier of a layer that is no list of class scores is trained on the training list."""
    ids, lines = [], {"val": [], "train": []}
    for c, name in enumerate(CLASSES):
        for n in range(9):
            part, video = "val" if n % 3 == 0 else "train", f"{c}{n}".rjust(11, "x")
            lines[part].append(f"{name},{video},0,10,{part},0")
            ids.append(f"{video}_000000_000010")
    for part, rows in lines.items():
        header = "label,youtube_id,time_start,time_end,split,is_cc"
        (folder / f"{part}.csv").write_text("\n".join([header, *rows]) + "\n")
    return ids, {"annotations": folder, "layer": "pool5", "measure": "video"}


def custom(folder):
    ids = [f"{name}{n}" for name in CLASSES for n in range(9)]
    rows = [f"{one},{one[:-1]},g{one[-1]}" for one in ids]
    (folder / "own.csv").write_text("\n".join(["id,label,group", *rows]))
    return ids, {"table": folder / "own.csv", "folds": 3}


def custom_left_out(folder):
    ids, options = custom(folder)
    return ids, {"table": options["table"], "scheme": "left-out"}


def scenes(folder):
    return [f"{name}/{n}" for name in CLASSES for n in range(9)], {}


def ucf101(folder):
    return data.ucf_ids(CLASSES, groups=(1, 2, 3, 8, 9, 15, 16, 22, 23), clips=(1,)), {}


MADE = [ucf101, hmdb51, scenes, custom, custom_left_out, activitynet, kinetics400]


@pytest.fixture(params=MADE, ids=lambda make: make.__name__)
def make_study(request, tmp_path):
    """Make a protocol's annotations; return its videos' ids, and how it is run on a store."""
    ids, own = request.param(tmp_path)
    name = request.param.__name__.removesuffix("_left_out")
    return ids, lambda store, **options: evaluate(name, store, **own, **options)


@pytest.fixture
def run(make_study, tmp_path):
    """Evaluate a protocol on nine videos of each of three classes that lie far apart, in 30 dimensions."""
    ids, evaluate_on = make_study
    generator = np.random.default_rng(0)
    centres = np.repeat(generator.random((3, 30)), 9, axis=0)
    values = np.abs(centres + 0.05 * generator.normal(size=(27, 30))).astype(np.float32)
    store = open_features(write_store(tmp_path / "f.h5", ids, {"pool5": values}))
    return lambda **options: evaluate_on(store, **options)


def test_missing_videos_are_told_before_an_existing_result(make_study, tmp_path, monkeypatch):
    """Both without reading a feature: the mistakes in the inputs first, then that the output is there."""
    monkeypatch.setattr("p3d_eval.features.layer.read_rows", None)
    ids, evaluate_on = make_study
    (tmp_path / "r.json").write_text("mine")
    values = np.ones((len(ids), 4), np.float32)
    whole = open_features(write_store(tmp_path / "whole.h5", ids, {"pool5": values}))
    lacking = write_store(tmp_path / "lacking.h5", ids[1:], {"pool5": values[1:]}, failed={ids[0]: "broken"})
    with pytest.raises(UserError, match=r"lacking\.h5: 1 of \d+ videos of the splits have no features"):
        evaluate_on(open_features(lacking), out=tmp_path / "r.json")
    with pytest.raises(UserError, match=r"r\.json exists"):
        evaluate_on(whole, out=tmp_path / "r.json")
    other = open_features(write_store(tmp_path / "other.h5", ids, {"pool5": values + 1}))
    with pytest.raises(UserError, match=r"lacking\.h5: 1 of \d+ videos of the splits have no features"):
        evaluate_on([other, lacking], out=tmp_path / "r.json")
    with pytest.raises(UserError, match=r"r\.json exists"):
        evaluate_on([other, whole], out=tmp_path / "r.json")
    assert (tmp_path / "r.json").read_text() == "mine"


@pytest.mark.parametrize("classifier", SAID)
def test_classifiers_normalisations_and_sweeps(run, classifier):
    normalise = {"svm": "zscore", "libsvm": "signed-sqrt-l2", "logistic": "none"}.get(classifier, "l2")
    more = {"neighbours": 2} if classifier == "knn" else {}
    found = run(classifier=classifier, normalise=normalise, pca="3,2", **more)
    headline = next(iter(found.metrics))
    assert found.metrics[headline].value == 1
    assert any(SAID[classifier] in choice for choice in found.choices)
    assert any(SPOKEN[normalise] in choice for choice in found.choices)
    assert [one.name for one in found.variants] == ["pca 3", "pca 2"]
    assert all(one.metrics[headline].value == 1 for one in found.variants)
    proofs = [one for one in found.certificates if SOLVERS.get(classifier, "?") in one.solver]
    assert len(proofs) == len(found.certificates) == (3 * len(found.splits) if classifier in SOLVERS else 0)
    assert found.converged


def test_more_dimensions_than_training_spans(run):
    with pytest.raises(UserError, match=r"pca: 30 dimensions asked, but the \d+ training samples of 30 values"):
        run(pca="30,2")


def test_c_from_a_list_is_chosen_on_groups_and_kept(run):
    found = run(C="1,0.01", seed=5)
    for split in found.splits:
        assert split.chosen["C"] in (0.01, 1.0)
        assert split.chosen["seed"] == 5
