"""Everything the command line does has a Python verb, and the verbs give what the commands print."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import p3d_eval as pe
from p3d_eval import cli
from p3d_eval.demo.annotations import samples, write_ucf101
from p3d_eval.demo.videos import video_path
from p3d_eval.errors import UserError
from p3d_eval.protocols import PROTOCOLS
from tests.support.videos import make_video, moving_frames

TINY = str(Path(__file__).parent / "support" / "tiny.py") + ":factory"

# Command → verbs; a protocol's command is `evaluate`.
VERBS = {
    "annotate": ("annotate",),
    "backbones": ("list_backbones", "describe_backbone"),
    "check-backbone": ("check_backbone",),
    "check-videos": ("check_videos",),
    "compare": ("compare",),
    "demo": (),  # runs commands, as a user would type them
    "extract": ("load_backbone", "extract"),
    "import": ("import_features",),
    "inspect": ("describe_features", "open_features"),
    "leaderboard": ("leaderboard",),
    "merge": ("merge_features",),
    "plot": ("plot",),
    "prepare": ("prepare",),
    "preview": ("preview",),
    "profile": ("profile",),
    "report": ("report",),
    "run": ("run_study", "prune_study"),
    "weights": ("list_weights", "describe_weights", "fetch_weights", "convert_weights", "inflate_weights"),
}


def run_json(*arguments):
    done = CliRunner().invoke(cli.app, [*map(str, arguments), "--json"])
    assert done.exit_code in (0, 3), done.output
    return json.loads(done.stdout)


def test_every_command_has_a_verb():
    commands = set(get_command(cli.app).list_commands(None)) - set(PROTOCOLS.names())
    assert commands == set(VERBS)
    assert {verb for verbs in VERBS.values() for verb in verbs} | {"evaluate", "__version__"} == set(pe.__all__)


def test_every_verb_is_there_and_explains_itself():
    for name in pe.__all__[1:]:
        assert callable(getattr(pe, name)), name
        assert getattr(pe, name).__doc__, name
    assert dir(pe) == sorted(pe.__all__)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for action in ("Run", "Swim"):
        for group in (1, 8):
            make_video(folder / action / f"v_{action}_g{group:02}_c01.avi", moving_frames(6))
    return folder


@pytest.fixture(scope="module")
def features(videos, tmp_path_factory):
    path = tmp_path_factory.mktemp("features") / "feats.h5"
    pe.extract(pe.load_backbone(TINY), videos, path, "pool5", clips=1, workers=0, batch_size=2, quiet=True)
    return path


def test_extract_adds_what_each_stage_took_to_a_file(videos, tmp_path):
    stages = tmp_path / "stages.txt"
    taken = {"clips": 1, "workers": 0, "batch_size": 2, "quiet": True, "profile": stages}
    pe.extract(pe.load_backbone(TINY), videos, tmp_path / "a.h5", "pool5", **taken)
    pe.extract(pe.load_backbone(TINY), videos, tmp_path / "b.h5", "pool5", **taken)
    titles = [line for line in stages.read_text().splitlines() if line.startswith("p3d-eval profile")]
    assert [title.split(",")[0].rpartition("/")[2] for title in titles] == ["a.h5", "b.h5"]
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(UserError, match=r"notes\.txt exists and holds no profiles"):
        pe.extract(pe.load_backbone(TINY), videos, tmp_path / "c.h5", "pool5", **taken | {"profile": notes})
    assert (notes.read_text(), (tmp_path / "c.h5").exists()) == ("mine", False)


def test_the_root_of_a_list_may_be_text(videos, tmp_path):
    (tmp_path / "list.txt").write_text("Run/v_Run_g01_c01.avi\n", encoding="utf-8")
    taken = {"clips": 1, "workers": 0, "root": str(videos), "quiet": True}
    store = pe.extract(pe.load_backbone(TINY), tmp_path / "list.txt", tmp_path / "a.h5", "pool5", **taken)
    assert list(store.ids) == ["Run/v_Run_g01_c01"]


def test_a_name_is_no_loaded_network(videos, tmp_path):
    for verb in (
        partial(pe.extract, videos=videos, out=tmp_path / "a.h5"),
        partial(pe.preview, video=next(videos.rglob("*.avi"))),
        pe.check_backbone,
        pe.profile,
    ):
        with pytest.raises(UserError) as caught:
            verb("p3d199-rgb")
        assert caught.value.message == "'p3d199-rgb' is a name, not a loaded network"
        assert caught.value.hint == "Load it first: backbone = pe.load_backbone('p3d199-rgb', weights=…)"
    with pytest.raises(UserError, match=r"a NoneType, not a loaded network"):
        pe.extract(None, videos, tmp_path / "a.h5")


def test_one_result_is_not_compared(features, tmp_path):
    result = pe.evaluate("scenes", features, tmp_path / "r.json")
    for one in (result, tmp_path / "r.json", str(tmp_path / "r.json"), [result]):
        with pytest.raises(UserError, match="two results or more"):
            pe.compare(one)


def test_a_number_is_no_layer(features):
    store = pe.open_features(features)
    for wrong in (3, None, slice(2)):
        with pytest.raises(UserError) as caught:
            store[wrong]
        assert caught.value.message == f"{features}: {wrong!r} is no name of a layer"
        assert caught.value.hint == "Name one of pool5: store['pool5'] has a row for each video"


def test_check_videos(videos, tmp_path):
    broken = tmp_path / "v.avi"
    broken.write_bytes(b"no video")
    make_video(tmp_path / "w.avi", moving_frames(6))
    checks = pe.check_videos(tmp_path, clip_length=4, workers=1, quiet=True)
    assert {check.id: check.status for check in checks} == {"v": "bad", "w": "good"}
    told = run_json("check-videos", tmp_path, "--clip-length", 4, "--workers", 1, "--quiet")
    assert told["videos"] == [check.to_json() for check in checks if check.status != "good"]


def test_prepare(tmp_path, monkeypatch):
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "data"))
    videos = tmp_path / "videos"
    make_video(video_path(videos, *samples()[0]), moving_frames(6))
    write_ucf101(tmp_path / "lists")
    out = tmp_path / "found.txt"
    found = pe.prepare("ucf101", tmp_path / "lists", videos, out)
    told = run_json("prepare", "ucf101", "--videos", videos)
    assert (told["expected"], told["missing"]) == (found.expected, list(found.missing))
    assert len(found.found) == 1
    assert out.is_file()
    with pytest.raises(UserError, match="exists"):
        pe.prepare("ucf101", videos=videos, out=out)
    with pytest.raises(UserError, match="the list is of videos"):
        pe.prepare("ucf101", out=tmp_path / "other.txt")


def test_shards_merge_into_the_whole(videos, features, tmp_path):
    backbone = pe.load_backbone(TINY)
    shards = [tmp_path / f"shard-{n}.h5" for n in (1, 2)]
    for place, shard in enumerate(shards, start=1):
        options = {"clips": 1, "workers": 0, "batch_size": 2, "shard": f"{place}/2", "quiet": True}
        pe.extract(backbone, videos, shard, "pool5", **options)
    merged = pe.merge_features(shards, tmp_path / "feats.h5", quiet=True)
    whole = pe.open_features(features)
    assert merged.ids == whole.ids
    assert np.array_equal(merged["pool5"][:], whole["pool5"][:])


def test_views_and_annotations_of_an_extraction(videos, tmp_path):
    write_ucf101(tmp_path / "lists")
    annotations = {"ucf101": tmp_path / "lists"}
    options = {"clips": 1, "workers": 0, "quiet": True, "crops": "3", "mirror": True}
    path = tmp_path / "f.h5"
    store = pe.extract(pe.load_backbone(TINY), videos, path, "pool5", annotations=annotations, **options)
    assert len(store.provenance["sampling"]["views"]) == 6
    assert list(store.embedded) == ["ucf101"]
    assert pe.describe_features(path) == run_json("inspect", path)


def test_import_and_annotate(tmp_path):
    write_ucf101(tmp_path / "lists")
    np.save(tmp_path / "fv.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "ids.txt").write_text("a\nb\nc\n", encoding="utf-8")
    out = tmp_path / "fv.h5"
    store = pe.import_features(tmp_path / "fv.npy", out, name="fv", layer="fv", ids=tmp_path / "ids.txt")
    assert store.ids == ("a", "b", "c")
    assert np.array_equal(store["fv"][:], np.eye(3))
    pe.annotate(out, "ucf101", tmp_path / "lists")
    assert "ucf101" in pe.open_features(out).embedded
    with pytest.raises(UserError, match="aslam"):
        pe.annotate(out, "aslam", tmp_path / "lists")


def test_networks_and_weights_are_described(tmp_path):
    listed = {row["name"]: row["summary"] for row in run_json("backbones")}
    assert pe.list_backbones() == listed
    assert pe.describe_backbone("p3d63").to_json() == run_json("backbones", "show", "p3d63")
    assert [weights.to_json() for weights in pe.list_weights()] == run_json("weights", "list")
    assert pe.describe_weights("i3d").backbone == "i3d"
    with pytest.raises(UserError, match="i4d"):
        pe.describe_weights("i4d")
    with pytest.raises(UserError, match="no-such"):
        pe.describe_weights(tmp_path / "no-such.safetensors")
    with pytest.raises(UserError, match="no-such"):
        pe.convert_weights(tmp_path / "no-such.pth", "p3d63", tmp_path / "out.safetensors")
    with pytest.raises(UserError, match="no-such"):
        pe.inflate_weights(tmp_path / "no-such.pth", "p3d63", tmp_path / "out.safetensors")
    with pytest.raises(UserError, match="i4d"):
        pe.fetch_weights("i4d")
