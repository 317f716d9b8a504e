"""Ids of videos, and names of annotation lists matched to them."""

import os
from pathlib import Path

import pytest

from p3d_eval.errors import UserError
from p3d_eval.features.ids import list_videos, match_ids, match_numbers


def _touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def test_ids_of_a_folder_are_sorted_paths_without_extension(tmp_path):
    _touch(tmp_path, "b/v_2.avi", "a/x.y.mp4", "top.MKV", "b/notes.txt", "b/.hidden.avi", "noextension")
    assert [video.id for video in list_videos(tmp_path)] == ["a/x.y", "b/v_2", "top"]


def test_symbolic_links_are_followed_and_circles_are_not(tmp_path):
    inner = _touch(tmp_path / "elsewhere", "v.avi")
    videos = _touch(tmp_path / "videos", "own.avi")
    (videos / "linked").symlink_to(inner)
    (videos / "file.avi").symlink_to(inner / "v.avi")
    (videos / "round").symlink_to(videos)
    assert [video.id for video in list_videos(videos)] == ["file", "linked/v", "own"]


def test_one_id_with_two_extensions_names_both_files(tmp_path):
    _touch(tmp_path, "a/v.avi", "a/v.mp4")
    with pytest.raises(UserError, match=r"'a/v'.*v\.avi.*v\.mp4"):
        list_videos(tmp_path)


def test_a_list_keeps_its_order_and_is_relative_to_its_folder_or_root(tmp_path):
    _touch(tmp_path / "data", "b/2.avi", "a/1.avi")
    listing = tmp_path / "data" / "list.txt"
    listing.write_bytes(b"\xef\xbb\xbf# chosen\r\nb/2.avi\r\n\r\na/1.avi\r\n")
    found = list_videos(listing)
    assert [video.id for video in found] == ["b/2", "a/1"]
    assert all(video.path.is_file() for video in found)
    other = tmp_path / "other.txt"
    other.write_text(f"a/1.avi\n{tmp_path / 'data' / 'b' / '2.avi'}\n")
    assert [video.id for video in list_videos(other, tmp_path / "data")] == ["a/1", "b/2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no video"),
        ("# only remarks\n", "names no video"),
        ("a.avi\na.avi\n", "two videos have the id 'a'"),
        ("a.avi\ngone.avi\n", "1 listed videos do not exist: .*gone.avi"),
    ],
)
def test_unusable_lists(tmp_path, text, message):
    _touch(tmp_path, "a.avi")
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        list_videos(tmp_path / "list.txt")


def test_unusable_sources(tmp_path):
    (tmp_path / "binary").write_bytes(os.urandom(64) + b"\xff\xfe")
    (tmp_path / "empty").mkdir()
    for source, message in (("gone", "no such"), ("binary", "not UTF-8"), ("empty", "no videos")):
        with pytest.raises(UserError, match=message):
            list_videos(tmp_path / source)


IDS = ["run/v_a", "jump/v_b", "jump/c", "run/c", "v_dQw4w9WgXcQ", "--9hXiQ_dash", "x.y/file.v2"]


@pytest.mark.parametrize(
    ("name", "video"),
    [
        ("run/v_a", "run/v_a"),
        ("run/v_a.avi", "run/v_a"),
        ("elsewhere/v_a.mp4", "run/v_a"),
        ("v_b", "jump/v_b"),
        ("jump/c.avi", "jump/c"),
        ("dQw4w9WgXcQ", "v_dQw4w9WgXcQ"),
        ("v_--9hXiQ_dash", "--9hXiQ_dash"),
        ("x.y/file.v2", "x.y/file.v2"),
        ("nobody", None),
    ],
)
def test_names_match_by_path_then_by_unique_stem(name, video):
    assert match_ids([name], IDS) == {name: video}


def test_ambiguous_names_show_all_candidates():
    with pytest.raises(UserError, match=r"'c\.avi'.*jump/c, run/c"):
        match_ids(["c.avi"], IDS)
    with pytest.raises(UserError, match=r"'run/v_a' and 'v_a\.avi'.*'run/v_a'"):
        match_ids(["run/v_a", "v_a.avi"], IDS)


def test_a_missing_video_is_not_confused_with_its_namesakes_in_other_folders():
    ids = ["beach/01", "beach/02", "city/01", "city/02"]
    names = ["beach/01", "beach/02", "city/01.avi", "city/02", "forest/01"]
    assert match_ids(names, ids)["forest/01"] is None
    assert match_ids(names, ids[1:])["beach/01"] is None
    # Which of the folders the list means cannot be told where it names none of them.
    with pytest.raises(UserError, match="matches several videos by name: beach/01, city/01"):
        match_ids(["forest/01"], ids)


def test_numbers_match_the_last_group_of_exactly_four_digits():
    ids = ["aslan/clip_0007", "2011/x_1234_0042_99999", "y_12345", "z0100"]
    assert match_numbers([7, 42, 1234, 100, 2011], ids) == {
        7: "aslan/clip_0007",
        42: "2011/x_1234_0042_99999",
        1234: None,
        100: "z0100",
        2011: None,
    }
    with pytest.raises(UserError, match="sample 0007.*a/0007, b/0007"):
        match_numbers([7], ["a/0007", "b/0007"])


def test_a_name_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "ok.avi").touch()
    (tmp_path / os.fsdecode(b"caf\xe9.avi")).touch()
    with pytest.raises(UserError, match=r"caf\\udce9\.avi' is not UTF-8"):
        list_videos(tmp_path)
