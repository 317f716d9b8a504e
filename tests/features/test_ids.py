"""Ids of videos, and names of annotation lists matched to them."""

import os
from pathlib import Path

import pytest

from p3d_eval.errors import UserError
from p3d_eval.features.ids import list_videos


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
        ("a.avi\ngone.avi\n", "1 listed video not found: .*gone.avi"),
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


def test_a_folder_takes_no_other_root(tmp_path):
    _touch(tmp_path / "videos", "a.avi")
    with pytest.raises(UserError, match="is a folder, whose ids are relative to itself"):
        list_videos(tmp_path / "videos", tmp_path)
    assert [video.id for video in list_videos(tmp_path / "videos", tmp_path / "videos")] == ["a"]


def test_a_name_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "ok.avi").touch()
    (tmp_path / os.fsdecode(b"caf\xe9.avi")).touch()
    with pytest.raises(UserError, match=r"caf\\udce9\.avi' is not UTF-8"):
        list_videos(tmp_path)
