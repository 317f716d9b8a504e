"""The commands extract, inspect and import, as a shell runs them."""

import json
import shutil

import numpy as np
import pytest

from p3d_eval.cli import app
from p3d_eval.features import open_features
from tests.features.conftest import LENGTHS, TINY


def run(capfd, *arguments: object) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, standard output and error."""
    with pytest.raises(SystemExit) as ended:
        app([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def extracting(videos, tmp_path):
    return [
        "extract",
        "--backbone",
        TINY,
        "--weights",
        "random",
        "--videos",
        videos,
        "--out",
        tmp_path / "f.h5",
    ]


def test_extract_then_inspect(capfd, extracting, tmp_path):
    code, out, err = run(capfd, *extracting, "--json", "--clips", "3", "--batch-size", "4")
    assert code == 0
    summary = json.loads(out)
    assert (summary["done"], summary["failed"]) == (4, {})
    assert "prob 5 float32, flat 6 float32, res 6×4×4×8 float32: 4" in err  # some 400 kB, before the start
    code, out, _ = run(capfd, "inspect", tmp_path / "f.h5", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["videos"] == {"expected": 4, "done": 4, "failed": 0}
    assert found["frames"] == sum(LENGTHS.values())
    assert found["clips"] == 12
    assert list(found["layers"]) == ["prob", "flat", "res"]
    assert found["provenance"]["sampling"] == {
        "kind": "uniform",
        "clip_length": 4,
        "frame_stride": 1,
        "clips": 3,
    }
    assert found["runs"][0]["videos"] == 4
    code, out, _ = run(capfd, "inspect", tmp_path / "f.h5")
    assert code == 0
    assert "complete: 4 of 4 videos done, 0 failed" in out
    code, _, err = run(capfd, *extracting, "--clips", "3")
    assert (code, "nothing to do" in err) == (0, True)


def test_broken_videos_give_exit_code_3(capfd, extracting, videos, tmp_path):
    shutil.copytree(videos, tmp_path / "v")
    (tmp_path / "v" / "broken.avi").write_bytes(b"x")
    extracting[extracting.index(videos)] = tmp_path / "v"
    code, out, err = run(capfd, *extracting, "--json")
    assert code == 3
    assert list(json.loads(out)["failed"]) == ["broken"]
    assert "4 of 5 videos done, 1 failed" in err
    assert "broken: cannot be decoded" in err
    code, out, err = run(capfd, *extracting, "--quiet")
    assert (code, out) == (3, "")
    assert err.startswith("1 of 5 videos failed: p3d-eval inspect ")  # an error, which --quiet does not hide
    _, out, _ = run(capfd, "inspect", tmp_path / "f.h5")
    assert "broken" in out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--backbone": "p3d19"}, "p3d199"),
        ({"--layers": "res5c"}, "unknown layer"),
        ({"--out": "/proc/none/f.h5"}, "cannot write"),
        ({"--videos": "/nowhere"}, "no such folder or list"),
        ({"--sampling": "dense"}, "unknown sampling 'dense'"),
        ({"--dtype": "int8"}, "unknown stored type 'int8'"),
        ({"--sampling": "sliding", "--clips": "3"}, "--clips 3 does not go with --sampling sliding"),
        ({"--clip-stride": "4"}, "--clip-stride 4 does not go with --sampling uniform"),
        ({"--layers": ""}, "the list of layers is empty"),
        ({"--workers": "-1"}, "--workers -1"),
        ({"--video-timeout": "-5"}, "--video-timeout -5"),
        ({"--decoder": "opencv"}, "unknown decoder 'opencv'"),
        ({"--option": "x"}, "not key=value"),
        ({"--dataset": "aslan"}, "1 --dataset and 0 --annotations"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_mistakes_are_one_line_and_exit_code_2(capfd, extracting, tmp_path, change, words):
    code, out, err = run(capfd, *extracting, *(word for pair in change.items() for word in pair))
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.strip().splitlines()) <= 2
    assert not (tmp_path / "f.h5").exists()


def test_import_names_its_row_and_layer(capfd, tmp_path):
    np.save(tmp_path / "fv.npy", np.eye(2, 3, dtype=np.float32))
    (tmp_path / "ids.txt").write_text("a\nb\n")
    arguments = ["import", tmp_path / "fv.npy", "--ids", tmp_path / "ids.txt", "--out", tmp_path / "f.h5"]
    code, out, _ = run(capfd, *arguments, "--name", "idt", "--layer", "fv", "--json")
    assert code == 0
    assert json.loads(out) == {"out": str(tmp_path / "f.h5"), "videos": 2, "layers": {"fv": [3]}}
    store = open_features(tmp_path / "f.h5")
    assert (store.label, store.layers) == ("idt", ("fv",))
    code, _, err = run(capfd, *arguments, "--name", "idt")
    assert code == 2
    assert "exists" in err


def test_profiles_are_added_up_in_a_file_of_their_own(capfd, extracting, tmp_path):
    profile = tmp_path / "profile.txt"
    code, out, _ = run(capfd, *extracting, "--profile", profile, "--json")
    assert code == 0
    stages = json.loads(out)["stages"]
    assert stages["network"] > 0
    assert stages["set up"] > 0
    run(capfd, *extracting, "--profile", profile)
    text = profile.read_text()
    assert text.count("p3d-eval profile") == 2
    assert "bottleneck: " in text
    assert "decode " in text
    code, _, err = run(capfd, *extracting, "--overwrite", "--profile", "-")
    assert code == 0
    assert "network waits" in err
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    code, _, err = run(capfd, *extracting, "--overwrite", "--profile", notes)
    assert (code, notes.read_text()) == (2, "mine")
    assert "notes.txt exists and holds no profiles" in err


def test_views_and_precision_are_recorded_and_part_of_the_identity(capfd, extracting, videos, tmp_path):
    code, _, _ = run(capfd, *extracting, "--clips", "1", "--layers", "flat", "--crops", "3", "--mirror")
    assert code == 0
    store = open_features(tmp_path / "f.h5")
    expected = [f"{crop}{end}" for end in ("", " mirrored") for crop in ("start", "centre", "end")]
    assert store.provenance["sampling"]["views"] == expected
    assert store.provenance["precision"] == "fp32"  # what auto is on a CPU
    again = [*extracting, "--clips", "1", "--layers", "flat"]
    code, _, err = run(capfd, *again, "--crops", "3", "--mirror", "--precision", "fp32", "--compile", "off")
    assert code == 0
    assert "nothing to do" in err
    code, _, err = run(capfd, *again, "--crops", "5")
    assert code == 2
    assert "another sampling.views" in err
    code, _, err = run(capfd, *again, "--precision", "fp16", "--device", "cpu")
    assert code == 2
    assert "precision fp16 needs a GPU" in err


def test_a_network_that_cannot_be_rewritten_is_told_of(capfd, videos, tmp_path):
    source = tmp_path / "random_net.py"
    source.write_text(
        "import torch\n"
        "from torch import nn\n"
        "from p3d_eval.backbones import InputSpec, Network\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.out = nn.Flatten()\n"
        "    def forward(self, x):\n"
        "        return self.out(x if x.sum() > 0 else -x)\n"
        "def make():\n"
        "    return Network(Net(), InputSpec(2, (4, 4), (4, 4), (0.0,) * 3, (1.0,) * 3), random=True)\n"
    )
    backbone = f"{source}:make"
    given = ["--videos", videos, "--out", tmp_path / "f.h5", "--layers", "out", "--clips", "2"]
    code, _, err = run(capfd, "extract", "--backbone", backbone, *given)
    assert code == 0
    assert err.count("runs as it is written") == 1
