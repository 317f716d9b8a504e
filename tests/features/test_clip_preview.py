"""What ``p3d-eval preview`` draws is what the network gets."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from p3d_eval.backbones import Backbone, WeightsInfo, load_backbone
from p3d_eval.cli import app
from p3d_eval.errors import UserError
from p3d_eval.features.clip_preview import preview_clip
from p3d_eval.features.preview_sheet import draw_sheet
from tests.features.conftest import TINY
from tests.support.videos import make_video, numbered_frame, read_number

RED, GREEN, BLUE = (200, 30, 30), (30, 180, 40), (20, 40, 220)


def flags(count):
    """Frames in three vertical stripes: red, green and blue."""
    frame = np.zeros((18, 34, 3), np.uint8)
    for number, colour in enumerate((RED, GREEN, BLUE)):
        frame[:, 12 * number : 12 * (number + 1)] = colour
    return [frame] * count


@pytest.fixture(scope="module")
def striped(tmp_path_factory):
    """A video whose pixels come back as they were: a folder of numbered images."""
    folder = tmp_path_factory.mktemp("striped") / "flag"
    folder.mkdir()
    for number, frame in enumerate(flags(6)):
        Image.fromarray(frame).save(folder / f"{number:03}.png")
    return folder


def colours(picture):
    """Colour of each stripe of a cropped frame (16 × 32)."""
    return [tuple(int(value) for value in picture[8, column]) for column in (3, 16, 29)]


def test_the_numbers_are_those_that_extraction_gives_the_network(striped):
    backbone = load_backbone(TINY)
    found = preview_clip(backbone, striped)
    assert np.array_equal(found.frames, np.stack(flags(4)))
    assert found.numbers == (1, 2, 3, 4)  # of the starts 0, 1 and 2 the middle one
    expected = backbone.preprocess(torch.from_numpy(found.frames)[None])[0].numpy()
    assert np.array_equal(found.seen, expected)
    assert found.seen.shape == (3, 4, 16, 32)


def test_with_the_networks_own_input_the_picture_is_right(striped):
    found = preview_clip(load_backbone(TINY), striped)
    assert colours(found.meant()[0]) == [RED, GREEN, BLUE]
    assert found.outside() == 0


def test_exchanged_channels_show_as_the_network_finds_them(striped):
    found = preview_clip(load_backbone(TINY, channel_order="BGR", mean=0, std=1), striped)
    swapped = preview_clip(load_backbone(TINY).with_input(channel_order="BGR"), striped)
    assert [colour[::-1] for colour in colours(swapped.meant()[0])] == [RED, GREEN, BLUE]
    assert found.channels == ("B", "G", "R")


def test_a_missing_mean_leaves_the_range_of_colours(striped):
    found = preview_clip(load_backbone(TINY, mean=0), striped)
    # By hand: v / 255 / 0.2 stands for (v / 255 / 0.2) × 0.2 + 0.4 to the network: brighter by 0.4 × 255 = 102.
    assert colours(found.meant()[0])[1] == (30 + 102, 255, 40 + 153)
    assert found.outside() == pytest.approx(
        (found.seen * [[[[0.2]]], [[[0.3]]], [[[0.4]]]] > [[[[0.6]]], [[[0.5]]], [[[0.4]]]]).mean(), abs=1e-3
    )


def test_raw_numbers_are_stretched_between_their_ends(striped):
    found = preview_clip(load_backbone(TINY), striped)
    low, high = found.seen.min(), found.seen.max()
    expected = np.round((found.seen[:, 2, 8, 3] - low) / (high - low) * 255)
    assert found.raw()[2, 8, 3].tolist() == expected.tolist()
    assert (found.raw().min(), found.raw().max()) == (0, 255)


def test_statistics_by_channel(striped):
    found = preview_clip(load_backbone(TINY), striped).statistics()
    assert list(found) == ["0 (R)", "1 (G)", "2 (B)"]
    assert found["0 (R)"]["min"] == pytest.approx((20 / 255 - 0.4) / 0.2, rel=1e-5)
    assert found["2 (B)"]["max"] == pytest.approx((220 / 255 - 0.6) / 0.4, rel=1e-5)


def test_the_clip_asked_for_is_the_one_drawn(tmp_path):
    video = make_video(tmp_path / "v.avi", 20)
    backbone = load_backbone(TINY, frame_stride=2)
    found = preview_clip(backbone, video, clips=3, clip=3)
    # P = 20 − 7 + 1 = 14 starts: floor(5 · 14 / 6) = 11.
    assert found.numbers == (11, 13, 15, 17)
    assert [read_number(frame) for frame in found.frames] == [11, 13, 15, 17]


def test_the_box_is_what_the_crop_takes(tmp_path):
    video = make_video(tmp_path / "v.avi", [numbered_frame(0, 36, 64)] * 4)
    top, left, bottom, right = preview_clip(load_backbone(TINY), video).box
    # 36 × 64 → 18 × 34, crop 16 × 32: one pixel is left on every side of 18 × 34.
    assert (top, bottom) == pytest.approx((36 / 18, 36 - 36 / 18))
    assert (left, right) == pytest.approx((64 / 34, 64 - 64 / 34))


def test_the_sheet_has_every_frame_three_times(striped):
    found = preview_clip(load_backbone(TINY), striped)
    sheet = np.asarray(draw_sheet(found, "tiny"))
    meant = Image.fromarray(found.meant()[0]).resize((160, 80), Image.Resampling.NEAREST)
    raw = Image.fromarray(found.raw()[0]).resize((160, 80), Image.Resampling.NEAREST)
    for picture in (np.asarray(meant), np.asarray(raw)):
        windows = np.lib.stride_tricks.sliding_window_view(sheet, (1, 160, 3))[:, :, 0, 0]
        rows = (windows == picture[40]).all((2, 3)).sum()
        assert rows >= 4 * 80  # four frames, which are alike


def test_long_clips_are_thinned_out(tmp_path):
    video = make_video(tmp_path / "v.avi", 90)
    sheet = draw_sheet(preview_clip(load_backbone(TINY, clip_length=90), video), "tiny")
    assert sheet.height < 64 / 8 * 400


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_command_writes_a_sheet_and_says_what_is_in_it(striped, tmp_path):
    out = tmp_path / "sheet.png"
    words = ("preview", "--backbone", TINY, striped, "--out", out, "--channel-order", "BGR")
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["input_changes"] == {"channel_order": {"own": "RGB", "used": "BGR"}}
    assert list(told["channels"]) == ["0 (B)", "1 (G)", "2 (R)"]
    with Image.open(out) as sheet:
        assert sheet.format == "PNG"
    assert run(*words).exit_code == 2
    assert "channel" in run(*words, "--overwrite").stdout
    assert run(*words, "--overwrite", "--quiet").output == ""


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("absent.avi",), "absent.avi: no such file"),
        (("--clips", 2, "--clip", 3), "clip 3 of 2"),
        (("--clip", 0), "clip 0 of 1"),
        (("--out", "sheet.jpg"), "sheet.png"),
        (("--mean", "x"), "no list of numbers"),
        (("--crop-size", 999), "does not fit"),
    ],
)
def test_mistakes_write_nothing(striped, tmp_path, monkeypatch, words, complaint):
    monkeypatch.chdir(tmp_path)
    video = () if words[0] == "absent.avi" else (striped,)
    done = run("preview", "--backbone", TINY, *video, "--out", "sheet.png", *words)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_broken_video_is_one_line(tmp_path):
    broken = tmp_path / "broken.avi"
    broken.write_bytes(b"RIFF nothing of the kind")
    with pytest.raises(UserError, match=r"broken\.avi: cannot be decoded"):
        preview_clip(load_backbone(TINY), broken)


def test_what_a_network_does_not_state_is_the_users_to_say(striped):
    network = replace(load_backbone(TINY).network, unstated=("mean", "std"))
    silent = Backbone("silent", network, WeightsInfo("w", "0", False), torch.device("cpu"))
    found = preview_clip(silent.with_input(mean=0.5, std=0.25, channel_order="BGR"), striped)
    assert list(found.changes) == ["channel_order"]
    assert found.own.mean == (0.5,) * 3
    assert colours(found.meant()[0]) == [RED[::-1], GREEN[::-1], BLUE[::-1]]


def test_a_network_of_the_middle_frame_sees_no_other(tmp_path):
    video = make_video(tmp_path / "v.avi", 16)
    found = preview_clip(load_backbone("resnet50", crop=32, resize=32), video)
    assert found.numbers == (8,)
    assert read_number(found.frames[0]) == 8
    assert found.seen.shape == (3, 1, 32, 32)


def test_flow_is_refused(striped):
    with pytest.raises(UserError, match="takes optical flow"):
        preview_clip(load_backbone("p3d63", modality="flow"), striped)
