import hashlib

import pytest

from p3d_eval.errors import P3DEvalError, UnknownNameError
from p3d_eval.reports.published_rows import PUBLISHED_TABLES, published_rows

# Counted in the tables of Qiu, Yao, Mei, ICCV 2017 (Table 3 with the FV-VAE row of section 5).
ROWS = {
    "table1_ucf101_variants": 5,
    "table2_sports1m": 7,
    "table3_ucf101": 17,
    "table4_activitynet": 5,
    "table5_aslan": 6,
    "table6_scenes": 5,
}


def by_method(name):
    return {row.method: row for row in published_rows(name)}


@pytest.mark.parametrize("name", PUBLISHED_TABLES)
def test_tables_are_whole(name):
    rows = published_rows(name)
    assert len(rows) == ROWS[name]
    assert all(row.source.startswith("P3D ") for row in rows)


def test_the_numbers_of_the_papers_own_network():
    """The P3D ResNet rows, read in the paper."""
    assert by_method("table1_ucf101_variants")["P3D ResNet"].percent == {"accuracy": 84.2}
    assert by_method("table1_ucf101_variants")["P3D ResNet"].quantities == {
        "model_size_mb": 98.0,
        "clips_per_second": 8.8,
    }
    # Table 1 gives ResNet-50's speed in frames, 15.0 of them a second.
    assert "clips_per_second" not in by_method("table1_ucf101_variants")["ResNet-50"].quantities
    assert by_method("table1_ucf101_variants")["ResNet-50"].quantities["frames_per_second"] == 15.0
    assert by_method("table2_sports1m")["P3D ResNet"].percent == {
        "clip_hit1": 47.9,
        "video_hit1": 66.4,
        "video_hit5": 87.4,
    }
    assert by_method("table3_ucf101")["P3D ResNet"].percent == {"accuracy": 88.6}
    assert by_method("table4_activitynet")["P3D ResNet"].percent == {"top1": 75.12, "top3": 87.71, "map": 78.86}
    assert by_method("table5_aslan")["P3D ResNet"].percent == {"accuracy": 80.8, "auc": 87.9}
    assert by_method("table6_scenes")["P3D ResNet"].percent == {"dynamic_scene": 94.6, "yupenn": 99.5}


def test_what_was_not_reported_is_absent():
    rows = by_method("table3_ucf101")
    assert rows["TSN"].percent == {"accuracy": 85.7, "accuracy_with_flow": 94.0}
    assert "accuracy_with_flow" not in rows["C3D"].percent
    assert rows["C3D"].group == "representation + linear SVM"


def test_every_number_of_every_table():
    """Digest of all numbers as compared with the paper's tables: whoever changes one must change it here."""
    text = repr([[(r.method, sorted(r.percent.items())) for r in published_rows(n)] for n in PUBLISHED_TABLES])
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "7bf22e0add5e7d14"


GOOD = "method,model,accuracy,auc,source\nC3D,linear,78.3,86.5,P3D Table 5\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("method,accuracy,auc,source\nC3D,78.3,86.5,x\n", "columns"),
        (GOOD + "C3D,linear,78.3,86.5,P3D Table 5\n", "line 3: C3D is there twice"),
        (GOOD.replace("78.3", "783"), "line 2: accuracy is 783.0, not a percentage"),
        (GOOD.replace("78.3", "-1"), "not a percentage"),
        (GOOD.replace("78.3", "seventy"), "accuracy is 'seventy', not a number"),
        (GOOD.replace("78.3", "nan"), "not a finite number"),
        (GOOD.replace("C3D,linear", ",linear"), "method is empty"),
        (GOOD.replace("P3D Table 5", ""), "source is empty"),
        (GOOD.replace("78.3,86.5", ","), "C3D has no number"),
        (GOOD + "MIP,metric\n", "line 3: not 5 fields"),
        (GOOD.splitlines()[0] + "\n", "no rows"),
    ],
)
def test_a_wrong_file_is_refused_where_it_is_wrong(tmp_path, text, complaint):
    (tmp_path / "table5_aslan.csv").write_text(text, encoding="utf-8")
    with pytest.raises(P3DEvalError, match=complaint):
        published_rows("table5_aslan", tmp_path)


def test_an_unknown_table_is_named():
    with pytest.raises(UnknownNameError, match="table7"):
        published_rows("table7_hmdb51")
