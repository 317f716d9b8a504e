"""Tables of several protocols, published tables by name, free columns, and the tables of single protocols."""

from dataclasses import replace

import pytest

from p3d_eval.errors import UserError
from p3d_eval.protocols.result import Metric, Split
from p3d_eval.reports import Failed, Report, build_tables
from tests.support.results import aslan_result, profile_result, ucf101_result


def tables_of(*results, **options):
    return build_tables(list(results), **options)


def table_of(*results, **options):
    (table,) = tables_of(*results, **options)
    return table


def shown(table, label):
    row = next(row for row in table.rows if row.label == label)
    return {key: cell.shown for key, cell in row.cells.items()}


def remarks(table, marks):
    texts = {note.mark: note.text for note in table.footnotes}
    return [texts[mark] for mark in marks]


def scene(protocol, label="p3d199", value=0.9, **changes):
    return ucf101_result(label, value, protocol=protocol, splits=1, low=None, high=None, **changes)


def test_both_scene_sets_share_table_6():
    table = table_of(scene("yupenn", value=0.995), scene("dynamic-scenes", value=0.95, backbone="p3d199"))
    assert [column.heading for column in table.columns] == [
        "Dynamic Scene (%)",
        "YUPENN (%)",
        "Δ Dynamic Scene",
        "Δ YUPENN",
    ]
    assert shown(table, "p3d199") == {
        "dynamic_scene": "95.0",
        "yupenn": "99.5",
        "dynamic_scene_difference": "+0.4",
        "yupenn_difference": "+0.0",
    }
    assert shown(table, "C3D") == {"dynamic_scene": "87.7", "yupenn": "98.1"}
    ids = next(row for row in table.rows if row.label == "p3d199").attributes["result_id"]
    assert len(ids.split()) == 2


def test_one_scene_set_alone_leaves_the_other_empty():
    table = table_of(scene("yupenn"))
    assert "dynamic_scene" not in shown(table, "p3d199")
    assert shown(table, "ResNet-152") == {"dynamic_scene": "93.6", "yupenn": "99.2"}


def test_remarks_stand_at_the_column_they_are_of():
    table = table_of(scene("yupenn"), scene("dynamic-scenes", official=False, missing=("x",)))
    row = next(row for row in table.rows if row.label == "p3d199")
    assert row.marks == ()
    assert row.cells["yupenn"].marks == ()
    assert remarks(table, row.cells["dynamic_scene"].marks) == [
        "13319 of 13320 videos; 1 missing, counted as wrong",
        "not comparable with the published rows: not the official videos, 13319 of 13320 videos",
    ]
    assert "dynamic_scene_difference" not in row.cells
    assert "yupenn_difference" in row.cells


def test_a_column_of_which_no_result_is_official_has_its_best_among_ours():
    """99.5 is published, but only yupenn's results may stand beside it."""
    table = table_of(
        scene("yupenn", "a", 0.5, backbone="a"),
        scene("dynamic-scenes", "a", 0.6, backbone="a", official=False),
        scene("dynamic-scenes", "b", 0.5, backbone="b", official=False),
    )
    best = {(row.label, key) for row in table.rows for key, cell in row.cells.items() if cell.best}
    assert best == {("a", "dynamic_scene"), ("P3D ResNet", "yupenn")}


def test_rows_are_joined_by_network_weights_and_options():
    other = {**scene("yupenn").features, "weights": {"sha256": "d" * 64, "random": False}}
    table = table_of(
        scene("yupenn"),
        scene("dynamic-scenes"),
        scene("dynamic-scenes", options={"C": 10.0, "layer": "pool5"}),
        scene("dynamic-scenes", features={**other, "identity": "other"}),
    )
    measured = [row for row in table.rows if row.kind == "measured"]
    assert [set(row.cells) & {"yupenn", "dynamic_scene"} for row in measured] == [
        {"yupenn", "dynamic_scene"},
        {"dynamic_scene"},
        {"dynamic_scene"},
    ]
    assert len({row.label for row in measured}) == 3


def retrieval_result(label="p3d199", r1=0.7, *, backbone="p3d199", **options):
    """A retrieval, which has no C."""
    known = {"dataset": "ucf101", "layer": "pool5", "neighbours": 5}
    metrics = {name: Metric(r1, n=3783, unit="videos") for name in ("r1", "map")}
    given = {**known, **options}
    return ucf101_result(
        label,
        protocol="retrieval",
        backbone=backbone,
        metrics=metrics,
        options=given,
        default_options=known,
        splits=1,
    )


def at(C, accuracy=0.8, **changes):
    return ucf101_result(accuracy=accuracy, options={"C": C, "layer": "pool5"}, **changes)


def split_aslan(label="p3d199", **changes):
    known = {"C": 1.0, "layers": None, "negatives": "pairs"}
    given = {**known, "layers": "pool5", "negatives": "split"}
    return aslan_result(label, options=given, default_options=known, **changes)


FREE = {"columns": ["ucf101:accuracy", "retrieval-ucf101:map", "aslan:auc"], "published": False}


def filled(table):
    return {row.label: {key.partition(":")[0] for key in row.cells} for row in table.rows}


def test_options_of_one_protocol_do_not_part_a_network():
    table = table_of(at(10.0), retrieval_result(neighbours=9), split_aslan(), **FREE)
    assert filled(table) == {"p3d199": {"ucf101", "retrieval-ucf101", "aslan"}}
    (row,) = table.rows
    assert remarks(table, row.cells["ucf101:accuracy"].marks) == [
        "not the protocol's defaults: C = 10 (default 1)"
    ]
    assert remarks(table, row.cells["aslan:auc"].marks) == [
        "not the protocol's defaults: layers = pool5 (not given by default), negatives = split (default pairs)"
    ]


def test_a_protocols_several_settings_are_rows_and_a_default_agrees_with_defaults():
    """Retrieval has no C and holds in both rows; ASLAN was judged at C = 1."""
    table = table_of(at(10.0), at(1.0), retrieval_result(), split_aslan(), **FREE)
    assert filled(table) == {
        "p3d199": {"ucf101", "retrieval-ucf101", "aslan"},
        "p3d199 (ucf101 C=10)": {"ucf101", "retrieval-ucf101"},
    }


def test_the_only_result_of_a_protocol_joins_every_row_where_it_fits_none():
    table = table_of(at(10.0), at(100.0), retrieval_result(), split_aslan(), **FREE)
    assert filled(table) == {
        "p3d199 (ucf101 C=10)": {"ucf101", "retrieval-ucf101", "aslan"},
        "p3d199 (ucf101 C=100)": {"ucf101", "retrieval-ucf101", "aslan"},
    }


def test_settings_of_two_protocols_are_not_crossed():
    results = [at(10.0), at(100.0), retrieval_result(neighbours=9), retrieval_result(neighbours=7)]
    assert filled(table_of(*results, **{**FREE, "columns": FREE["columns"][:2]})) == {
        "p3d199 (C=10)": {"ucf101"},
        "p3d199 (C=100)": {"ucf101"},
        "p3d199 (neighbours=9)": {"retrieval-ucf101"},
        "p3d199 (neighbours=7)": {"retrieval-ucf101"},
    }
    both = [*results[:2], at(1.0), *results[2:], retrieval_result()]
    assert filled(table_of(*both, **{**FREE, "columns": FREE["columns"][:2]})) == {
        "p3d199": {"ucf101", "retrieval-ucf101"},
        "p3d199 (ucf101 C=10)": {"ucf101", "retrieval-ucf101"},
        "p3d199 (ucf101 C=100)": {"ucf101", "retrieval-ucf101"},
        "p3d199 (retrieval-ucf101 neighbours=9)": {"ucf101", "retrieval-ucf101"},
        "p3d199 (retrieval-ucf101 neighbours=7)": {"ucf101", "retrieval-ucf101"},
    }


def test_two_extractions_are_two_rows_and_other_protocols_join_the_first():
    one = at(1.0)
    table = table_of(
        one,
        replace(one, features={**one.features, "identity": "again"}),
        retrieval_result(),
        **{**FREE, "columns": FREE["columns"][:2]},
    )
    assert list(filled(table).values()) == [{"ucf101", "retrieval-ucf101"}, {"ucf101"}]
    assert all(label.startswith("p3d199 [") for label in filled(table))


def test_rows_that_share_a_result_are_one_competitor():
    """One retrieval in two rows is the best of nothing; beside another network's, the second is that one."""
    results = [at(10.0, 0.7), at(1.0, 0.8), retrieval_result(r1=0.7)]
    others = [
        at(1.0, accuracy, label=label, backbone=label) for label, accuracy in (("i3d", 0.9), ("s3d", 0.6))
    ]
    others += [retrieval_result("i3d", 0.6, backbone="i3d"), retrieval_result("s3d", 0.5, backbone="s3d")]

    def marked(table, mark):
        return {row.label for row in table.rows if getattr(row.cells["retrieval-ucf101:map"], mark)}

    choices = {**FREE, "columns": FREE["columns"][:2]}
    assert not marked(table_of(*results, **choices), "best")
    table = table_of(*results, *others, **choices)
    assert marked(table, "best") == {"p3d199", "p3d199 (ucf101 C=10)"}
    assert marked(table, "second") == {"i3d"}


def test_what_failed_is_shown_in_its_column():
    table = table_of(scene("yupenn"), failures=[Failed("dynamic-scenes", "p3d199", "no such file")])
    row = next(row for row in table.rows if row.label == "p3d199")
    assert (row.kind, row.cells["dynamic_scene"].shown) == ("measured", "failed")
    assert remarks(table, row.cells["dynamic_scene"].marks) == ["failed: no such file"]


@pytest.mark.parametrize(
    ("name", "method", "key", "expected"),
    [
        ("table1", "P3D ResNet", "model_bytes", "98"),
        ("table1", "ResNet-50", "frames_per_second", "15"),
        ("table2", "Convolutional Pooling", "clip_length", "120"),
        ("table3", "TSN", "accuracy_with_flow", "94.0"),
        ("table4_activitynet", "IDT", "top3", "77.98"),
        ("aslan", "MIP", "auc", "71.9"),
        ("TABLE6", "P3D ResNet", "yupenn", "99.5"),
    ],
)
def test_a_published_table_stands_alone(name, method, key, expected):
    """Figures of the paper's tables."""
    table = table_of(published=[name])
    assert shown(table, method)[key] == expected
    assert {row.kind for row in table.rows} == {"published"}
    assert not table.has_best


def test_named_tables_come_first_and_other_protocols_have_no_published_rows():
    tables = tables_of(aslan_result(), ucf101_result(), published=["table3"])
    assert [table.protocol for table in tables] == ["ucf101", "aslan"]
    assert "published" in {row.kind for row in tables[0].rows}
    assert {row.kind for row in tables[1].rows} == {"measured"}


def test_table_1_sets_split_1_and_the_profile_beside_the_paper():
    splits = tuple(Split(f"split {n}", {"accuracy": Metric(0.6 + n / 10)}, 1, 1) for n in (1, 2, 3))
    own = ucf101_result("p3d63", backbone="p3d63", splits=3)
    own = replace(own, splits=splits, features={**own.features, "options": {}})
    table = table_of(own, profile_result(), published=["table1"])
    assert shown(table, "p3d63") == {
        "accuracy": "70.0",
        "model_bytes": "98",
        "clips_per_second": "10.0 [9.0, 11.0]",
        "frames_per_second": "160 [144, 176]",
    }
    assert not table.has_best
    assert "[low, high]: median." in table.notes
    assert any("fine-tuned on UCF101, timed on one K40: for reference only" in note for note in table.notes)


def test_a_published_table_that_does_not_exist():
    with pytest.raises(UserError, match="Did you mean table3"):
        tables_of(published=["tabel3"])


def test_free_columns_join_what_a_network_has():
    table = table_of(
        ucf101_result(),
        aslan_result(auc=0.9),
        aslan_result("i3d", backbone="i3d"),
        columns=["ucf101:accuracy", "aslan:auc"],
    )
    assert [column.key for column in table.columns][:2] == ["ucf101:accuracy", "aslan:auc"]
    assert shown(table, "p3d199")["aslan:auc"] == "90.0"
    assert shown(table, "p3d199")["aslan:auc_difference"] == "+2.1"
    assert "ucf101:accuracy" not in shown(table, "i3d")
    assert shown(table, "P3D ResNet") == {"ucf101:accuracy": "88.6", "aslan:auc": "87.9"}
    assert any("P3D Table 3, P3D Table 5" in note for note in table.notes)


def test_a_profile_joins_every_row_of_its_network():
    one = ucf101_result("mine", backbone="p3d63")
    one = replace(one, features={**one.features, "options": {}})
    other = replace(
        one, label="other", features={**one.features, "weights": {"sha256": "e" * 64}, "identity": "e"}
    )
    table = table_of(
        one,
        other,
        profile_result(),
        columns=["ucf101:accuracy", "profile:clips_per_second"],
        intervals="none",
        published=False,
    )
    assert not table.footnotes
    assert {row.label: row.cells["profile:clips_per_second"].shown for row in table.rows} == {
        "mine": "10.0",
        "other": "10.0",
    }


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        (["accuracy"], "is not PROTOCOL:METRIC"),
        (["ucf10:accuracy"], "Did you mean ucf101"),
        (["ucf101:acuracy"], "Did you mean accuracy"),
    ],
)
def test_columns_that_are_not_there(columns, complaint):
    with pytest.raises(UserError, match=complaint):
        tables_of(ucf101_result(), columns=columns)


def test_a_profile_has_a_row_for_every_way():
    table = table_of(profile_result())
    rows = [{k: c.shown for k, c in row.cells.items()} for row in table.rows if row.kind == "measured"]
    assert rows == [
        {
            "precision": "fp32",
            "batch_size": "8",
            "parameters": "25.9",
            "model_bytes": "98",
            "macs": "8.4",
            "clips_per_second": "10.0 [9.0, 11.0]",
            "frames_per_second": "160 [144, 176]",
            "peak_bytes": "3.00",
        },
        {
            "precision": "fp32",
            "batch_size": "1",
            "parameters": "25.9",
            "model_bytes": "98",
            "macs": "8.4",
            "clips_per_second": "5.0 [4.5, 5.5]",
            "frames_per_second": "80 [72, 88]",
            "peak_bytes": "3.00",
        },
    ]
    assert not table.footnotes


TINY = {
    "parameters": (12_345.0, "0.0123"),  # in millions
    "model_bytes": (0.4 * 2**20, "0.400"),
    "macs": (1_234.0, "0.00000123"),
    "clips_per_second": (0.04, "0.0400 [0.0360, 0.0440]"),
    "frames_per_second": (0.64, "0.640 [0.576, 0.704]"),
    "peak_bytes": (2**20, "0.000977"),
}


def test_tiny_numbers_of_a_profile_keep_three_digits_in_every_format():
    profile = profile_result(speed=0.04)
    metrics = {key: replace(profile.metrics[key], value=value) for key, (value, _) in TINY.items()}
    report = Report.of([replace(profile, metrics=metrics, variants=())], published=False)
    (row,) = report.tables[0].rows
    assert {key: row.cells[key].shown for key in TINY} == {key: text for key, (_, text) in TINY.items()}
    for text in (report.to_text(), report.to_markdown(), report.to_latex(), report.to_html(), report.to_json()):
        for _, shown in TINY.values():
            assert shown.split()[0] in text
    (record,) = report.to_frame().to_dict("records")
    assert record["macs"] == pytest.approx(1.234e-6, rel=1e-6)
    assert record["parameters"] == 0.012345


@pytest.mark.parametrize(
    ("size", "shown"), [(0.0, "0"), (1.4, "1.40"), (9.96, "9.96"), (10.4, "10"), (99.6, "100")]
)
def test_sizes_of_a_profile_have_two_digits_at_least(size, shown):
    profile = profile_result()
    metrics = dict(profile.metrics) | {"model_bytes": Metric(size * 2**20)}
    (row,) = Report.of([replace(profile, metrics=metrics, variants=())], published=False).tables[0].rows
    assert row.cells["model_bytes"].shown == shown


def test_speeds_of_different_machines_are_not_ranked():
    one, two = profile_result(), profile_result("i3d", 20.0, backbone="i3d")
    assert table_of(one, two).has_best
    table = table_of(one, replace(two, features={**two.features, "device": "cuda (H200)"}))
    assert not table.has_best
    assert any("different videos or machines" in note for note in table.notes)


def test_hmdb51_shows_its_splits():
    result = ucf101_result(protocol="hmdb51", low=None, high=None)
    splits = tuple(Split(name, {"accuracy": Metric(0.5 + int(name) / 10)}, 1, 1) for name in "123")
    cells = shown(table_of(replace(result, splits=splits)), "p3d199")
    assert cells == {
        "accuracy": "88.6",
        "accuracy_split1": "60.0",
        "accuracy_split2": "70.0",
        "accuracy_split3": "80.0",
    }


def test_retrieval_on_two_sets_is_two_tables():
    metrics = {f"r{k}": Metric(0.1 * n) for n, k in enumerate((1, 5, 10, 20, 50), 1)} | {"map": Metric(0.7)}
    results = [
        ucf101_result(name, protocol="retrieval", metrics=metrics, options={"dataset": name, "layer": "pool5"})
        for name in ("ucf101", "hmdb51")
    ]
    first, second = tables_of(*results)
    assert [column.heading for column in first.columns] == [
        *(f"R@{k} (%)" for k in (1, 5, 10, 20, 50)),
        "mAP (%)",
    ]
    assert (first.protocol, second.protocol) == ("retrieval-ucf101", "retrieval-hmdb51")
    assert shown(second, "hmdb51")["r50"] == "50.0"


def test_view_1_of_aslan_does_not_stand_beside_the_published_rows():
    one = aslan_result("dev", options={"view": "1"}, official=False)
    tables = tables_of(aslan_result(), one)
    assert [table.protocol for table in tables] == ["aslan", "aslan-view1"]
    assert {row.kind for row in tables[1].rows} == {"measured"}


@pytest.mark.parametrize("official", [False, True])
def test_versions_of_a_protocol_are_not_ranked_together(official):
    one = ucf101_result("a", 0.95, official=official)
    table = table_of(one, replace(one, label="b", version="2"))
    assert not table.has_best
    assert {note.text for note in table.footnotes} >= {"version 1 of the protocol", "version 2 of the protocol"}
    assert any("by different versions of the protocol" in note for note in table.notes)


def test_the_second_is_underlined_where_one_row_is_better():
    rows = [
        ucf101_result(name, value, official=False)
        for name, value in zip("abcd", (0.9, 0.8, 0.8, 0.7), strict=True)
    ]
    table = table_of(*rows)
    assert {row.label for row in table.rows if row.cells["accuracy"].second} == {"b", "c"}
    assert not table_of(*rows[:2]).has_second
    tied = [replace(rows[0], label="e", features={**rows[0].features, "identity": "e"}), *rows]
    assert not table_of(*tied).has_second


@pytest.mark.parametrize(
    ("style", "expected", "note"),
    [
        ("brackets", "88.6 [87.9, 89.3]", "[low, high]: 95 % interval, wilson"),
        ("plus-minus", "88.6 ± 0.7", "±: half the width, the larger side, of the 95 % interval, wilson"),
        ("none", "88.6", ""),
    ],
)
def test_styles_of_intervals(style, expected, note):
    table = table_of(ucf101_result(), intervals=style)
    assert shown(table, "p3d199")["accuracy"] == expected
    assert [text for text in table.notes if "interval" in text or "±" in text][:1] == [
        text for text in table.notes if note and text.startswith(note)
    ]


def test_an_interval_that_is_not_symmetric_is_written_by_its_larger_side():
    result = ucf101_result(accuracy=0.99, low=0.95, high=1.0)
    assert shown(table_of(result, intervals="plus-minus"), "p3d199")["accuracy"] == "99.0 ± 4.0"


def test_one_name_is_as_good_as_a_list_of_one():
    assert tables_of(published="table3") == tables_of(published=["table3"])
    columns = "ucf101:accuracy, aslan:auc"
    both = (ucf101_result(), aslan_result())
    assert tables_of(*both, columns=columns) == tables_of(*both, columns=columns.split(", "))


def test_an_unknown_option_is_named():
    with pytest.raises(UserError, match="Did you mean columns"):
        tables_of(ucf101_result(), colums=["ucf101:accuracy"])


def test_many_remarks_are_numbered():
    """‡, ‡‡ and then numbers: nobody counts forty marks in a row."""
    rows = [ucf101_result(f"n{n}", backbone=f"n{n}", official=False, warnings=(f"w{n}",)) for n in range(12)]
    table = table_of(*rows)
    assert [note.mark for note in table.footnotes][-3:] == ["(12)", "(13)", "(14)"]
    assert len({note.mark for note in table.footnotes}) == len(table.footnotes) == 14


def test_an_unknown_style_is_named():
    with pytest.raises(UserError, match="Did you mean brackets"):
        table_of(ucf101_result(), intervals="bracket")


def test_differences_on_request_only():
    assert "accuracy_difference" in shown(table_of(ucf101_result()), "p3d199")
    table = table_of(ucf101_result(), delta=False)
    assert "accuracy_difference" not in shown(table, "p3d199")
    assert not any(note.startswith("Δ") for note in table.notes)
