"""Official annotation files: what they hold, how they are found, and what is wrong with bad ones."""

import contextlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from p3d_eval.errors import UserError
from p3d_eval.features import embed_annotations
from p3d_eval.protocols import PROTOCOLS
from p3d_eval.protocols.annotations import aslan, matlab, read_official, ucf101
from p3d_eval.protocols.annotations.sources import find_annotations
from tests.support import protocol_data as data


@pytest.fixture(scope="module")
def official():
    root = os.environ.get("P3D_EVAL_TEST_DATA")
    folder = Path(root or "") / "annotations" / "ucf101"
    if not root or not folder.is_dir():
        pytest.skip("the official lists are not here: P3D_EVAL_TEST_DATA")
    return ucf101.parse(read_official("ucf101", folder))


def test_official_lists(official):
    """Counts of the published lists; our hashes call them official."""
    assert [(len(s.train), len(s.test)) for s in official.splits] == [(9537, 3783), (9586, 3734), (9624, 3696)]
    assert len(official.classes) == 101
    assert official.official


def test_rule_gives_the_official_splits(official):
    names = [clip.name for clip in (*official.splits[0].train, *official.splits[0].test)]
    by_rule = ucf101.from_ids(f"UCF-101/{name}" for name in names)
    assert by_rule.official
    assert by_rule.from_rule
    assert sorted(by_rule.classes) == sorted(official.classes)
    assert not ucf101.from_ids(names[:-1]).official


@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r\n\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_lists_as_people_have_them(newline, mark):
    files = {name: mark + text for name, text in data.ucf_lists(data.ucf_ids(), newline=newline).items()}
    parsed = ucf101.parse(files)
    rule = ucf101.from_ids(data.ucf_ids())
    assert parsed.classes == data.ACTIONS
    for one, two in zip(parsed.splits, rule.splits, strict=True):
        assert set(one.train) == set(two.train)
        assert set(one.test) == set(two.test)
        assert ucf101.split_hash(one) == ucf101.split_hash(two)
    assert not parsed.official


def test_class_is_the_folder_and_group_the_number():
    clip = next(c for c in ucf101.parse(data.ucf_lists(data.ucf_ids())).splits[0].test if "HandStand" in c.stem)
    assert (clip.action, clip.stem, clip.group) == ("HandstandPushups", "v_HandStandPushups_g01_c01", 1)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("trainlist01.txt", lambda text: text.replace("YoYo/", "Yoyo/", 1), "unknown class 'Yoyo'"),
        ("trainlist01.txt", lambda text: text.replace(" 4", " 3", 1), "label '3', but YoYo is 4"),
        ("testlist02.txt", lambda text: text + text.splitlines()[0], "is listed twice"),
        ("testlist03.txt", lambda _: "\r\n \r\n", "testlist03.txt: the list is empty"),
        ("testlist01.txt", lambda _: "v_YoYo_g01_c01.avi", "has no class folder"),
        ("classInd.txt", lambda text: text.replace("2 ", "two ", 1), "is not '<number> <class>'"),
        (
            "classInd.txt",
            lambda text: text.replace("2 ", "² ", 1),
            "line 2: '² Biking' is not '<number> <class>'",
        ),
        ("classInd.txt", lambda text: text.replace("2 ", "2" * 5000 + " ", 1), "line 2: .* is not '<number>"),
        ("classInd.txt", lambda text: text.replace("2 ", "7 ", 1), "class numbers are not 1 to 4"),
        ("classInd.txt", lambda text: text + "5 YoYo", "is listed twice"),
        ("testlist01.txt", lambda text: text + "YoYo/v_YoYo_g08_c01.avi", "is in training and in test"),
        ("testlist01.txt", lambda text: text + "YoYo/v_YoYo_g08_c09.avi", "group g08 of YoYo"),
    ],
)
def test_wrong_lists(name, change, message):
    files = data.ucf_lists(data.ucf_ids())
    files[name] = change(files[name].decode()).encode()
    with pytest.raises(UserError, match=message) as caught:
        ucf101.parse(files)
    assert "\n" not in caught.value.message


def test_binary_list_and_missing_list():
    files = data.ucf_lists(data.ucf_ids())
    with pytest.raises(UserError, match="not a text file"):
        ucf101.parse(files | {"classInd.txt": b"\xff\xfe\x00"})
    with pytest.raises(UserError, match=r"testlist02\.txt missing"):
        ucf101.parse({name: text for name, text in files.items() if name != "testlist02.txt"})


@pytest.mark.parametrize("identity", ["v_YoYo_g01_c01", "YoYo/clip7"])
def test_rule_needs_class_and_group(identity):
    with pytest.raises(UserError, match=f"^{identity}: ") as caught:
        ucf101.from_ids([*data.ucf_ids(), identity])
    assert "--splits" in caught.value.hint


def test_rule_refuses_an_empty_part():
    with pytest.raises(UserError, match="split 2: no video for test"):
        ucf101.from_ids(data.ucf_ids(groups=(1, 2, 22)))


def official_pairs():
    """A list that meets everything published about View 2 (its real contents are not public)."""
    return data.pair_table(folds=10, same=300, actions_per_fold=43, clips=8)


def test_mat_layout():
    table = data.pair_table(folds=3)
    pairs = aslan.parse({"View2.mat": data.mat_bytes(table)})
    assert pairs.fold_names == ("1", "2", "3")
    for fold in range(3):
        rows = np.flatnonzero(pairs.fold == fold)
        names = np.array(pairs.names, int)
        np.testing.assert_array_equal(names[pairs.first[rows]], table[:, 0, fold])
        np.testing.assert_array_equal(names[pairs.second[rows]], table[:, 1, fold])
        np.testing.assert_array_equal(pairs.same[rows], table[:, 2, fold] == 1)
        np.testing.assert_array_equal(pairs.actions[rows].astype(int), table[:, 3:, fold])
    assert aslan.deviations(pairs) == ("not 10 folds of 600 pairs",)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
def test_matlab_reader_against_scipy(dtype, compressed):
    """Among other variables of every kind, with names long and short."""
    wanted = np.random.default_rng(0).integers(0, 100, (7, 5, 3)).astype(dtype)
    others = {"x": "text", "s": {"a": 1.0}, "c": np.array([1, "b"], object), "z": np.ones((2, 2)) * 1j}
    buffer = io.BytesIO()
    scipy.io.savemat(
        buffer, others | {"pairs_of_videos": wanted, "p": wanted[:1, :1, :1]}, do_compression=compressed
    )
    found = matlab.read_array(buffer.getvalue(), "pairs_of_videos")
    np.testing.assert_array_equal(found, wanted)
    assert found.shape == wanted.shape
    assert matlab.read_array(buffer.getvalue(), "p").item() == wanted[0, 0, 0]
    assert matlab.read_array(buffer.getvalue(), "absent") is None
    for name in ("x", "s", "c", "z"):
        with pytest.raises(matlab.MatlabError, match="not a real numeric array"):
            matlab.read_array(buffer.getvalue(), name)


def test_published_counts_make_a_list_official():
    table = official_pairs()
    assert aslan.deviations(aslan.parse({"View2.mat": data.mat_bytes(table)})) == ()
    shifted = table.copy()
    shifted[:, :2] += 1000
    assert aslan.deviations(aslan.parse({"View2.mat": data.mat_bytes(shifted)})) == (
        "samples other than 1 to 3697",
    )
    shared = table.copy()
    shared[:, 3:, 1] -= 43  # the second fold has the first one's actions
    pairs = aslan.parse({"View2.mat": data.mat_bytes(shared)})
    assert "actions shared between folds" in aslan.deviations(pairs)
    assert len(pairs.shared_actions()) == 43


def test_every_published_count_is_checked():
    table = official_pairs()
    crowded = table.copy()
    crowded[:31, 3:, 0] = 1  # 31 same pairs of one action
    fewer = table.copy()
    fewer[0, 2, 0] = 0
    fewer[0, 4, 0] = 2
    for changed, deviation in (
        (crowded, "more than 30 same pairs of one action"),
        (fewer, "not 300 same pairs in every fold"),
    ):
        assert aslan.deviations(aslan.parse({"View2.mat": data.mat_bytes(changed)})) == (deviation,)


def as_csv(table, classes=True, name=str):
    rows = ["fold,id1,id2,same" + ",class1,class2" * classes]
    for fold in range(table.shape[2]):
        for one, two, same, a, b in table[:, :, fold].astype(int):
            cells = [fold + 1, name(one), name(two), same, *([f"action {a}", f"action {b}"] if classes else [])]
            rows.append(",".join(map(str, cells)))
    return "\r\n".join(rows).encode("utf-8-sig")


@pytest.mark.parametrize("name", [str, lambda n: f"{n:04d}"])
def test_csv_equals_mat(name):
    table = data.pair_table(folds=4)
    mat = aslan.parse({"x.mat": data.mat_bytes(table)})
    text = aslan.parse({"x.csv": as_csv(table, name=name)})
    assert (text.names, text.fold_names, text.numbered) == (mat.names, mat.fold_names, True)
    for part in ("fold", "first", "second", "same"):
        np.testing.assert_array_equal(getattr(text, part), getattr(mat, part))
    assert aslan.parse({"x.csv": as_csv(table, classes=False)}).actions is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [lines[0]], "the list of pairs is empty"),
        (lambda _: [], "the list is empty"),
        (lambda lines: ["a,b", *lines[1:]], "the header is 'a,b'"),
        (lambda lines: [*lines, "1,5"], "6 values are needed"),
        (lambda lines: [*lines, lines[1]], "is listed twice in fold 1"),
        (lambda lines: [*lines, "1,7,8,2,x,y"], "label '2' of a pair"),
        (lambda lines: [*lines, "1,7,80,1,x,y"], "'same' but its actions are x and y"),
        (lambda lines: [line for line in lines if line[0] in "f1"], "one fold only"),
        (lambda lines: [*lines, '1,"7,8,1,x,x'], "not CSV"),
        (lambda lines: [*lines, "1,5²,8,1,x,x"], "line 74: '5²' is not a number"),
        (lambda lines: [*lines, "²,5,8,1,x,x"], "line 74: '²' is not a number"),
        (lambda lines: [*lines, f"1,5,{10**19},1,x,x"], f"line 74: '{10**19}' is not a number of at most 18"),
        (lambda lines: [*lines, "1,7,007,1,x,x"], "the pair 7, 7 in fold 1 is a video with itself"),
    ],
)
def test_wrong_csv(change, message):
    lines = as_csv(data.pair_table(folds=3)).decode("utf-8-sig").split("\r\n")
    with pytest.raises(UserError, match=message) as caught:
        aslan.parse({"pairs.csv": "\n".join(change(lines)).encode()})
    assert caught.value.message.startswith("pairs.csv")
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (data.mat_bytes(np.zeros((4, 5, 2)), "something"), "no variable 'action_splits_pairs'"),
        (data.mat_bytes(np.zeros((4, 5))), "is 4 × 5, not pairs × 5 × folds"),
        (data.mat_bytes(np.zeros((4, 6, 2))), "is 4 × 6 × 2, not"),
        (data.mat_bytes(np.full((4, 5, 2), 0.5)), "not whole numbers"),
        (data.mat_bytes(np.full((4, 5, 2), np.nan)), "not whole numbers"),
        (data.mat_bytes(np.zeros((4, 5, 2))), "sample number 0"),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "a MATLAB 7.3 file"),
        (b"MATLAB 7.3 MAT-file, Platform" + bytes(600), "a MATLAB 7.3 file"),
        (b"not a mat file", "not a readable MATLAB file"),
        (data.mat_bytes(data.pair_table())[:900], "not a readable MATLAB file"),
    ],
)
def test_wrong_mat(content, message):
    with pytest.raises(UserError, match=message) as caught:
        aslan.parse({"View2.mat": content})
    assert caught.value.message.startswith("View2.mat: ")
    assert "\n" not in caught.value.message


def test_a_matlab_pair_of_a_video_with_itself_is_named():
    table = data.pair_table(folds=3)
    table[2, 1, 1] = table[2, 0, 1]
    pairs = aslan.parse({"View2.mat": data.mat_bytes(table)})
    number = int(table[2, 0, 1])
    said = f"the pair {number}, {number} in fold 2 is a video with itself"
    assert said in aslan.deviations(pairs)
    assert f"Pairs: {said}." in pairs.warnings()


def test_what_training_has_seen_is_warned_of():
    """Pairs in several folds; without classes also videos, which actions tell of otherwise."""
    table = data.pair_table(folds=3)
    assert aslan.parse({"x.mat": data.mat_bytes(table)}).warnings() == ()
    assert aslan.parse({"x.csv": as_csv(table, classes=False)}).warnings() == ()
    one, two = table[0, :2, 0].astype(int)
    lines = as_csv(table, classes=False).decode("utf-8-sig").split("\r\n")
    turned = "\n".join([*lines, f"3,{two},{one},1"]).encode()
    pairs, videos = aslan.parse({"x.csv": turned}).warnings()
    assert pairs.startswith(f"1 pair occurs in more than one fold (the first is {one}, {two})")
    assert videos.startswith(f"2 videos occur in more than one fold (the first is {one})")
    table[5, 2, 1] = 0
    (contradiction,) = aslan.parse({"x.mat": data.mat_bytes(table)}).warnings()
    assert "is 'not same' but its actions are" in contradiction


def test_damaged_mat_files_never_crash():
    """Any byte flipped, any length cut: parsed, or one clear error."""
    whole = bytearray(data.mat_bytes(data.pair_table(folds=3)))
    generator = np.random.default_rng(0)
    for _ in range(150):
        broken = whole[: generator.integers(1, len(whole))] if generator.random() < 0.5 else whole.copy()
        broken[generator.integers(0, min(len(broken), 400))] ^= int(generator.integers(1, 256))
        with contextlib.suppress(UserError):
            aslan.parse({"View2.mat": bytes(broken)})


def test_made_mat_files_do_not_hold_the_time(monkeypatch):
    """SciPy writes it into the header; with it, what a test damages would change from run to run."""
    table = data.pair_table(folds=3)
    early = data.mat_bytes(table)
    monkeypatch.setattr("time.asctime", lambda *_: "Thu Jan  1 00:00:00 1970")
    assert data.mat_bytes(table) == early


def test_read_official(tmp_path):
    (tmp_path / "mine.mat").write_bytes(data.mat_bytes(data.pair_table()))
    assert list(read_official("aslan", tmp_path / "mine.mat")) == ["mine.mat"]
    with pytest.raises(UserError, match="no such file or folder"):
        read_official("aslan", tmp_path / "absent.mat")
    with pytest.raises(UserError, match=r"classInd.txt: no such file"):
        read_official("ucf101", tmp_path)
    with pytest.raises(UserError, match="not a folder"):
        read_official("ucf101", tmp_path / "mine.mat")
    with pytest.raises(UserError, match="unknown dataset 'asian'"):
        read_official("asian", tmp_path)


def test_order_of_sources(tmp_path, monkeypatch):
    """Beside the store, the user's folder, embedded, the option: each wins over those before it."""
    protocol = PROTOCOLS.load("aslan")
    tables = [data.mat_bytes(data.pair_table(folds=folds)) for folds in (3, 4, 5, 6)]
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "user"))
    store = data.aslan_store(tmp_path, data.pair_table(folds=6))
    with pytest.raises(UserError) as caught:
        find_annotations(protocol, store, None)
    for place in ("--pairs", "embedded", str(tmp_path / "user" / "aslan"), str(tmp_path)):
        assert place in caught.value.message
    assert "ASLAN" in caught.value.hint

    (tmp_path / "View2.mat").write_bytes(tables[0])
    found = find_annotations(protocol, store, None)
    assert (found.files["View2.mat"], found.source) == (tables[0], str(tmp_path / "View2.mat"))
    (tmp_path / "user" / "aslan").mkdir(parents=True)
    (tmp_path / "user" / "aslan" / "View2.mat").write_bytes(tables[1])
    assert find_annotations(protocol, store, None).files["View2.mat"] == tables[1]
    embed_annotations(store.path, "aslan", {"View2.mat": tables[2]})
    store = type(store)(store.path)
    assert find_annotations(protocol, store, None).files["View2.mat"] == tables[2]
    (tmp_path / "given.mat").write_bytes(tables[3])
    found = find_annotations(protocol, store, tmp_path / "given.mat")
    assert found.files == {"given.mat": tables[3]}
    assert found.source == f"--pairs {tmp_path / 'given.mat'}"


def test_ucf101_needs_no_annotations(tmp_path, monkeypatch):
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "user"))
    assert find_annotations(PROTOCOLS.load("ucf101"), data.ucf_store(tmp_path), None) is None
