"""Another input than the network's own, in Python and on the command line."""

import inspect
import json

import h5py
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from p3d_eval.backbones import BACKBONES, Architecture, InputSpec, load_backbone
from p3d_eval.backbones.input_changes import change_input, describe_changes
from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.features import open_features
from tests.features.conftest import TINY
from tests.support.tiny import SPEC
from tests.support.videos import make_video, moving_frames

CHANGES = {
    "clip_length": 6,
    "frame_stride": 2,
    "resize": (20, 40),
    "crop": (12, 24),
    "mean": (0.1, 0.2, 0.3),
    "std": (0.5, 0.6, 0.7),
    "value_range": (-1.0, 1.0),
    "channel_order": "BGR",
}
WORDS = {
    "clip_length": ("--clip-length", "6"),
    "frame_stride": ("--frame-stride", "2"),
    "resize": ("--resize", "20x40"),
    "crop": ("--crop-size", "12X24"),
    "mean": ("--mean", "0.1,0.2,0.3"),
    "std": ("--std", "0.5, 0.6, 0.7"),
    "value_range": ("--value-range", "-1,1"),
    "channel_order": ("--channel-order", "bgr"),
}


def test_every_field_changes_alone():
    for name, value in CHANGES.items():
        changed = change_input(SPEC, {name: value})
        assert getattr(changed, name) == value
        assert describe_changes(SPEC, changed) == {
            name: {"own": SPEC.to_json()[name], "used": changed.to_json()[name]}
        }
    assert describe_changes(SPEC, change_input(SPEC, dict.fromkeys(CHANGES))) == {}
    assert list(describe_changes(SPEC, change_input(SPEC, CHANGES), ("mean", "crop"))) == [
        name for name in CHANGES if name not in ("mean", "crop")
    ]


def test_one_number_stands_for_all():
    changed = change_input(SPEC, {"mean": 0, "std": [2], "crop": 10})
    assert (changed.mean, changed.std, changed.crop) == ((0.0,) * 3, (2.0,) * 3, (10, 10))


def test_lists_of_a_file_become_what_the_specification_holds():
    changed = change_input(SPEC, {"resize": [20, 40], "crop": [12, 24], "value_range": [0, 2]})
    assert (changed.resize, changed.crop, changed.value_range) == ((20, 40), (12, 24), (0.0, 2.0))


def test_the_network_gets_what_was_asked_for():
    clip = torch.randint(
        0, 256, (1, 4, 18, 34, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    own = load_backbone(TINY)
    changed = own.with_input(mean=0, std=1, value_range=(0, 255), channel_order="BGR")
    # 18 × 34 is the size that the network resizes to: the centre crop of 16 × 32 is left as it is.
    expected = clip[0, :, 1:17, 1:33].flip(-1).permute(3, 0, 1, 2).float()
    assert torch.equal(changed.preprocess(clip)[0], expected)
    assert own.input_spec == SPEC
    assert changed.own_input == SPEC


def test_loading_takes_the_same_changes_and_hands_them_on():
    loaded = load_backbone(TINY, **CHANGES)
    changed = load_backbone(TINY).with_input(**CHANGES)
    assert loaded.input_spec == changed.input_spec == InputSpec(**CHANGES)
    again = load_backbone(**loaded.recipe)
    assert again.input_spec == loaded.input_spec
    assert again.own_input == loaded.own_input == SPEC


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"maen": 0}, "Did you mean mean"),
        ({"mean": (1, 2)}, "mean 1,2: not 3 numbers, or one for all"),
        ({"std": 0}, "std 0.0, 0.0, 0.0 is not positive"),
        ({"std": float("nan")}, "std nan"),
        ({"mean": "104"}, "not 3 numbers"),
        ({"value_range": (1, 1)}, "from 1 to 1"),
        ({"value_range": (0, 1, 2)}, "not 2 numbers"),
        ({"channel_order": "RBG"}, "unknown channel order"),
        ({"channel_order": "flow"}, "optical flow|Optical flow"),
        ({"crop": (100, 100)}, "does not fit into frames"),
        ({"crop": 0}, "crop 0, 0 is not positive"),
        ({"clip_length": 0}, "clip length 0 is not positive"),
        ({"resize": 0}, "does not fit"),
        ({"resize": "big"}, "resize big: not 2 numbers"),
        ({"resize": (40, 40, 40)}, "not 2 numbers"),
    ],
)
def test_what_does_not_fit_is_refused(changes, complaint):
    with pytest.raises(UserError, match=complaint):
        change_input(SPEC, changes)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name in ("a", "b"):
        make_video(folder / f"{name}.avi", moving_frames(12))
    return folder


def extract(videos, out, *words):
    given = ["extract", "--backbone", TINY, "--videos", videos, "--out", out, "--clips", 1, "--device", "cpu"]
    return CliRunner().invoke(app, [str(word) for word in [*given, *words]])


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_input_is_stored_and_another_extraction(videos, tmp_path, name):
    out = tmp_path / "f.h5"
    assert extract(videos, out, *WORDS[name]).exit_code == 0
    store = open_features(out)
    expected = change_input(SPEC, {name: CHANGES[name]})
    assert store.provenance["input_spec"] == store.identity_fields["input_spec"] == expected.to_json()
    assert store.provenance["input_changes"] == describe_changes(SPEC, expected)
    refused = extract(videos, out)
    assert refused.exit_code == 2
    assert name in refused.stderr.replace("input_spec.", "")
    again = extract(videos, out, *WORDS[name])
    assert again.exit_code == 0
    assert "nothing to do" in again.stderr


def test_python_and_the_command_line_give_the_same_numbers(videos, tmp_path):
    words = [word for pair in WORDS.values() for word in pair]
    assert extract(videos, tmp_path / "f.h5", *words, "--layers", "flat").exit_code == 0
    frames = np.stack(list(_frames(videos / "a.avi")))
    found = load_backbone(TINY, **CHANGES)
    clip = torch.from_numpy(frames[1:12:2])[
        None
    ]  # 6 frames, every second: of the starts 0 and 1 the middle is 1
    expected = found(clip, "flat")["flat"][0].numpy()
    np.testing.assert_allclose(open_features(tmp_path / "f.h5")["flat"][0], expected, rtol=1e-5, atol=1e-6)


def _frames(path):
    import av

    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--resize", "20x40x3"), "--resize '20x40x3' is no size in pixels"),
        (("--resize", "big"), "no size in pixels"),
        (("--crop-size", "-3"), "no size in pixels"),
        (("--mean", "a,b,c"), "--mean 'a,b,c' is no list of numbers"),
        (("--mean", "1,2"), "not 3 numbers"),
        (("--mean", "nan"), "mean nan"),
        (("--value-range", "5"), "not 2 numbers"),
        (("--channel-order", "RBG"), "Did you mean RGB"),
        (("--crop-size", "64"), "does not fit"),
    ],
)
def test_mistyped_words_are_refused_before_anything_is_written(videos, tmp_path, words, complaint):
    done = extract(videos, tmp_path / "f.h5", *words)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert not list(tmp_path.iterdir())


def test_results_warn_of_a_changed_input(tmp_path):
    for number in range(1, 17):
        for action in ("Wave", "Jump"):
            name = f"v_{action}_g{number:02}_c01.avi"
            make_video(tmp_path / "videos" / action / name, moving_frames(5))
    words = ("--layers", "pool5=flat", "--channel-order", "BGR", "--clip-length", 3)
    assert extract(tmp_path / "videos", tmp_path / "f.h5", *words).exit_code == 0
    done = CliRunner().invoke(
        app, f"ucf101 --features {tmp_path / 'f.h5'} --out {tmp_path / 'r.json'} -q".split()
    )
    assert done.exit_code == 0, done.output
    warnings = json.loads((tmp_path / "r.json").read_text())["warnings"]
    told = "The network saw another input than it states: channel order BGR (its own: RGB)."
    assert told in warnings


def test_a_damaged_record_of_changes_is_no_traceback(videos, tmp_path):
    out = tmp_path / "f.h5"
    assert extract(videos, out, "--channel-order", "BGR").exit_code == 0
    from p3d_eval.protocols.description import feature_warnings

    for damaged in ('"x"', '{"mean": 3}', '{"mean": {}}', "[]"):
        with h5py.File(out, "r+") as file:
            file["provenance"].attrs["input_changes"] = np.bytes_(damaged)
        assert len(feature_warnings(open_features(out))) <= 2


def test_no_network_has_an_option_with_the_name_of_a_parameter_of_loading():
    taken = set(inspect.signature(load_backbone).parameters)
    for name in BACKBONES.names():
        found = BACKBONES.load(name)
        if isinstance(found, Architecture):
            assert not taken & set(found.options), name


def test_how_frames_are_resized_may_be_changed(tmp_path):
    video = make_video(tmp_path / "videos" / "v.avi", moving_frames(6))
    out = tmp_path / "f.h5"
    words = (
        f"extract --backbone tests/support/tiny.py:factory --videos {video.parent} --out {out} --layers flat"
    )
    words += " --interpolation bicubic --antialias --clips 1 --workers 0 --device cpu --quiet"
    assert CliRunner().invoke(app, words.split()).exit_code == 0
    spec = open_features(out).provenance["input_spec"]
    assert (spec["interpolation"], spec["antialias"]) == ("bicubic", True)
    wrong = CliRunner().invoke(app, words.replace("bicubic", "cubic").split())
    assert (wrong.exit_code, "unknown interpolation 'cubic'" in wrong.stderr) == (2, True)
