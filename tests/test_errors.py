"""The words of messages."""

from p3d_eval.errors import counted, shorten


def test_a_number_and_what_it_counts_agree():
    assert counted(1, "video") == "1 video"
    assert counted(0, "video") == "0 videos"
    assert counted(9537, "video") == "9537 videos"
    assert counted(1, "class is", "classes are") == "1 class is"
    assert counted(2, "class is", "classes are") == "2 classes are"


def test_long_lists_are_cut_and_counted():
    assert shorten("abc", 3) == "a, b, c"
    assert shorten("abcde", 2) == "a, b … and 3 more"
