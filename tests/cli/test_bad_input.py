"""What goes wrong at the keyboard: each mistake gets one clear line, exit code 2, and loses nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from typer.testing import CliRunner

from p3d_eval.cli import app
from p3d_eval.features import open_features, write_store
from tests.support.videos import make_video

ROOT = Path(__file__).resolve().parents[2]

# A network small enough to run on a whole folder in a blink: four frames of 32 × 32.
TINY = """
import torch
from torch import nn
from p3d_eval.backbones import InputSpec, Network

def factory(width: int = 3):
    module = nn.Sequential()
    module.add_module("conv", nn.Conv3d(3, int(width), 1))
    module.add_module("relu", nn.ReLU())
    module.add_module("pool5", nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten()))
    spec = InputSpec(clip_length=4, resize=(40, 40), crop=(32, 32), mean=(0.0,) * 3, std=(1.0,) * 3)
    return Network(module, spec, layers=("relu", "pool5"), aslan_layers=("relu", "pool5"), random=True)

def other():
    return factory()

def slow():
    # It waits for a file named release as soon as a video of feats.h5 is stored.
    import time
    from pathlib import Path
    import h5py
    network = factory()
    def some_done():
        try:
            with h5py.File("feats.h5", locking=False) as file:
                return 1 in file["videos/status"][:]
        except (OSError, KeyError):
            return False
    def wait(_module, _inputs, output):
        bool(output.sum() > 0)  # what no graph can hold, so that this runs for every batch
        while some_done() and not Path("release").exists():
            time.sleep(0.05)
    network.module.conv.register_forward_hook(wait)
    return network
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P3D_EVAL_DATA", str(tmp_path / "data"))
    (tmp_path / "tiny.py").write_text(TINY)
    return tmp_path


@pytest.fixture
def videos(work):
    folder = work / "videos"
    for index in range(4):
        make_video(folder / "Wave" / f"v_Wave_g0{index + 1}_c01.avi", frames=6)
    return folder


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments, names):
    """Run a command that must fail as the user's mistake, in one or two lines that name every word."""
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    message = result.stderr[result.stderr.index("error: ") :]
    assert len(message.strip().splitlines()) <= 2, message
    for name in names:
        assert name in message, f"{name!r} is not in {message!r}"
    return result


def extract(videos, out="feats.h5", backbone="tiny.py:factory", *more):
    return ["extract", "--backbone", backbone, "--videos", videos, "--clips", 1, "--out", out, *more]


def ucf_ids(groups=(1, 2, 8, 9, 15, 16)):
    return [f"{c}/v_{c}_g{g:02}_c01" for c in ("Wave", "Jump") for g in groups]


@pytest.fixture
def store(work):
    rng = np.random.default_rng(0)
    ids = ucf_ids()
    write_store(
        work / "feats.h5",
        ids,
        {"pool5": rng.random((len(ids), 8)), "prob": rng.random((len(ids), 5))},
        provenance={"aslan_layers": ["pool5", "prob"]},
    )
    return work / "feats.h5"


# --- extraction -------------------------------------------------------------------------------------------


def test_unknown_backbone(videos):
    refused(*extract(videos, backbone="p3d19"), "--weights", "random", names=["p3d19", "p3d199"])


def test_unknown_layer(videos):
    refused(*extract(videos, "feats.h5", "tiny.py:factory", "--layers", "pool6"), names=["pool6", "pool5"])
    assert not Path("feats.h5").exists()


def test_empty_folder_and_empty_list(work):
    (work / "empty").mkdir()
    (work / "list.txt").write_text("\n")
    refused(*extract(work / "empty"), names=["empty"])
    refused(*extract(work / "list.txt"), names=["list.txt"])


def test_a_list_with_a_duplicate_id(videos):
    Path("list.txt").write_text("videos/Wave/v_Wave_g01_c01.avi\nvideos/Wave/v_Wave_g01_c01.avi\n")
    refused(*extract("list.txt"), names=["list.txt", "v_Wave_g01_c01"])


def test_a_list_with_a_video_that_is_not_there(videos):
    Path("list.txt").write_text("videos/Wave/v_Wave_g01_c01.avi\nvideos/Wave/v_Wave_g77_c01.avi\n")
    refused(*extract("list.txt"), names=["v_Wave_g77_c01"])


def test_an_output_that_cannot_be_written(videos):
    Path("file").touch()
    refused(*extract(videos, "file/feats.h5"), names=["file/feats.h5"])


def test_a_store_of_another_backbone_and_a_foreign_file_are_kept(videos):
    assert run(*extract(videos), "--quiet").exit_code == 0
    before = Path("feats.h5").read_bytes()
    refused(*extract(videos, "feats.h5", "tiny.py:other"), names=["feats.h5", "backbone", "tiny.py:other"])
    assert Path("feats.h5").read_bytes() == before
    Path("notes.h5").write_text("not features")
    refused(*extract(videos, "notes.h5"), names=["notes.h5"])
    assert Path("notes.h5").read_text() == "not features"


def test_the_same_command_again_does_nothing_and_overwrite_starts_afresh(videos):
    assert run(*extract(videos), "--quiet").exit_code == 0
    before = Path("feats.h5").read_bytes()
    again = run(*extract(videos))
    assert again.exit_code == 0
    assert Path("feats.h5").read_bytes() == before
    assert run(*extract(videos, "feats.h5", "tiny.py:factory", "--overwrite"), "--quiet").exit_code == 0


def test_a_broken_video_is_listed_and_the_run_goes_on(videos):
    (videos / "Wave" / "v_Wave_g05_c01.avi").write_bytes(b"RIFF of nothing")
    result = run(*extract(videos))
    assert result.exit_code == 3
    assert "v_Wave_g05_c01" in result.output
    shown = run("inspect", "feats.h5")
    assert "v_Wave_g05_c01" in shown.output
    with h5py.File("feats.h5") as file:
        assert len(file["videos/id"]) == 5


def test_a_checkpoint_for_another_network(videos):
    from safetensors.numpy import save_file

    save_file({"some.weight": np.zeros((2, 2), np.float32)}, "other.safetensors")
    result = refused(
        *extract(videos, backbone="p3d63"), "--weights", "other.safetensors", names=["other.safetensors"]
    )
    assert "weights convert" in result.stderr
    refused(*extract(videos, backbone="p3d63"), "--weights", "absent.safetensors", names=["absent.safetensors"])


def test_a_flow_network_is_refused_rgb_videos(videos):
    words = ("--weights", "random", "--option", "modality=flow")
    refused(*extract(videos, backbone="p3d63"), *words, names=["p3d63", "optical flow", "import"])


def test_extraction_without_weights_asks_for_them(videos):
    refused(*extract(videos, backbone="p3d63"), names=["p3d63", "--weights"])


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_ctrl_c_exits_130_and_the_same_command_finishes(videos):
    command = [sys.executable, "-m", "p3d_eval", *map(str, extract(videos, "feats.h5", "tiny.py:slow"))]
    command += ["--batch-size", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not _some_done(Path("feats.h5")):
        time.sleep(0.02)
    assert _some_done(Path("feats.h5"))
    decoders = _children(process.pid)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert decoders
    assert not any(Path(f"/proc/{child}/cmdline").exists() for child in decoders)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "interrupted" in errors
    refused("ucf101", "--features", "feats.h5", names=["feats.h5", "incomplete"])
    Path("release").touch()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert run("inspect", "feats.h5").exit_code == 0


def _children(pid: int) -> list[int]:
    """Process ids of a process's children, of all its threads."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for text in lists for child in text.read_text().split()]


def _some_done(path: Path) -> bool:
    """Whether a store under construction has a finished video (read while another process writes)."""
    try:
        with h5py.File(path, locking=False) as file:
            return bool(np.any(file["videos/status"][:] == 1))
    except (OSError, KeyError):
        return False


# --- stores -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ucf101", "aslan", "inspect"])
def test_absent_truncated_and_foreign_files(store, command):
    def with_file(path):
        return (command, path) if command == "inspect" else (command, "--features", path)

    refused(*with_file("absent.h5"), names=["absent.h5"])
    data = store.read_bytes()
    Path("short.h5").write_bytes(data[: len(data) // 2])
    refused(*with_file("short.h5"), names=["short.h5"])
    Path("text.h5").write_text("hello")
    refused(*with_file("text.h5"), names=["text.h5"])
    with h5py.File("foreign.h5", "w") as file:
        file["x"] = [1, 2]
    refused(*with_file("foreign.h5"), names=["foreign.h5"])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_inf_features_name_the_video(store, value):
    with h5py.File(store, "r+") as file:
        file["layers/pool5/mean"][3, 2] = value
    refused("ucf101", "--features", store, names=["feats.h5", "pool5", ucf_ids()[3]])


def test_an_unknown_layer_of_a_store(store):
    refused("ucf101", "--features", store, "--layer", "pool6", names=["pool6", "pool5"])


# --- protocols --------------------------------------------------------------------------------------------


def csv_pairs(ids):
    lines = ["fold,id1,id2,same"]
    for fold in (1, 2):
        lines += [
            f"{fold},{a},{b},{int(a.split('/')[0] == b.split('/')[0])}" for a in ids[::2] for b in ids[1::2]
        ]
    return "\n".join(lines) + "\n"


def test_negative_values_where_a_similarity_takes_a_root(store):
    Path("pairs.csv").write_text(csv_pairs(ucf_ids()))
    with h5py.File(store, "r+") as file:
        file["layers/pool5/mean"][3, 2] = -0.5
    refused("aslan", "--features", store, "--pairs", "pairs.csv", names=["pool5", "-0.5", "--negatives split"])


def test_a_mat_without_the_official_variable(store):
    scipy.io.savemat("View2.mat", {"pairs": np.zeros((6, 5, 2))})
    refused("aslan", "--features", store, "--pairs", "View2.mat", names=["View2.mat", "action_splits_pairs"])
    Path("View2.mat").write_bytes(b"garbage")
    refused("aslan", "--features", store, "--pairs", "View2.mat", names=["View2.mat"])


def test_no_pairs_anywhere_names_the_places_tried(store):
    refused("aslan", "--features", store, names=["View2.mat"])


def test_pairs_of_videos_that_the_store_lacks_are_counted_and_named(store):
    Path("pairs.csv").write_text(csv_pairs([*ucf_ids(), "Wave/v_Wave_g77_c01", "Jump/v_Jump_g77_c01"]))
    refused(
        "aslan", "--features", store, "--pairs", "pairs.csv", names=["2", "v_Wave_g77_c01", "--allow-missing"]
    )


def write_lists(folder, *, train_extra=(), test_extra=(), classes=("Jump", "Wave")):
    folder.mkdir(exist_ok=True)
    (folder / "classInd.txt").write_text("".join(f"{n} {c}\n" for n, c in enumerate(classes, 1)))
    for split, groups in enumerate((range(1, 8), range(8, 15), range(15, 22)), 1):
        test = [i for i in ucf_ids() if int(i.split("_g")[1][:2]) in groups]
        train = [i for i in ucf_ids() if i not in test]
        label = {c: n for n, c in enumerate(classes, 1)}
        train_lines = [f"{i}.avi {label.get(i.split('/')[0], 1)}" for i in train] + list(train_extra)
        (folder / f"trainlist0{split}.txt").write_text("\n".join(train_lines) + "\n")
        (folder / f"testlist0{split}.txt").write_text(
            "\n".join([f"{i}.avi" for i in test] + list(test_extra)) + "\n"
        )
    return folder


def test_lists_that_name_missing_videos_unknown_classes_and_duplicates(store, work):
    missing = write_lists(work / "missing", test_extra=["Wave/v_Wave_g77_c01.avi"])
    refused(
        "ucf101", "--features", store, "--splits", missing, names=["1", "v_Wave_g77_c01", "--allow-missing"]
    )
    unknown = write_lists(work / "unknown", test_extra=["Dance/v_Dance_g01_c01.avi"])
    refused("ucf101", "--features", store, "--splits", unknown, names=["Dance"])
    twice = write_lists(work / "twice", train_extra=[f"{ucf_ids()[0]}.avi 2"] * 2)
    refused("ucf101", "--features", store, "--splits", twice, names=["v_Wave_g01_c01"])
    empty = write_lists(work / "none")
    (empty / "testlist01.txt").write_text("\n")
    refused("ucf101", "--features", store, "--splits", empty, names=["testlist01.txt"])


def test_missing_videos_can_be_counted(store, work):
    missing = write_lists(work / "missing", test_extra=["Wave/v_Wave_g77_c01.avi"])
    result = run("ucf101", "--features", store, "--splits", missing, "--allow-missing", "wrong")
    assert result.exit_code == 0, result.output
    assert "12 of 13" in result.output


def test_an_existing_result_is_kept_without_overwrite(store):
    assert run("ucf101", "--features", store, "--out", "r.json", "--quiet").exit_code == 0
    before = Path("r.json").read_bytes()
    refused("ucf101", "--features", store, "--out", "r.json", names=["r.json", "--overwrite"])
    assert Path("r.json").read_bytes() == before
    assert run("ucf101", "--features", store, "--out", "r.json", "--overwrite", "--quiet").exit_code == 0


def test_reports_refuse_what_is_no_result(store, work):
    refused("report", "absent.json", names=["absent.json"])
    Path("broken.json").write_text("{")
    refused("report", "broken.json", names=["broken.json"])
    Path("other.json").write_text('{"a": 1}')
    refused("report", "other.json", names=["other.json"])


# --- inputs are never overwritten, nor passed over ----------------------------------------------------------


def test_overwrite_replaces_no_input(store, videos):
    before = store.read_bytes()
    refused("ucf101", "--features", store, "--out", store, "--overwrite", names=["feats.h5", ".json"])
    named = store.rename(store.with_suffix(".json"))
    refused("ucf101", "--features", named, "--out", named, "--overwrite", names=["feats.json", "feature file"])
    assert named.read_bytes() == before
    refused(*extract(videos, "tiny.py"), "--overwrite", names=["tiny.py", "not a feature file"])
    assert Path("tiny.py").read_text() == TINY
    Path("h.csv").write_text("a,0.5,0.25\n")
    refused("import", "h.csv", "--name", "x", "--out", "h.csv", "--overwrite", names=["h.csv"])
    assert Path("h.csv").read_text() == "a,0.5,0.25\n"


def test_a_folder_as_feature_file(store, work):
    refused("ucf101", "--features", work, names=["is a folder"])


def test_a_link_to_nothing_is_a_failed_video(videos):
    (videos / "Wave" / "v_Wave_g06_c01.avi").symlink_to("nowhere.avi")
    result = run(*extract(videos))
    assert result.exit_code == 3
    assert "v_Wave_g06_c01" in result.output


def test_random_weights_of_a_factory_are_labelled(videos):
    own = TINY.replace("random=True", "random=False").replace("width: int = 3", "width: int = 3, weights=None")
    Path("own.py").write_text(own)
    assert run(*extract(videos, "own.h5", "own.py:factory"), "--weights", "random", "--quiet").exit_code == 0
    assert open_features("own.h5").label.endswith("(random weights)")
    refused(*extract(videos, "x.h5", "own.py:factory"), "--weights", "absent.bin", names=["absent.bin"])


def test_ids_as_the_official_lists_write_them(work):
    np.save("m.npy", np.ones((2, 3)))
    Path("ids.txt").write_text("Wave/v_Wave_g01_c01.avi\nJump/v_Jump_g01_c01.avi\n")
    done = run("import", "m.npy", "--ids", "ids.txt", "--name", "idt", "--layer", "fv", "--out", "m.h5")
    assert done.exit_code == 0, done.output
    assert open_features("m.h5").ids == ("Wave/v_Wave_g01_c01", "Jump/v_Jump_g01_c01")


def test_an_option_called_like_one_of_load_backbone_is_no_bug(videos):
    import inspect

    from p3d_eval.backbones import load_backbone

    for name, parameter in inspect.signature(load_backbone).parameters.items():
        if parameter.kind is not parameter.VAR_KEYWORD:
            refused(*extract(videos, "feats.h5", "tiny.py:factory", "--option", f"{name}=1"), names=[name])
