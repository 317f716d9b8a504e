"""``p3d-eval prepare``: annotations kept, videos counted, the list that extract reads."""

import json

import pytest
from typer.testing import CliRunner

from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.features.ids import list_videos
from p3d_eval.protocols.evaluation import evaluate
from p3d_eval.protocols.preparation import prepare
from tests.support import protocol_data as data
from tests.support.real_data import real_data
from tests.support.videos import make_video


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of the official lists and one of (empty) video files, one of them missing, one in lower case."""
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "user"))
    lists = tmp_path / "lists"
    lists.mkdir()
    for name, text in data.ucf_lists(data.ucf_ids()).items():
        (lists / name).write_bytes(text)
    videos = tmp_path / "UCF-101"
    for video in data.ucf_ids():
        if video.endswith("YoYo_g03_c01"):
            continue
        name = video.lower() if video.endswith("Biking_g01_c02") else video
        path = videos / f"{name}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (videos / "extra.mp4").touch()
    return tmp_path


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_videos_are_counted_and_listed(place):
    out = place / "found.txt"
    words = ["prepare", "ucf101", "--annotations", place / "lists", "--videos", place / "UCF-101"]
    done = call(*words, "--out", out)
    assert done.exit_code == 3, done.output
    assert "198 of them in" in done.output
    assert "2 missing" in done.output
    assert "missing: YoYo/v_YoYo_g03_c01" in done.output
    assert "(on disk: biking/v_biking_g01_c02, which differs in case or extension)" in done.output
    assert "named nowhere: biking/v_biking_g01_c02, extra" in done.output
    listed = list_videos(out, place / "UCF-101")
    assert len(listed) == 198
    assert {video.id for video in listed} < set(data.ucf_ids())
    assert all(video.path.is_file() for video in listed)

    again = call(*words, "--out", out)
    assert again.exit_code == 2
    assert "exists" in again.output
    told = json.loads(call(*words, "--json").stdout)
    assert (told["expected"], len(told["found"]), told["official"]) == (200, 198, False)
    assert told["near"] == {"Biking/v_Biking_g01_c02": "biking/v_biking_g01_c02"}


def test_found_videos_are_decoded_where_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "user"))
    make_video(tmp_path / "videos" / "good.mp4", 20)
    (tmp_path / "videos" / "bad.mp4").write_bytes(b"nothing")
    table = tmp_path / "custom.csv"
    table.write_text("id,label\ngood,x\nbad,y\n")
    words = ["prepare", "custom", "--annotations", table, "--videos", tmp_path / "videos", "--check"]
    done = call(*words)
    assert done.exit_code == 3, done.output
    assert "  bad: bad: cannot be decoded" in done.output
    told = json.loads(call(*words, "--json").stdout)
    assert list(told["bad"]) == ["bad"]
    assert told["missing"] == []


def test_protocols_find_what_was_prepared(place):
    prepare("ucf101", place / "lists", None)
    store = data.ucf_store(place)
    result = evaluate("ucf101", store)
    assert result.annotations["source"] == str(place / "user" / "ucf101")
    assert prepare("ucf101", None, None).expected == 200  # they need not be given again
    assert prepare("ucf101", place / "lists", None).expected == 200  # the same files are no conflict


def test_other_annotations_are_not_replaced_unasked(place):
    prepare("ucf101", place / "lists", None)
    (place / "lists" / "classInd.txt").write_bytes(b"1 ApplyEyeMakeup\n2 Biking\n3 HandstandPushups\n4 YoYo\n")
    with pytest.raises(UserError, match=r"classInd.txt.*exists"):
        prepare("ucf101", place / "lists", None)
    prepare("ucf101", place / "lists", None, overwrite=True)
    assert (place / "user" / "ucf101" / "classInd.txt").read_bytes().startswith(b"1 ApplyEyeMakeup\n2")


def test_pairs_and_tables_name_their_videos_too(place):
    table = data.pair_table(folds=3)
    (place / "View2.mat").write_bytes(data.mat_bytes(table))
    names, _ = data.pair_layers(table)
    folder = place / "aslan"
    for name in names[:-1]:
        path = folder / f"{name}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = prepare("aslan", place / "View2.mat", folder)
    assert (found.expected, len(found.found), found.official) == (len(names), len(names) - 1, False)
    own = place / "custom.csv"
    own.write_text("id,label\nclips/a.mp4,x\nclips/b,y\n")
    (place / "own" / "clips").mkdir(parents=True)
    (place / "own" / "clips" / "a.mp4").touch()
    found = prepare("custom", own, place / "own")
    assert (found.missing, [video.id for video in found.found]) == (("clips/b",), ["clips/a"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prepare", "ucf11"], "unknown dataset 'ucf11'"),
        (["prepare", "hmdb51"], "hmdb51: no annotations given"),
        (["prepare", "hmdb51", "--annotations", "lists"], "no such file"),
        (["prepare", "ucf101", "--annotations", "lists", "--out", "a.txt"], "--out lists videos"),
        (["prepare", "ucf101", "--annotations", "lists", "--videos", "nowhere"], "no such folder"),
    ],
)
def test_bad_input(place, monkeypatch, words, message):
    monkeypatch.chdir(place)
    done = call(*words)
    assert done.exit_code == 2
    assert message in done.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("dataset", "expected", "official"),
    # As data sets publish them: UCF101's 13,320; HMDB51's 5,100 a split, any split's together 6,766 less
    # those that none uses; ActivityNet's partial list, 9,649 + 4,728.
    [("ucf101", 13_320, True), ("hmdb51", 6_766, True), ("activitynet", 14_377, False)],
)
def test_real_lists(tmp_path, monkeypatch, dataset, expected, official):
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path))
    found = prepare(dataset, real_data() / "annotations" / dataset, None)
    assert found.official is official
    assert found.expected == expected


def test_a_file_under_another_name_is_kept_under_the_official_one(tmp_path, monkeypatch):
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "user"))
    own = tmp_path / "mine.csv"
    own.write_text("id,label\na,x\nb,y\n")
    assert set(prepare("custom", own, None).files) == {"custom.csv"}
    assert prepare("custom", None, None).expected == 2
    foreign = tmp_path / "list.json"
    foreign.write_text(
        json.dumps(
            {
                "database": {"a": {"subset": "training", "annotations": [{"label": "x", "segment": [0, 1]}]}},
                "taxonomy": [],
                "version": "VERSION 1.3",
            }
        )
    )
    with pytest.raises(UserError, match=r"list.json: the file of activitynet is called activity_net\*.json"):
        prepare("activitynet", foreign, None)
