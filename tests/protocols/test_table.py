"""A user's own tables: what they may look like, and what is refused in one line."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from p3d_eval.errors import UserError
from p3d_eval.protocols.annotations.table import LabelledVideo, parse_videos


def test_videos_with_and_without_groups_and_splits():
    assert parse_videos("t.csv", b"id,label\na/b.avi,run\nc,walk\n") == (
        LabelledVideo("a/b.avi", "run", "a/b.avi"),
        LabelledVideo("c", "walk", "c"),
    )
    full = '\ufeffSplit, Label ,group,id\r\n\r\ntrain,run,g1,a\r\nTEST,"to walk, slowly",g2,"b,c"\r\n'
    assert parse_videos("t.csv", full.encode()) == (
        LabelledVideo("a", "run", "g1", "train"),
        LabelledVideo("b,c", "to walk, slowly", "g2", "test"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "t.csv: the table is empty"),
        (b"id,label\n", "t.csv: the table is empty"),
        (b"a,run\nb,walk\n", "the first line has no column 'id' but 'a,run'"),
        (b"id,label,grup\na,run,1\n", "unknown column of t.csv 'grup'"),
        (b"id,label,id\na,run,b\n", "the column 'id' stands twice"),
        (b"id,label\na\n", "t.csv, line 2: 1 value under 2 columns"),
        (b"id,label\n\na,\n", "t.csv, line 3: label is empty"),
        (b"id,label,split\na,run,val\n", "line 2: split 'val' is not train or test"),
        (b"id,label\na,run\na,walk\n", "line 3: 'a' stands in line 2 already"),
        (b'id,label\n"a,run\n', "not CSV"),
        (b"id,label\n\xff,run\n", "byte 9 is not UTF-8"),
    ],
)
def test_a_table_that_is_wrong(text, message):
    with pytest.raises(UserError, match=message):
        parse_videos("t.csv", text)


def refusal(data):
    """Return the message of the error that a table causes, or nothing."""
    try:
        parse_videos("t.csv", data)
    except UserError as error:
        return error.message
    return ""


@given(st.binary(max_size=80) | st.text("id,label\n\"'ab\r\0", max_size=60).map(str.encode))
@example(b'id,label\n"\0",b\n')
@example(b'"a\nb",label\n')
def test_nothing_but_user_errors(data):
    assert "\n" not in refusal(data)
