"""Which rows stand beside which, which difference is printed, and which value is the best."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p3d_eval.errors import UserError
from p3d_eval.protocols.result import Certificate, Metric, Variant
from p3d_eval.reports import Failed, build_tables
from tests.support.results import aslan_result, ucf101_result


def table_of(*results, **options):
    (table,) = build_tables(list(results), **options)
    return table


def rows(table):
    return {row.label: row for row in table.rows}


def best(table, key):
    return {row.label for row in table.rows if key in row.cells and row.cells[key].best}


def remarks(table, label):
    texts = {note.mark: note.text for note in table.footnotes}
    return [texts[mark] for mark in rows(table)[label].marks]


def test_an_official_complete_row_gets_its_difference_to_the_paper():
    table = table_of(aslan_result(accuracy=0.815, auc=0.875))
    cells = rows(table)["p3d199"].cells
    assert cells["accuracy_difference"].value == pytest.approx(81.5 - 80.8)
    assert cells["auc_difference"].value == pytest.approx(87.5 - 87.9)
    assert cells["accuracy_difference"].shown == "+0.7"
    assert cells["auc_difference"].shown == "-0.4"
    assert rows(table)["p3d199"].attributes["compared_with"] == "P3D ResNet"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (ucf101_result(official=False), "not the official splits"),
        (ucf101_result(missing=("a", "b")), "13318 of 13320 videos"),
        (ucf101_result(splits=1), "1 of 3 splits"),
        (ucf101_result(random=True), "random weights"),
        (ucf101_result(gap=1e-3), "not converged"),
        (
            ucf101_result(certificates=(Certificate("split 1", "LinearSVC", 0.5, 0.9, 101),)),
            "solved to a relative duality gap of 0.9 only",
        ),
        (aslan_result(official=False), "not the official pairs"),
    ],
)
def test_any_obstacle_leaves_the_published_rows_for_reference_only(result, reason):
    table = table_of(result)
    row = rows(table)["p3d199"]
    assert not [key for key in row.cells if key.endswith("_difference")]
    assert not [column for column in table.columns if column.key.endswith("_difference")]
    published = [group for group in table.groups if group.rows[0].kind == "published"]
    assert published
    assert all(group.heading.startswith("published, for reference only") for group in published)
    assert not any(cell.best for group in published for row in group.rows for cell in row.cells.values())
    assert any(reason in remark for remark in remarks(table, "p3d199"))


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": "p3d63"},
        {"backbone": "i3d"},
        {"features": {"backbone": "p3d199", "options": {"variant": "A"}}},
    ],
)
def test_a_network_without_a_published_row_gets_no_difference(changes):
    row = rows(table_of(ucf101_result("mine", **changes)))["mine"]
    assert "accuracy_difference" not in row.cells


def test_the_best_is_sought_among_comparable_rows_only():
    """87.0 loses to the paper's own 90.5; fusion with IDT (93.7) and fine-tuning are other settings."""
    assert best(table_of(ucf101_result(accuracy=0.87)), "accuracy") == {"P3D ResNet (FV-VAE on res5c)"}
    assert best(table_of(ucf101_result(accuracy=0.911)), "accuracy") == {"p3d199"}


def test_reference_rows_never_compete():
    trained = aslan_result("i3d", 0.612, 0.655, backbone="i3d", official=False)
    untrained = aslan_result("p3d199 (random weights)", 0.55, 0.58, random=True, official=False)
    table = table_of(trained, untrained)
    assert best(table, "accuracy") == best(table, "auc") == {"i3d"}


def test_a_single_row_is_not_the_best_of_anything():
    assert not table_of(aslan_result(official=False)).has_best


def test_an_unconverged_row_is_never_the_best_and_stands_out():
    good = ucf101_result("good", 0.5, official=False)
    fine = ucf101_result("fine", 0.4, official=False)
    wrong = ucf101_result("wrong", 0.9, official=False, gap=1.5e-2)
    table = table_of(good, fine, wrong)
    assert best(table, "accuracy") == {"good"}
    loud = [note for note in table.footnotes if note.loud]
    assert [note.mark for note in loud] == ["†"]
    assert loud[0].text == "NOT CONVERGED, do not quote: wrong (split 2: relative gap 1.5e-02 > 1e-06)"
    assert rows(table)["wrong"].marks[0] == "†"
    assert "†" not in rows(table)["good"].marks
    assert rows(table)["wrong"].attributes["converged"] == "false"


def test_rows_on_different_videos_are_not_ranked():
    table = table_of(
        ucf101_result("a", 0.5, official=False, annotations="1" * 64),
        ucf101_result("b", 0.6, official=False, annotations="2" * 64),
    )
    assert not table.has_best
    assert any("none is marked best" in note for note in table.notes)


def test_ties_at_the_printed_precision_share_the_mark():
    table = table_of(
        ucf101_result("a", 0.50001, official=False),
        ucf101_result("b", 0.50004, official=False),
        ucf101_result("c", 0.4994, official=False),
    )
    assert best(table, "accuracy") == {"a", "b"}


def test_comparable_rows_come_first_and_others_are_set_apart():
    table = table_of(ucf101_result("mine", missing=("x",)), ucf101_result("p3d199", 0.88))
    assert [group.heading for group in table.groups] == [
        "measured",
        "measured, not comparable with the published rows",
        "published: representation + linear SVM",
        "published: end-to-end fine-tuning",
        "published: fusion with IDT",
    ]
    assert [row.label for row in table.groups[1].rows] == ["mine"]
    assert "13319 of 13320 videos; 1 missing, counted as wrong" in remarks(table, "mine")


def test_only_measured_rows_on_request():
    table = table_of(aslan_result(), published=False)
    assert {row.kind for row in table.rows} == {"measured"}
    assert rows(table)["p3d199"].cells["accuracy_difference"].shown == "+0.0"


def test_one_table_for_each_protocol_in_order_of_appearance():
    tables = build_tables([aslan_result(), ucf101_result(), aslan_result("other")])
    assert [table.protocol for table in tables] == ["aslan", "ucf101"]
    assert [row.label for row in tables[0].groups[0].rows] == ["p3d199", "other"]


def test_an_unknown_protocol_shows_its_metrics_without_ranking():
    one = ucf101_result("a", protocol="mine", metrics={"error_rate": Metric(0.25)})
    two = ucf101_result("b", protocol="mine", metrics={"error_rate": Metric(0.5)})
    table = table_of(one, two)
    assert [column.heading for column in table.columns] == ["error rate (%)"]
    assert rows(table)["a"].cells["error_rate"].shown == "25.0"
    assert not table.has_best
    assert not table.footnotes


def test_results_that_share_a_label_are_told_apart_by_their_options():
    table = table_of(
        ucf101_result("i3d", options={"C": 1.0, "layer": "pool5"}),
        ucf101_result("i3d", options={"C": 10.0, "layer": "pool5"}),
        ucf101_result("other"),
    )
    assert set(rows(table)) >= {"i3d", "i3d (C=10)", "other"}


def test_results_that_differ_in_no_option_are_told_apart_by_their_ids():
    one = ucf101_result("i3d")
    two = replace(one, features={**one.features, "identity": "another store"})
    labels = {row.label for row in table_of(one, two).groups[0].rows}
    assert labels == {f"i3d [{one.result_id[:8]}]", f"i3d [{two.result_id[:8]}]"}


def test_options_that_are_not_the_defaults_are_said():
    changed = ucf101_result(options={"C": 10.0, "layer": "pool5", "normalise": "none", "seed": 5})
    said = "not the protocol's defaults: C = 10 (default 1), normalise = none (default l2)"
    assert said in remarks(table_of(changed), "p3d199")
    assert remarks(table_of(ucf101_result()), "p3d199") == []


def test_the_defaults_that_a_result_says_are_those_it_was_made_with():
    """A later release may have others, and a plug-in need not be installed where the report is made."""
    options = {"C": 10.0, "layer": "pool5"}
    said = ucf101_result(options=options, default_options={"C": 10.0, "layer": "fc6"})
    assert remarks(table_of(said), "p3d199") == [
        "not the protocol's defaults: layer = pool5 (default fc6)",
    ]


def test_undefined_is_said_with_its_reason():
    table = table_of(aslan_result(metrics={"accuracy": Metric(None, reason="no pairs in fold 3")}))
    cell = rows(table)["p3d199"].cells["accuracy"]
    assert cell.shown == "undefined"
    assert {note.mark: note.text for note in table.footnotes}[cell.marks[0]] == "undefined: no pairs in fold 3"


def test_warnings_become_footnotes_once():
    warned = [ucf101_result(name, warnings=("the groups overlap", "NOT CONVERGED: x")) for name in ("a", "b")]
    table = table_of(*warned)
    assert [note.text for note in table.footnotes].count("the groups overlap") == 1
    assert not any(note.text.startswith("NOT CONVERGED") for note in table.footnotes)
    assert remarks(table, "a") == remarks(table, "b") == ["the groups overlap"]


def test_sensitivity_lines_follow_the_table_and_skip_the_headline():
    notes = table_of(aslan_result()).notes
    assert "Other choices, p3d199: l2: Accuracy 70.1 ± 0.6, AUC 76.1." in notes
    assert not any("zscore+l2" in note for note in notes)


def test_a_wilson_interval_says_what_it_assumes():
    assert any("clips of one group are not" in note for note in table_of(ucf101_result()).notes)


def test_nothing_to_report():
    with pytest.raises(UserError, match="no results"):
        build_tables([])


def test_a_result_given_twice():
    with pytest.raises(UserError, match="given twice"):
        build_tables([aslan_result(), aslan_result()])


def test_what_failed_is_shown_as_failed():
    failed = Failed("ucf101", "i3d", "out of memory")
    table = table_of(ucf101_result(accuracy=0.87), failures=[failed])
    row = rows(table)["i3d"]
    assert (row.kind, row.cells["accuracy"].shown) == ("failed", "failed")
    assert remarks(table, "i3d") == ["failed: out of memory"]
    (alone,) = build_tables([], failures=[failed])
    assert alone.groups[0].heading == "failed"


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=6))
def test_the_best_is_the_largest_printed_value(thousandths):
    results = [ucf101_result(f"r{i}", v / 1000, official=False) for i, v in enumerate(thousandths)]
    expected = {f"r{i}" for i, v in enumerate(thousandths) if v == max(thousandths)}
    assert best(table_of(*results), "accuracy") == expected


@pytest.mark.parametrize("official", [True, False])
@pytest.mark.parametrize("published", [True, False])
def test_an_incomplete_row_is_not_best_and_leaves_the_best_to_the_complete_ones(official, published):
    table = table_of(
        ucf101_result("low", 0.95, official=official),
        ucf101_result("high", 0.96, official=official, backbone="b"),
        ucf101_result("part", 0.97, official=official, backbone="c", missing=("x",)),
        published=published,
    )
    assert best(table, "accuracy") == {"high"}
    assert "part" not in {row.label for row in table.rows if row.cells["accuracy"].second}
    assert any("1 missing" in text for text in remarks(table, "part"))
    assert not any("none is marked best" in note for note in table.notes)


def test_one_complete_row_beside_incomplete_ones_is_not_the_best_of_anything():
    table = table_of(
        ucf101_result("whole", 0.5, official=False),
        *(ucf101_result(name, 0.6, official=False, backbone=name, missing=("x",)) for name in "ab"),
    )
    assert not table.has_best


def test_rows_that_lack_the_same_videos_are_compared_where_no_row_is_complete():
    results = [
        ucf101_result(name, value, official=False, backbone=name, missing=("x",))
        for name, value in (("a", 0.5), ("b", 0.6))
    ]
    assert best(table_of(*results), "accuracy") == {"b"}
    other = ucf101_result("c", 0.7, official=False, backbone="c", missing=("y",))
    assert not table_of(*results, other).has_best


def test_failed_videos_make_another_result_of_the_same_file():
    whole, part = ucf101_result(), ucf101_result(missing=("Wave/v_Wave_g01_c01",))
    assert whole.result_id != part.result_id
    assert part.result_id == ucf101_result(missing=("Wave/v_Wave_g01_c01",)).result_id


@pytest.mark.parametrize("changed", [{"C": 10.0}, {"normalise": "none"}, {"layer": "fc6"}])
def test_options_of_ones_own_get_no_difference_and_no_rank(changed):
    """The paper's number is of the default options; others are the reader's to judge."""
    result = ucf101_result(accuracy=0.95, options={"C": 1.0, "layer": "pool5", **changed})
    table = table_of(result, ucf101_result("usual", 0.5, options={"C": 1.0, "layer": "pool5"}))
    assert "accuracy_difference" not in rows(table)["p3d199"].cells
    assert "accuracy_difference" in rows(table)["usual"].cells
    assert "p3d199" not in best(table, "accuracy")
    assert any(text.startswith("not the protocol's defaults: ") for text in remarks(table, "p3d199"))


def test_options_that_change_no_number_are_none_of_ones_own():
    result = ucf101_result(options={"C": 1.0, "device": "cuda", "seed": 4, "pca": "sweep"})
    assert "accuracy_difference" in rows(table_of(result))["p3d199"].cells


def test_c3d_is_compared_with_its_own_layer():
    options = {"C": 1.0, "layer": "fc6"}
    row = rows(table_of(ucf101_result("c3d", 0.823, backbone="c3d", options=options)))["c3d"]
    assert row.cells["accuracy_difference"].shown == "+0.0"
    assert row.attributes["compared_with"] == "C3D"
    assert row.marks == ()


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (
            ucf101_result("c3d", 0.95, backbone="c3d", options={"C": 1.0, "layer": "pool5"}),
            "layer = pool5 (published with fc6)",
        ),
        (
            aslan_result("c3d", 0.9, backbone="c3d", options={"C": 1.0, "recipe": "p3d"}),
            "recipe = p3d (published with c3d)",
        ),
    ],
)
def test_c3d_at_the_protocols_defaults_is_not_what_was_published(result, told):
    """The paper's C3D rows are of fc6, and of C3D's recipe for ASLAN; others are ranked only."""
    table = table_of(result)
    row = rows(table)["c3d"]
    assert not [key for key in row.cells if key.endswith("_difference")]
    assert "compared_with" not in row.attributes
    assert remarks(table, "c3d") == [f"no difference to the published row is taken: {told}"]
    assert not any(note.startswith("Δ") for note in table.notes)
    assert best(table, "accuracy") == {"c3d"}


def test_copies_within_official_splits_are_the_data_sets_own():
    result = ucf101_result(warnings=("LEAK: split 1: 1 test videos have a near copy in training: a and b.",))
    assert "accuracy_difference" in rows(table_of(result))["p3d199"].cells


def test_weights_that_saw_the_test_are_an_obstacle():
    result = ucf101_result(warnings=("LEAK: the weights were trained on 'UCF101'",))
    table = table_of(result)
    assert "accuracy_difference" not in rows(table)["p3d199"].cells
    assert any("weights trained on the data set" in text for text in remarks(table, "p3d199"))


def test_notes_on_intervals_say_which_rows_they_are_of():
    one, two = ucf101_result("one", 0.5), ucf101_result("two", 0.6)
    (note,) = [note for note in table_of(one, two).notes if "[low, high]" in note]
    assert note.startswith("[low, high]: 95 % interval, wilson")
    three = ucf101_result("three", 0.7)
    other = {"accuracy": Metric(0.7, 0.6, 0.8, 0.9, "bootstrap over groups", 10, "videos")}
    three = replace(three, metrics=other)
    notes = [note for note in table_of(one, two, three).notes if "[low, high]" in note]
    assert [note.partition(":")[0] for note in notes] == ["[low, high] of one, two", "[low, high] of three"]
    assert notes[1] == "[low, high] of three: 90 % interval, bootstrap over groups."


def test_notes_on_intervals_say_which_columns_they_are_of():
    metrics = {
        "accuracy": Metric(0.7, 0.6, 0.8, 0.95, "exact", 10, "pairs"),
        "auc": Metric(0.8, 0.7, 0.9, 0.95, "Hanley and McNeil", 10, "pairs"),
    }
    notes = [note for note in table_of(aslan_result(metrics=metrics)).notes if "[low, high]" in note]
    assert [note.partition(":")[0] for note in notes] == [
        "[low, high] in Accuracy (%)",
        "[low, high] in AUC (%)",
    ]


def test_single_similarities_are_not_listed_as_other_choices():
    cell = Variant("L1 · pool5", {"similarity": "L1", "layer": "pool5"}, {"accuracy": Metric(0.6)})
    result = aslan_result()
    notes = " ".join(table_of(replace(result, variants=(*result.variants, cell))).notes)
    assert "l2: Accuracy 70.1" in notes
    assert "L1 · pool5" not in notes
