"""Rows that differ from the best one by more than chance: against `compare` itself, and against counting."""

from dataclasses import replace

import pytest

from p3d_eval.errors import UserError
from p3d_eval.protocols.paired_tests import holm
from p3d_eval.protocols.result import Metric
from p3d_eval.protocols.significance import compare
from p3d_eval.reports import Report, build_tables
from tests.support.results import aslan_result, scored_result

RESULTS = [
    scored_result("good", 40),
    scored_result("also", 38),
    scored_result("half", 20),
    scored_result("bad", 8),
]


def table_of(*results, **options):
    (table,) = build_tables(list(results), significance=True, published=False, **options)
    return table


def marked(table):
    return {row.label for row in table.rows if "°" in row.cells["accuracy"].marks}


def p_values(table):
    return {
        row.label: float(row.attributes["accuracy_p_value"])
        for row in table.rows
        if "accuracy_p_value" in row.attributes
    }


def test_the_marks_are_those_of_compare_after_holm():
    table = table_of(*RESULTS)
    raw = [compare([RESULTS[0], other]).comparisons[0].p_value for other in RESULTS[1:]]
    expected = dict(zip(("also", "half", "bad"), holm(raw), strict=True))
    assert p_values(table) == pytest.approx(expected, rel=1e-5)
    assert marked(table) == {label for label, p in expected.items() if p <= 0.05} == {"half", "bad"}


def test_classification_of_own_data_is_ranked_and_tested():
    own = [
        replace(one, protocol="custom", options={"task": "classification", "C": 1.0, "layer": "pool5"})
        for one in RESULTS
    ]
    table = table_of(*own)
    assert p_values(table) == p_values(table_of(*RESULTS))
    assert marked(table) == {"half", "bad"}
    assert [row.label for row in table.rows if row.cells["accuracy"].best] == ["good"]
    assert [row.label for row in table.rows if row.cells["accuracy"].second] == ["also"]


def test_a_plug_ins_table_says_that_nothing_was_tested():
    """Of its metrics nobody here knows which end is better: an error may be among them."""
    own = [replace(one, protocol="plugged-in") for one in RESULTS]
    table = table_of(*own)
    assert not table.has_best
    assert not marked(table)
    told = "Not tested: no column of this table is ranked."
    assert told in table.notes
    (usual,) = build_tables(own, published=False)
    assert told not in usual.notes


def test_p_of_one_pair_is_counted_by_hand():
    """Ten clusters differ, all one way: of 2^10 flips of signs two are as extreme."""
    table = table_of(RESULTS[0], RESULTS[2])
    assert p_values(table) == pytest.approx({"half": 2 / 2**10}, rel=1e-5)


def test_the_footnote_names_reference_level_correction_and_test():
    (note,) = [note for note in table_of(*RESULTS).footnotes if note.mark == "°"]
    assert note.text == (
        "differs from the best measured row of its column at p ≤ 0.05 after Holm's correction over the column "
        "(sign-flip over 20 clusters)"
    )


def test_against_a_row_of_ones_choice():
    table = table_of(*RESULTS, against="half")
    assert marked(table) == {"good", "also", "bad"}
    assert any(note.text.startswith("differs from half") for note in table.footnotes)
    assert "half" not in p_values(table)


def test_the_row_of_ones_choice_need_not_be_named_with_what_tables_add():
    results = [replace(one, label=f"{one.label} (random weights)") for one in RESULTS]
    table = table_of(*results, against="half")
    assert {label.partition(" ")[0] for label in marked(table)} == {"good", "also", "bad"}
    assert any(note.text.startswith("differs from half (random weights)") for note in table.footnotes)


def test_a_level_of_ones_own():
    assert marked(table_of(*RESULTS, alpha=1e-3)) == {"bad"}


def test_results_without_scores_are_said_to_be_untested():
    table = table_of(aslan_result("a", 0.8), aslan_result("b", 0.7, backbone="b"))
    assert not any("°" in cell.marks for row in table.rows for cell in row.cells.values())
    assert "Not tested in Accuracy (%), AUC (%): result 'a' carries no scores." in table.notes


def test_a_retrieval_is_not_tested_by_a_precision_that_its_scores_do_not_tell():
    """mAP over galleries is not the mean average precision of the scores' classes."""
    results = [
        replace(one, protocol="retrieval", metrics={"map": Metric(0.123)}, options={"dataset": "ucf101"})
        for one in RESULTS[:2]
    ]
    table = table_of(*results)
    assert any("its map, 12.3 %, is of rankings that its scores do not hold" in note for note in table.notes)
    assert not any("map_p_value" in row.attributes for row in table.rows)


def test_a_column_without_a_difference_says_so():
    table = table_of(*RESULTS[:2])
    assert not [note for note in table.footnotes if note.mark == "°"]
    assert (
        "Accuracy (%): no row is shown to differ from the best measured row of its column at p ≤ 0.05 after "
        "Holm's correction over the column (sign-flip over 20 clusters)."
    ) in table.notes


def test_the_first_neighbour_is_tested_as_the_accuracy_that_it_is():
    metrics = [{"r1": Metric(one.metrics["accuracy"].value)} for one in RESULTS]
    results = [
        replace(one, protocol="retrieval", metrics=own, options={"dataset": "ucf101"})
        for one, own in zip(RESULTS, metrics, strict=True)
    ]
    rows = {row.label: row.cells["r1"].marks for row in table_of(*results).rows}
    assert {label for label, marks in rows.items() if "°" in marks} == {"half", "bad"}


def test_scores_that_are_gone_are_told_and_leave_the_rest(tmp_path):
    for result in RESULTS:
        result.save(tmp_path / f"{result.label}.json")
    (tmp_path / "half.scores.npz").unlink()
    report = Report.of(tmp_path, published=False, significance=True)
    assert report.warnings == (f"{tmp_path / 'half.scores.npz'}: the scores of half.json are not there",)
    assert set(p_values(report.tables[0])) == {"also", "bad"}
    (tmp_path / "bad.scores.npz").unlink()
    (told,) = Report.of(tmp_path, published=False, significance=True).warnings
    assert (
        told
        == f"{tmp_path / 'bad.scores.npz'}: the scores of bad.json are not there, and so with 1 other result"
    )


def test_without_the_option_nothing_is_tested():
    (table,) = build_tables(RESULTS, published=False)
    assert not p_values(table)


def test_an_unknown_row_is_named():
    with pytest.raises(UserError, match="Did you mean half"):
        table_of(*RESULTS, against="hal")


def test_a_row_of_another_table_is_none_of_this_one():
    """The row stands in UCF101's table alone: HMDB51's says so, and is not refused."""
    other = replace(RESULTS[0], protocol="hmdb51", label="lonely")
    tables = build_tables([*RESULTS, other], published=False, significance=True, against="half")
    said = {table.protocol: "Not tested: no row here is called half." in table.notes for table in tables}
    assert said == {"ucf101": False, "hmdb51": True}
    with pytest.raises(UserError, match=r"Did you mean half\? Available: also, bad, good, half, lonely"):
        build_tables([*RESULTS, other], published=False, significance=True, against="hal")


def test_every_format_has_the_mark(tmp_path):
    for result in RESULTS:
        result.save(tmp_path / f"{result.label}.json")
    report = Report.of(tmp_path, published=False, significance=True)
    assert "50.0" in report.to_text()
    for drawn in (report.to_text(), report.to_markdown(), report.to_html()):
        assert "differs from the best measured row" in drawn
        assert "°" in drawn
    assert r"$^{\circ}$" in report.to_latex()
    assert report.to_frame().set_index("method").loc["half", "accuracy_p_value"] == "0.00390625"
