"""Features made elsewhere come out of the store as NumPy had them."""

import hashlib
import os
import random

import numpy as np
import pytest

from p3d_eval.errors import UserError
from p3d_eval.features import open_features, write_store
from p3d_eval.features.importers import import_features
from p3d_eval.features.row_names import honest_name
from p3d_eval.protocols.description import feature_warnings

IDS = ["run/v_1", "run/v_2", "wave/v_3"]


@pytest.fixture
def values():
    return np.random.default_rng(5).normal(size=(3, 7)).astype(np.float32)


def test_a_folder_of_npy_files(tmp_path, values):
    for video, row in zip(IDS, values, strict=True):
        (tmp_path / "in" / video).parent.mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "in" / f"{video}.npy", row)
    out = import_features(tmp_path / "in", tmp_path / "o.h5", name="idt", layer="fv")
    store = open_features(out)
    assert store.ids == tuple(IDS)
    assert store.layers == ("fv",)
    assert store.label == "idt"
    np.testing.assert_array_equal(store["fv"], values)


def test_a_folder_of_npz_files_has_a_layer_for_each_key(tmp_path, values):
    maps = np.random.default_rng(6).normal(size=(3, 2, 3, 4)).astype(np.float32)
    (tmp_path / "in").mkdir()
    for number in range(3):
        np.savez(tmp_path / "in" / f"v{number}.npz", pool5=values[number], res5c=maps[number])
    store = open_features(import_features(tmp_path / "in", tmp_path / "o.h5", name="x"))
    assert set(store.layers) == {"pool5", "res5c"}
    assert (store.shape("res5c"), store.axes("res5c")) == ((2, 3, 4), "CHW")
    np.testing.assert_array_equal(store["pool5"], values)
    np.testing.assert_array_equal(store["res5c"], maps.reshape(3, -1))


def test_one_array_with_a_list_of_ids(tmp_path, values):
    np.save(tmp_path / "a.npy", values)
    (tmp_path / "ids.txt").write_text("\n".join(IDS) + "\n")
    annotations = {"aslan": {"View2.mat": b"raw"}}
    out = import_features(
        tmp_path / "a.npy", tmp_path / "o.h5", name="x", ids=tmp_path / "ids.txt", annotations=annotations
    )
    store = open_features(out)
    assert store.ids == tuple(IDS)
    np.testing.assert_array_equal(store["features"], values)
    assert store.annotations("aslan") == {"View2.mat": b"raw"}
    other = values.copy()
    other[0, 0] += 1
    np.save(tmp_path / "a.npy", other)
    again = import_features(tmp_path / "a.npy", tmp_path / "p.h5", name="x", ids=tmp_path / "ids.txt")
    assert open_features(again).identity != store.identity


def test_a_list_of_ids_that_cannot_be_read(tmp_path, values):
    np.save(tmp_path / "a.npy", values)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    for name, reason in (
        ("nowhere.txt", "no such file"),
        (".", "Is a directory"),
        ("picture.png", "not text: byte 0 is not UTF-8"),
    ):
        with pytest.raises(UserError) as caught:
            import_features(tmp_path / "a.npy", tmp_path / "o.h5", name="x", ids=tmp_path / name)
        assert caught.value.message == f"{tmp_path / name}: no list of ids ({reason})"
        assert caught.value.hint == "Give a text file, one id a line"


@pytest.mark.parametrize("header", ["", "video,a,b\n", "\ufeffid\n"])
def test_csv_with_and_without_a_header(tmp_path, header):
    path = tmp_path / "f.csv"
    path.write_text(f'{header}run/v_1,1.5,-2e-3\n\n"wave, big",0,4\n', encoding="utf-8")
    store = open_features(import_features(path, tmp_path / "o.h5", name="x", layer="l"))
    assert store.ids == ("run/v_1", "wave, big")
    np.testing.assert_array_equal(store["l"], np.array([[1.5, -2e-3], [0, 4]], np.float32))
    assert store.provenance["weights"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "header", ["id,0,1,2", ",0,1,2", "video,1,2,3", "Name, 0, 1, 2", "filename,0,1,2", "id,a,b,c"]
)
def test_a_header_that_numbers_its_columns_is_no_video(tmp_path, header):
    path = tmp_path / "f.csv"
    path.write_text(f"{header}\nv1,0,1,2\nv2,3,4,5\n")
    store = open_features(import_features(path, tmp_path / "o.h5", name="x", layer="l"))
    assert store.ids == ("v1", "v2")
    np.testing.assert_array_equal(store["l"], [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("line", ["v1,0,1", "v1,1", "v1,0.0,1.0,2.0", "v1,0,2,1"])
def test_a_video_with_small_numbers_is_no_header(tmp_path, line):
    path = tmp_path / "f.csv"
    path.write_text(f"{line}\n")
    assert open_features(import_features(path, tmp_path / "o.h5", name="x")).ids == ("v1",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line with an id and numbers"),
        ("id,a\n", "no line with an id and numbers"),
        ("v1,1,2\nv2,1\n", r"line 2, id 'v2': 1 numbers, 2 before"),
        ("v1,1,2\nv2,1,x\n", r"line 2, id 'v2': 'x' is not a number"),
        ("v1,1,y\nv2,1,2\n", r"line 1, id 'v1': 'y' is not a number"),
        ("v1,1\nv2,nan\n", r"f\.csv: line 2: layer 'l' of video 'v2' has NaN"),
        ("v1,1\n\nv1,2\n", r"f\.csv: line 3: duplicate video id 'v1', first at .*line 1"),
        ("v1,1\n,1\n", r"f\.csv: line 2: unusable video id ''"),
        ("v1,1e300\n", r"f\.csv: line 1: .*'v1'.* once it is stored as float32"),
        ("id,0.5,2\nv1,1,2\n", r"f\.csv: line 1 may be a header or the video 'id': 0\.5, 2"),
        (",3\nv1,1\n", r"f\.csv: line 1 may be a header or the video ''"),
        ("clip,0,1,2\nv1,1,2,3\n", r"f\.csv: line 1 may be a header or the video 'clip': 0, 1, 2"),
    ],
)
def test_csv_mistakes_name_line_and_id(tmp_path, text, message):
    (tmp_path / "f.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        import_features(tmp_path / "f.csv", tmp_path / "o.h5", name="x", layer="l")
    assert [path.name for path in tmp_path.iterdir()] == ["f.csv"]


def test_pickles_are_never_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("exploded").touch, ())

    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / "v.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match=r"v\.npy: cannot be read"):
        import_features(tmp_path / "in", tmp_path / "o.h5", name="x")
    assert not (tmp_path / "exploded").exists()


def test_mistakes_in_folders_and_arrays(tmp_path, values):
    folder = tmp_path / "in"
    folder.mkdir()
    out = tmp_path / "o.h5"
    with pytest.raises(UserError, match=r"no \.npy or \.npz"):
        import_features(folder, out, name="x")
    np.save(folder / "a.npy", values[0])
    np.save(folder / "b.npy", values[1, :5])
    with pytest.raises(UserError, match=r"b\.npy: 'b' has features 5, 'a' has features 7"):
        import_features(folder, out, name="x")
    np.save(folder / "b.npy", np.full(7, np.inf, np.float32))
    with pytest.raises(UserError, match="of video 'b' has NaN or infinite"):
        import_features(folder, out, name="x")
    np.savez(folder / "a.npz", features=values[0])
    with pytest.raises(UserError, match="two files have the id 'a'"):
        import_features(folder, out, name="x")
    np.save(tmp_path / "all.npy", values)
    with pytest.raises(UserError, match="--ids"):
        import_features(tmp_path / "all.npy", out, name="x")
    for text, message in (("a\nb\n", "ids in .*: 2"), ("a\nb\na\n", "duplicate id 'a'"), ("\n", "names no id")):
        (tmp_path / "ids.txt").write_text(text)
        with pytest.raises(UserError, match=message):
            import_features(tmp_path / "all.npy", out, name="x", ids=tmp_path / "ids.txt")
    (tmp_path / "broken.npy").write_bytes((tmp_path / "all.npy").read_bytes()[:-9])
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    with pytest.raises(UserError, match=r"broken\.npy: cannot be read"):
        import_features(tmp_path / "broken.npy", out, name="x", ids=tmp_path / "ids.txt")
    with pytest.raises(UserError, match="no such file"):
        import_features(tmp_path / "gone", out, name="x")
    assert not out.exists()


@pytest.mark.parametrize("dtype", ["foo", "int8", "complex64", ""])
def test_other_types_are_refused_before_anything_is_read(tmp_path, dtype):
    with pytest.raises(UserError, match=rf"(?s)unknown stored type '{dtype}'.*float16, float32, float64"):
        import_features(tmp_path / "gone", tmp_path / "new" / "o.h5", name="x", dtype=dtype)
    with pytest.raises(UserError, match="unknown stored type"):
        write_store(tmp_path / "new" / "o.h5", ["a"], {"x": [[1.0]]}, dtype=dtype)
    assert list(tmp_path.iterdir()) == []


def test_damaged_archives_are_the_users_error(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    np.savez_compressed(folder / "v.npz", x=np.zeros(5000))
    whole = (folder / "v.npz").read_bytes()
    chance = random.Random(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        (folder / "v.npz").write_bytes(damaged)
        try:
            import_features(folder, tmp_path / "o.h5", name="x", overwrite=True)
        except UserError:
            refused += 1
    assert refused > 50
    (folder / "v.npz").write_bytes(whole[:-30])
    with pytest.raises(UserError, match=r"v\.npz: cannot be read"):
        import_features(folder, tmp_path / "o.h5", name="x", overwrite=True)


def test_names_that_are_not_utf8_are_named(tmp_path):
    (tmp_path / "in").mkdir()
    np.save(tmp_path / "in" / os.fsdecode(b"v\xff.npy"), np.zeros(3))
    with pytest.raises(UserError, match=r"in: unusable video id 'v\\udcff': it is not UTF-8"):
        import_features(tmp_path / "in", tmp_path / "o.h5", name="x")


def test_probabilities_keep_their_tail(tmp_path):
    np.save(tmp_path / "m.npy", np.full((1, 2), 1e-8))
    (tmp_path / "ids.txt").write_text("v1\n")
    for layer, kept in (("prob", True), ("pool5", False)):
        out = import_features(
            tmp_path / "m.npy",
            tmp_path / f"{layer}.h5",
            name="x",
            layer=layer,
            ids=tmp_path / "ids.txt",
            dtype="float16",
        )
        assert bool(np.asarray(open_features(out)[layer]).all()) is kept


def test_the_name_of_a_known_network_is_only_a_statement(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((1, 3), np.float32))
    (tmp_path / "ids.txt").write_text("a\n")
    for name, label in (("p3d199", "p3d199 (as stated)"), ("idt", "idt")):
        out = import_features(tmp_path / "x.npy", tmp_path / f"{name}.h5", name=name, ids=tmp_path / "ids.txt")
        store = open_features(out)
        assert store.label == label
        assert honest_name("my row", store.provenance) == label.replace(name, "my row")
        assert store.provenance["backbone"] == name
        warned = [line for line in feature_warnings(store) if "importer states" in line]
        assert len(warned) == (name == "p3d199")
