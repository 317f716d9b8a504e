"""Names of annotation lists matched to ids."""

import pytest

from p3d_eval.errors import UserError
from p3d_eval.features.matching import match_ids, match_numbers, near_misses

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
    with pytest.raises(UserError, match="'x/v_1' and 'y/v_1' of the list both mean the video 'z/v_1'"):
        match_ids(["x/v_1", "y/v_1"], ["z/v_1"])
    # Namesakes that no name claims are not taken for it, be it only one of them.
    with pytest.raises(UserError, match="'forest/01' of the list matches several videos by name: beach/01, l"):
        match_ids(["beach/01", "forest/01"], ["beach/01", "lake/01"])
    # Which of the folders the list means cannot be told where it names none of them.
    with pytest.raises(UserError, match="matches several videos by name: beach/01, city/01"):
        match_ids(["forest/01"], ids)


def test_of_namesakes_the_one_below_a_further_folder_is_meant():
    ids = ["set/beach/01", "set/city/01", "set/beach/02", "set/city/02"]
    names = ["beach/01.mp4", "/data/set/city/02.mp4", "beach/02", "city/01"]
    found = ["set/beach/01", "set/city/02", "set/beach/02", "set/city/01"]
    assert match_ids(names, ids) == dict(zip(names, found, strict=True))
    assert match_ids(names, ids[1:]) == dict(zip(names, [None, *found[1:]], strict=True)), "one is missing"
    with pytest.raises(UserError, match="'each/01' of the list matches several videos"):
        match_ids(["each/01"], ids)


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


def test_what_differs_in_case_or_extension_is_offered_of_the_same_folder_alone():
    ids = ["beach/01", "city/01", "set/Forest/02"]
    assert near_misses(["Beach/01", "forest/01", "forest/02.wav"], ids) == {
        "Beach/01": "beach/01",
        "forest/02.wav": "set/Forest/02",
    }
    with pytest.raises(UserError, match="several videos") as refused:
        match_ids(["City/01"], ids)
    assert refused.value.hint == "Is 'city/01' meant? Case and extension must agree"
