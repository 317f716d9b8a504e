"""The store gives back what was written, and refuses what was not written by it."""

import pickle
import random
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import h5py
import numpy as np
import pytest

from p3d_eval.errors import UnknownNameError, UserError
from p3d_eval.features import embed_annotations, open_features, write_store
from p3d_eval.features.row_names import without_folder


def test_everything_comes_back(store_path, arrays):
    store = open_features(store_path)
    assert store.ids == tuple(f"c{i % 2}/v_{i}" for i in range(6))
    assert store.expected_ids == (*store.ids, "c1/broken")
    assert store.failed == {"c1/broken": "no video stream"}
    assert store.complete
    assert store.layers == ("res5c", "prob")
    assert store.shape("res5c") == (4, 3, 2)
    assert store.axes("res5c") == "CHW"
    assert store.classes == ("a", "b", "c", "d", "é")
    assert store.label == "i3d"
    assert store.annotations("aslan") == {"View2.mat": b"\0\1raw", "empty": b""}
    assert store.annotations("ucf101") is None
    assert len(store.runs) == 1


def test_a_layer_indexes_as_the_flat_array_does(store_path, arrays):
    flat = arrays["res5c"].reshape(6, -1)  # C order
    layer = open_features(store_path)["res5c"]
    keys = [
        0,
        -1,
        slice(None),
        slice(4, 1, -1),
        slice(2, 2),
        [3, 0, 3],
        np.array([True, False] * 3),
        (slice(None), 5),
        (2, 3),
        (slice(1, 4), slice(5, 9)),
        (slice(None), [7, 2, 7]),
        (slice(None), slice(3, 3)),
    ]
    for key in keys:
        np.testing.assert_array_equal(layer[key], flat[key], err_msg=str(key))
    np.testing.assert_array_equal(np.asarray(layer), flat)
    np.testing.assert_array_equal(layer.columns(4, 11), flat[:, 4:11])
    np.testing.assert_array_equal(layer.rows(["c1/v_5", "c0/v_0"]), flat[[5, 0]])
    assert layer.shape == (6, 24)
    with pytest.raises(IndexError):
        layer[6]


def test_the_label_says_random_weights(tmp_path):
    weights = {"source": "random", "sha256": "0", "random": True}
    path = write_store(
        tmp_path / "r.h5", ["a"], {"x": [[1.0]]}, backbone="p3d199", provenance={"weights": weights}
    )
    assert open_features(path).label == "p3d199 (random weights)"


def _read_in_child(store):
    return np.asarray(store["prob"]).sum(dtype=np.float64)


def test_a_store_travels_to_other_processes(store_path, arrays):
    store = open_features(store_path)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(store))["prob"][2], arrays["prob"][2])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(_read_in_child, store).result() == arrays["prob"].sum(dtype=np.float64)


def test_float16_is_read_as_float32(tmp_path, arrays):
    path = write_store(tmp_path / "h.h5", list("abcdef"), arrays, dtype="float16")
    layer = open_features(path)["res5c"]
    assert layer.dtype == np.float32
    np.testing.assert_array_equal(
        layer[:], arrays["res5c"].reshape(6, -1).astype(np.float16).astype(np.float32)
    )


@pytest.mark.parametrize("stored", ["float16", "float32"])
@pytest.mark.parametrize("wanted", [np.float32, np.float64])
def test_rows_are_written_where_they_are_wanted(tmp_path, arrays, stored, wanted):
    layer = open_features(write_store(tmp_path / "h.h5", list("abcdef"), arrays, dtype=stored))["res5c"]
    room = np.full((4, layer.shape[1] + 1), -1, wanted)
    out = room[1:, :-1]  # not in one piece
    assert layer.rows(["b", "e", "a"], out) is out
    np.testing.assert_array_equal(out, layer.rows(["b", "e", "a"]))
    assert (room[0] == -1).all()
    assert (room[:, -1] == -1).all()
    whole = np.full((2, layer.shape[1]), -1, wanted)
    np.testing.assert_array_equal(layer.rows(["c", "d"], whole), layer[2:4])
    np.testing.assert_array_equal(whole, layer[2:4])


def test_unknown_layers_and_ids_are_named(store_path):
    store = open_features(store_path)
    with pytest.raises(UnknownNameError, match=r"(?s)res5x.*res5c"):
        store["res5x"]
    with pytest.raises(UserError, match="no features of 2 videos: c1/broken, nobody"):
        store["prob"].rows(["c0/v_0", "c1/broken", "nobody"])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_name_file_dataset_and_id(store_path, value):
    with h5py.File(store_path, "r+") as file:
        file["layers/res5c/mean"][4, 1, 2, 0] = value
    layer = open_features(store_path)["res5c"]
    assert np.isfinite(layer[:4]).all()
    with pytest.raises(UserError, match=rf"{store_path}.*/layers/res5c/mean.*'c0/v_4'"):
        layer[:]


@pytest.mark.parametrize(
    ("ids", "layers", "message"),
    [
        (["a", "a"], {"x": np.zeros((2, 3))}, "duplicate video id 'a'"),
        (["a", "b"], {"x": np.zeros((3, 3))}, "'x' has 3 rows for 2 ids"),
        (["a", "b"], {"x": [[0, 1], [np.nan, 2]]}, "'x' of video 'b' has NaN"),
        (["a", "b"], {"x": np.array([["p"], ["q"]])}, "not numbers"),
        (["a"], {"x/y": np.zeros((1, 3))}, "layer name 'x/y'"),
        ([], {"x": np.zeros((0, 3))}, "no videos"),
        (["a"], {}, "no layers"),
    ],
)
def test_unusable_arrays_are_refused_and_nothing_is_left(tmp_path, ids, layers, message):
    with pytest.raises(UserError, match=message):
        write_store(tmp_path / "x.h5", ids, layers)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_replaced_only_when_asked(store_path):
    before = store_path.read_bytes()
    with pytest.raises(UserError, match="exists"):
        write_store(store_path, ["a"], {"x": [[1.0]]})
    with pytest.raises(UserError, match="'b' has NaN"):
        write_store(store_path, ["a", "b"], {"x": [[1.0], [np.nan]]}, overwrite=True)
    assert store_path.read_bytes() == before
    write_store(store_path, ["a"], {"x": [[1.0]]}, overwrite=True)
    assert open_features(store_path).ids == ("a",)


def test_a_store_opened_before_its_file_was_replaced_says_so(store_path):
    store = open_features(store_path)
    write_store(store_path, ["a"], {"res5c": [[1.0]]}, overwrite=True)
    with pytest.raises(UserError, match="replaced"):
        store["res5c"][:]


def test_embedding_adds_and_replaces_without_touching_features(store_path, arrays):
    identity = open_features(store_path).identity
    embed_annotations(store_path, "ucf101", {"classInd.txt": b"1 A\r\n"})
    with pytest.raises(
        UserError, match=r"(?s)other annotations of 'ucf101' already.*p3d-eval annotate .*--overwrite"
    ):
        embed_annotations(store_path, "ucf101", {"classInd.txt": b"2 B"})
    embed_annotations(store_path, "ucf101", {"classInd.txt": b"2 B"}, overwrite=True)
    store = open_features(store_path)
    assert store.annotations("ucf101") == {"classInd.txt": b"2 B"}
    assert store.annotations("aslan") is not None
    assert store.identity == identity
    np.testing.assert_array_equal(store["prob"], arrays["prob"])


@pytest.mark.parametrize("mode", [0o444, 0o640])
def test_embedding_keeps_a_files_mode(store_path, mode):
    store_path.chmod(mode)
    embed_annotations(store_path, "ucf101", {"list.txt": b"1"})
    assert store_path.stat().st_mode & 0o777 == mode
    assert open_features(store_path).annotations("ucf101") == {"list.txt": b"1"}


def test_embedding_the_same_files_again_is_no_mistake_and_no_work(store_path):
    before = (store_path.read_bytes(), store_path.stat().st_ino)
    for overwrite in (False, True):
        embed_annotations(store_path, "aslan", {"View2.mat": b"\0\1raw", "empty": b""}, overwrite)
    assert (store_path.read_bytes(), store_path.stat().st_ino) == before
    with pytest.raises(UserError, match="other annotations of 'aslan'"):
        embed_annotations(store_path, "aslan", {"View2.mat": b"\0\1raw"})


def test_embedding_through_a_link_keeps_the_link(tmp_path, store_path):
    link = tmp_path / "link.h5"
    link.symlink_to(store_path)
    embed_annotations(link, "ucf101", {"classInd.txt": b"1 A"})
    assert link.is_symlink()
    assert open_features(store_path).annotations("ucf101") == {"classInd.txt": b"1 A"}


def _delete(name):
    return lambda file: file.__delitem__(name)


def _replace(name, value):
    def change(file):
        del file[name]
        file[name] = value

    return change


def _attribute(where, name, value):
    return lambda file: file[where].attrs.__setitem__(name, value)


DAMAGE = [
    (_delete("videos/id"), "/videos/id is missing"),
    (_delete("layers"), "'layers' is missing"),
    (_delete("layers/prob/mean"), "/layers/prob/mean is missing"),
    (_delete("provenance"), "'provenance' is missing"),
    (lambda file: file["provenance"].attrs.__delitem__("weights"), "'weights' of /provenance is missing"),
    (lambda file: file["layers/prob"].attrs.__delitem__("axes"), "'axes' of /layers/prob is missing"),
    (lambda file: file.attrs.__delitem__("format"), "not a feature file"),
    (_attribute("/", "schema_version", 99), "schema version 99"),
    (_attribute("provenance", "weights", np.bytes_(b"{oops")), "not JSON"),
    (
        _attribute("provenance", "aslan_layers", np.bytes_(b"null")),
        "'aslan_layers' of /provenance is not a list",
    ),
    (
        _attribute("provenance", "aslan_layers", np.bytes_(b"[1]")),
        "'aslan_layers' of /provenance is not a list of",
    ),
    (_attribute("identity", "backbone", np.bytes_(b'"other"')), "does not belong to its fields"),
    (_attribute("layers/prob", "axes", np.bytes_(b"CHW")), "/layers/prob/mean has 2 axes"),
    (_replace("layers/prob/mean", np.zeros((5, 5), "f4")), "5 rows where 7 are due"),
    (_replace("layers/prob/mean", np.zeros((7, 5), "i4")), "2 axes of int32"),
    (_replace("videos/status", np.zeros(3, "u1")), "/videos/status has 3 rows"),
    (_replace("videos/status", np.full(7, 9, "u1")), "/videos/status of video 'c0/v_0' is 9"),
    (lambda file: file["videos/id"].__setitem__(1, b"c0/v_0"), "'c0/v_0' more than once"),
    (lambda file: file["videos/id"].__setitem__(1, b"\xff\xfe"), "not UTF-8"),
    (lambda file: file["videos/id"].__setitem__(1, b""), "an empty id"),
]


@pytest.mark.parametrize(("change", "message"), DAMAGE, ids=[message for _, message in DAMAGE])
def test_damage_is_one_line_that_names_the_file(store_path, change, message):
    with h5py.File(store_path, "r+") as file:
        change(file)
    with pytest.raises(UserError) as caught:
        open_features(store_path)
    assert message in caught.value.message
    assert str(store_path) in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["layers/prob/mean", "layers/prob", "videos/id", "complete", "provenance"])
@pytest.mark.parametrize("soft", [False, True])
def test_links_to_other_files_are_refused(tmp_path, store_path, arrays, name, soft):
    shutil.copyfile(store_path, tmp_path / "other.h5")
    with h5py.File(store_path, "r+") as file:
        del file[name]
        if soft:
            file["away"] = h5py.ExternalLink("other.h5", "/")
            file[name] = h5py.SoftLink(f"/away/{name}")
        else:
            file[name] = h5py.ExternalLink("other.h5", f"/{name}")
    with pytest.raises(UserError, match=f"feats.h5: .*{name} is a link to another file"):
        open_features(store_path)


def test_compressed_layers_are_refused_with_the_way_out(store_path, arrays):
    with h5py.File(store_path, "r+") as file:
        del file["layers/prob/mean"]
        file["layers/prob"].create_dataset("mean", data=np.zeros((7, 5), "f4"), compression="gzip")
    with pytest.raises(UserError, match=r"(?s)not stored contiguously.*h5repack"):
        open_features(store_path)


def test_foreign_and_missing_files(tmp_path):
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["data"] = np.zeros(3)
    (tmp_path / "text.h5").write_text("features")
    (tmp_path / "empty.h5").touch()
    for name, message in (
        ("foreign.h5", "not a feature file"),
        ("text.h5", "not an HDF5 file"),
        ("empty.h5", "not an HDF5 file"),
        ("gone.h5", "no such feature file"),
        (".", "is a folder, not a feature file"),
    ):
        with pytest.raises(UserError, match=message):
            open_features(tmp_path / name)


def test_truncated_files_are_user_errors_or_still_whole(store_path, arrays):
    content = store_path.read_bytes()
    cuts = random.Random(0).sample(range(len(content)), 60)
    for cut in [1, 100, len(content) - 1, *cuts]:
        store_path.write_bytes(content[:cut])
        with pytest.raises(UserError):
            open_features(store_path)


def test_flipped_bytes_never_give_other_errors(store_path):
    content = store_path.read_bytes()
    chance = random.Random(1)
    places = [p for p in range(len(content)) if content[p]]  # most of the file is empty /runs
    for _ in range(150):
        damaged = bytearray(content)
        for place in chance.sample(places, 3):
            damaged[place] ^= 1 << chance.randrange(8)
        store_path.write_bytes(damaged)
        try:
            store = open_features(store_path)
            for layer in store.layers:
                store[layer][:]
            store.annotations("aslan")
        except UserError:
            pass


@pytest.mark.parametrize(
    ("backbone", "label"),
    [
        ("/home/me/net.py:make", "net.py:make"),
        ("models/net.onnx", "net.onnx"),
        ("timm:resnet50", "timm:resnet50"),
        ("hf:MCG-NJU/videomae-base", "hf:MCG-NJU/videomae-base"),
    ],
)
def test_labels_leave_out_folders(backbone, label):
    assert without_folder(backbone) == label
