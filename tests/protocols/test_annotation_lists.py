"""Lists of HMDB51, ActivityNet, Sports-1M, Kinetics and Something-Something: counts, rules, and bad input."""

import json
import os
from pathlib import Path

import pytest

from p3d_eval.errors import UserError
from p3d_eval.features.matching import near_misses
from p3d_eval.protocols.annotations import activitynet, hmdb51, kinetics, read_official, sports1m, ssv2
from p3d_eval.protocols.annotations.official import get_reader
from tests.support import annotation_files as made


@pytest.fixture(scope="module")
def official():
    root = os.environ.get("P3D_EVAL_TEST_DATA")
    if not root:
        pytest.skip("the official lists are not here: P3D_EVAL_TEST_DATA")
    return Path(root) / "annotations"


def test_official_hmdb51(official):
    """Counts of data/README.md; no source is on both sides of a split."""
    data = hmdb51.parse(read_official("hmdb51", official / "hmdb51"))
    task = hmdb51.make_task(data)
    assert len(task.classes) == 51
    assert [(len(split.train), len(split.test)) for split in task.splits] == [(3570, 1530)] * 3
    assert len(task.names) - len(task.only("1").used()) == 1666
    assert task.official
    assert not task.only("1").official
    for split in task.splits:
        sides = ({task.clusters[row] for row in part.tolist()} for part in (split.train, split.test))
        assert not set.intersection(*sides)


def test_official_activitynet(official):
    data = activitynet.parse(read_official("activitynet", official / "activitynet"))
    counts = {subset: len(videos) for subset, videos in data.subsets.items()}
    assert counts == {"training": 9649, "validation": 4728, "testing": 4851}
    labels = [own for subset in ("training", "validation") for own in data.subsets[subset].values()]
    assert sum(len(own) > 1 for own in labels) == 11
    task = activitynet.make_task(data)
    assert len(task.classes) == 200
    assert task.deviations == ("9,649 training videos of 10,024", "4,728 validation videos of 4,926")
    assert not task.official


def test_official_kinetics(official):
    data = kinetics.parse(read_official("kinetics400", official / "kinetics400" / "kinetics-400_val.csv"))
    order = (official / "kinetics400" / "label_map_k400.txt").read_text().splitlines()
    assert len(data.val) == 19906
    assert list(data.classes) == sorted(order)
    assert len(data.classes) == 400
    assert kinetics.make_task(data, []).official


def test_official_ssv2(official):
    data = ssv2.parse(read_official("ssv2", official / "ssv2"))
    assert (len(data.classes), len(data.validation), len(data.train)) == (174, 24777, 0)
    assert data.classes[0] == "Approaching something with your camera"
    assert ssv2.make_task(data).official


def test_official_sports1m_labels(official):
    labels = sports1m.parse_labels("labels.txt", (official / "sports1m" / "labels.txt").read_bytes())
    assert len(labels) == 487
    assert labels[:3] == ("boomerang", "boxing", "bowling")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\n \n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_hmdb51_lists_as_people_have_them(newline, mark):
    files = {name: mark + text for name, text in made.hmdb51_files(newline).items()}
    task = hmdb51.make_task(hmdb51.parse(files))
    assert task.classes == ("brush_hair", "wave")
    assert [(len(split.train), len(split.test)) for split in task.splits] == [(6, 4)] * 3
    assert set(task.clusters) == {"brush_hair/April_09", "wave/Films_2"}
    assert task.names[0] == "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0"
    assert not task.official


def test_activitynet_counts_a_label_once_and_orders_by_first_appearance():
    data = activitynet.parse({"a.json": json.dumps(made.activitynet_document()).encode()})
    assert data.subsets["validation"] == {"c": ("Ballet", "Archery"), "d": ("Archery",)}
    assert data.classes("validation") == ("Ballet", "Archery")
    assert data.classes("training") == ("Ballet", "Archery")
    task = activitynet.make_task(data)
    assert task.labels == ((0,), (1,), (0, 1), (1,))


def test_a_training_video_of_no_tested_class_is_an_example_of_none():
    document = made.activitynet_document()
    document["database"]["a"]["annotations"] = [{"label": "Curling"}]
    task = activitynet.make_task(activitynet.parse({"a.json": json.dumps(document).encode()}))
    assert task.labels[0] == ()
    assert task.multi_label


def test_sports1m_ids_and_labels():
    data = sports1m.parse(made.sports1m_files())
    assert data.test == {"DN1RS8b6FTA": (0, 2), "-_abcdefghi": (1,)}
    task = sports1m.make_task(data)
    assert task.splits[0].train.tolist() == [2]


def test_kinetics_names_follow_the_store():
    data = kinetics.parse(made.kinetics_files())
    timed = ("0wR5jVB-WPk_000417_000427", "3caPS4FHFF8_000036_000046", "3caPS4FHFF8_000050_000060")
    assert kinetics.make_task(data, [f"abseiling/{name}" for name in timed]).names == timed
    assert kinetics.make_task(data, ["3caPS4FHFF8"]).names == timed, "one id, two stretches: times must tell"
    once = kinetics.Kinetics(data.val[:2], ())
    assert kinetics.make_task(once, ["3caPS4FHFF8"]).names == ("0wR5jVB-WPk", "3caPS4FHFF8")


def changed(dataset, name, old, new):
    """Files of a data set with one of them changed."""
    files = dict(made.all_files()[dataset])
    text = files[name].decode("latin-1")
    assert old in text
    return files | {name: text.replace(old, new, 1).encode("latin-1")}


SPLIT = "wave_test_split2.txt"


@pytest.mark.parametrize(
    ("dataset", "files", "message"),
    [
        ("hmdb51", changed("hmdb51", SPLIT, "_0.avi 1", "_0.avi 3"), "wave_test_split2.txt, line 1: .*<use>"),
        ("hmdb51", changed("hmdb51", SPLIT, "_0.avi 1", "_0.avi"), "line 1: .* is not '<video> <use>'"),
        ("hmdb51", changed("hmdb51", SPLIT, "_0.avi", "_1.avi"), "line 2: .*_1' is listed twice"),
        ("hmdb51", changed("hmdb51", SPLIT, "_0.avi", "_9.avi"), "name different videos: .*_0, .*_9"),
        ("hmdb51", changed("hmdb51", SPLIT, "Films", "\xff"), "not a text file"),
        ("hmdb51", {"classInd.txt": b"1 a"}, "classInd.txt: not called CLASS_test_splitN.txt"),
        ("hmdb51", {"wave_test_split1.txt": b"a.avi 1\nb.avi 2"}, "1 class, two or more are needed"),
        (
            "hmdb51",
            {k: v for k, v in made.hmdb51_files().items() if k != SPLIT},
            "wave_test_split2.txt missing",
        ),
        ("hmdb51", {k: v.replace(b" 2 ", b" 0 ") for k, v in made.hmdb51_files().items()}, "has no test video"),
        ("hmdb51", dict.fromkeys(made.hmdb51_files(), b" \r\n"), "the list is empty"),
        ("activitynet", {"a.json": b"[" * 10**6}, "a.json: not JSON that can be read"),
        ("activitynet", {"a.json": b"nothing"}, "a.json: not JSON"),
        ("activitynet", {"a.json": b"{}"}, "no 'database' and no 'taxonomy' and no 'version'"),
        ("activitynet", {"a.json": made.ssv2_files()["ssv2-validation.json"]}, "the file is not a JSON object"),
        ("activitynet", {"a.json": made.ssv2_files()["ssv2-labels.json"]}, "not ActivityNet's annotations"),
        (
            "activitynet",
            changed("activitynet", "activity_net.json", '"training"', '"train"'),
            "is 'train', not",
        ),
        (
            "activitynet",
            changed("activitynet", "activity_net.json", '"Ballet"', "7"),
            "a label of video 'a' is '7'",
        ),
        (
            "activitynet",
            changed("activitynet", "activity_net.json", '"Ballet"', '"\\ud800"'),
            "half a character",
        ),
        ("activitynet", changed("activitynet", "activity_net.json", '"b":', '"a":'), "'a' is listed twice"),
        (
            "activitynet",
            changed("activitynet", "activity_net.json", "[0, 1]", "[NaN, 1]"),
            "NaN is not a finite",
        ),
        (
            "activitynet",
            changed("activitynet", "activity_net.json", "[0, 1]", "[" + "9" * 5000 + "]"),
            "not JSON",
        ),
        (
            "activitynet",
            {"a.json": b'{"database": {"a": {"subset": "training"}}, "taxonomy": [], "version": "1"}'},
            "video 'a' of the training subset has no label",
        ),
        ("activitynet", {"a.json": b'{"database": {}, "taxonomy": [], "version": "1"}'}, "'database' is empty"),
        ("sports1m", changed("sports1m", "labels.txt", "\n", "\n\n"), "line 2: blank"),
        ("sports1m", changed("sports1m", "labels.txt", "bowling", "archery"), "stands in line 1 already"),
        ("sports1m", changed("sports1m", "test_partition.txt", "0,2", "0,3"), "label 3 is not between 0 and 2"),
        (
            "sports1m",
            changed("sports1m", "test_partition.txt", "0,2", "0,"),
            "is not '<YouTube address> <labels>'",
        ),
        ("sports1m", changed("sports1m", "test_partition.txt", "0,2", "²"), "line 1: not|not '<YouTube|UTF-8"),
        ("sports1m", changed("sports1m", "test_partition.txt", "watch?v=", "user/"), "line 1: "),
        (
            "sports1m",
            changed("sports1m", "test_partition.txt", "-_abcdefghi 1", "DN1RS8b6FTA 1"),
            "other labels",
        ),
        ("sports1m", {"labels.txt": b"a"}, "test_partition.txt missing"),
        ("kinetics400", changed("kinetics400", "val.csv", "label,", "name,"), "not Kinetics' official CSV"),
        ("kinetics400", changed("kinetics400", "val.csv", ",417,", ",soon,"), "line 2: .* is not 'label"),
        ("kinetics400", changed("kinetics400", "val.csv", ",36,46,val,0", ",36"), "line 3: 3 values, not 6"),
        (
            "kinetics400",
            changed("kinetics400", "val.csv", ",50,60,", ",36,46,"),
            "line 4: .*_000046 is listed twice",
        ),
        ("kinetics400", changed("kinetics400", "val.csv", "427,val", "427,test"), "neither train nor val"),
        ("kinetics400", changed("kinetics400", "val.csv", '"air', '"air"'), "line 2: not CSV"),
        ("kinetics400", changed("kinetics400", "val.csv", "abseiling", "\xe9"), "not a text file"),
        ("kinetics400", {"val.csv": b"\n"}, "the list is empty"),
        (
            "kinetics400",
            {"train.csv": made.kinetics_files()["val.csv"].replace(b",val,", b",train,")},
            "no validation video in train.csv",
        ),
        ("ssv2", changed("ssv2", "ssv2-labels.json", '"1"', '"2"'), "no label has the index 1"),
        ("ssv2", changed("ssv2", "ssv2-labels.json", '"1"', '"0"'), "have the index 0"),
        (
            "ssv2",
            changed("ssv2", "ssv2-validation.json", "Closing [", "Losing ["),
            "unknown label 'Losing something'",
        ),
        ("ssv2", changed("ssv2", "ssv2-validation.json", '"7"', '"74225"'), "'74225' is listed twice"),
        ("ssv2", changed("ssv2", "ssv2-validation.json", '"id"', '"name"'), "the id of entry 1 is 'None'"),
        ("ssv2", changed("ssv2", "ssv2-validation.json", '"template"', '"t"'), "has no template"),
        ("ssv2", changed("ssv2", "ssv2-train.json", '"8"', '"7"'), "video '7' is in the validation list"),
        ("ssv2", {"ssv2-labels.json": b"{}"}, "…validation.json missing"),
        ("ssv2", made.ssv2_files() | {"x.txt": b""}, "x.txt: not called"),
        (
            "ssv2",
            made.ssv2_files() | {"b-labels.json": b""},
            "b-labels.json: a second file called …labels.json",
        ),
        ("ssv2", made.ssv2_files() | {"ssv2-validation.json": b"[]"}, "the list is empty"),
    ],
)
def test_wrong_lists(dataset, files, message):
    with pytest.raises(UserError, match=message) as caught:
        get_reader(dataset).parse(files)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("dataset", sorted(made.all_files()))
@pytest.mark.parametrize("other", sorted(made.all_files()))
def test_files_of_another_data_set(dataset, other):
    files = made.all_files()[other]
    if dataset == other:
        get_reader(dataset).parse(files)
    else:
        with pytest.raises(UserError):
            get_reader(dataset).parse(files)


def test_both_sides_of_sports1m():
    files = made.sports1m_files()
    files["train_partition.txt"] = files["test_partition.txt"]
    with pytest.raises(UserError, match="2 videos are in training and in test, the first is -_abcdefghi"):
        sports1m.make_task(sports1m.parse(files))


def test_reading_folders_by_patterns(tmp_path):
    for name, content in made.ssv2_files().items():
        (tmp_path / name).write_bytes(content)
    assert set(read_official("ssv2", tmp_path)) == set(made.ssv2_files())
    (tmp_path / "ssv2-validation.json").unlink()
    with pytest.raises(UserError, match=r"\*validation.json: no such file"):
        read_official("ssv2", tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        read_official("ssv2", tmp_path / "ssv2-labels.json")


def test_every_data_set_is_known_by_name():
    for name in made.all_files():
        assert get_reader(name).dataset == name
    with pytest.raises(UserError, match="unknown dataset 'hmdb'") as caught:
        get_reader("hmdb")
    assert "hmdb51" in caught.value.hint


def test_ids_that_nearly_match():
    found = near_misses(["A/v_x.avi", "b.mp4", "c"], ["a/V_X", "B.flac", "d", "folder/C.npy"])
    assert found == {"A/v_x.avi": "a/V_X", "b.mp4": "B.flac", "c": "folder/C.npy"}
    assert not near_misses(["abc"], ["abd"])
