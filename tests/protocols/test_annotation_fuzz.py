"""Damaged annotation files of every data set: a UserError of one line, or a reading, and nothing else."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p3d_eval.errors import UserError
from p3d_eval.protocols.annotations import (
    activitynet,
    activitynet_predictions,
    aslan,
    aslan_view1,
    hmdb51,
    kinetics,
    sports1m,
    ssv2,
    table,
)
from p3d_eval.protocols.annotations.official import get_reader
from tests.support import protocol_data
from tests.support.annotation_files import all_files

FILES = all_files()
OTHERS = {
    "custom": (
        lambda content: table.parse_videos("t.csv", content),
        b'id,label,group,split\na/b,x,g1,train\nc,"y, z",g2,test\n',
    ),
    "pairs": (
        lambda content: aslan.parse({"pairs.csv": content}),
        b"fold,id1,id2,same,class1,class2\n1,1,2,1,a,a\n1,3,4,0,b,c\n2,5,6,1,d,d\n2,7,8,0,e,f\n",
    ),
    "View 1": (
        lambda content: aslan_view1.parse({"train_pairs.mat": content, "test_pairs.mat": VIEW_1}),
        (VIEW_1 := protocol_data.mat_bytes(protocol_data.pair_table(folds=2)[:, :, 0], "pairs")),
    ),
    "predictions": (
        lambda content: activitynet_predictions.parse("p.json", content, ["c", "d"], ["Ballet", "Archery"]),
        (
            b'{"version": "1", "results": {"c": [{"label": "Ballet", "score": 0.5}], '
            b'"v_d": [{"label": "Archery", "score": -1e3}]}, "external_data": {}}'
        ),
    ),
}
MAKERS = {
    "hmdb51": hmdb51.make_task,
    "activitynet": activitynet.make_task,
    "sports1m": sports1m.make_task,
    "kinetics400": lambda data: kinetics.make_task(data, ["3caPS4FHFF8"]),
    "ssv2": ssv2.make_task,
}

# What real files are damaged by, besides chance.
PIECES = [
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\r",
    b"\n\n",
    b"[" * 3000,
    b'"',
    b",",
    b" ",
    b"9" * 5000,
    b"NaN",
    b"1e999",
]
PIECES += [
    b"-1",
    b"{}",
    b"[]",
    b"null",
    b"\xed\xa0\x80",
    b"\\ud800",
    "²".encode(),
    b"../",
    b"\x85",
    b"\xe2\x80\xa8",
]

edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), st.one_of(st.sampled_from(PIECES), st.binary(max_size=6))),
    min_size=1,
    max_size=4,
)


def damage(content, changes):
    for where, length, piece in changes:
        start = int(where * len(content))
        content = content[:start] + piece + content[start + length :]
    return content


def harmless(read):
    """Read, and look at the complaint if there is one; whatever else is raised fails the test."""
    complaint = ""
    try:
        read()
    except UserError as error:
        complaint = error.message
    assert "\n" not in complaint
    assert complaint.encode() is not None


@pytest.mark.parametrize("dataset", sorted(FILES))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_damaged_files(dataset, data):
    files = dict(FILES[dataset])
    name = data.draw(st.sampled_from(sorted(files)))
    files[name] = damage(files[name], data.draw(edits))

    def read():
        parsed = get_reader(dataset).parse(files)
        if dataset in MAKERS:
            MAKERS[dataset](parsed)

    harmless(read)


@pytest.mark.parametrize("kind", sorted(OTHERS))
@settings(max_examples=100, deadline=None)
@given(edits)
def test_damaged_others(kind, changes):
    parse, content = OTHERS[kind]
    parse(content)
    harmless(lambda: parse(damage(content, changes)))


@pytest.mark.parametrize("dataset", sorted(FILES))
@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(dataset, content):
    harmless(lambda: get_reader(dataset).parse(dict.fromkeys(FILES[dataset], content)))
